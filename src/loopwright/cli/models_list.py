"""`loopwright models list`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.models_words import AS_JSON, summary, when
from loopwright.cli.output import note, say, say_json, table
from loopwright.cli.recorded_data import size_words
from loopwright.cli.recorded_models import recorded_models


@click.command()
@AS_JSON
@project_options
def command(as_json: bool, options: ProjectOptions) -> None:
    """Every registered model on this machine, a line each; as JSON every revision."""
    with recorded_models(options) as data:
        found = [
            (version, registry.aliases_of(version), data.served_by(version))
            for registry, name in data.names()
            for version in registry.all(name)
        ]
    if as_json:
        say_json([summary(one, aliases=also, served_by=by) for one, also, by in found])
        return
    if not found:
        note("There are no registered models on this machine yet.")
        return
    rows = []
    newest = {version.name: version for version, *_ in found}
    for name, version in newest.items():
        mine = [one for one in found if one[0].name == name]
        named = [f"{alias}=v{one.version}" for one, also, _ in mine for alias in also]
        serving = [f"{address} v{one.version}" for one, _, by in mine for address in by]
        rows.append(
            (
                name,
                f"v{version.version}",
                ", ".join(named),
                version.kind,
                version.base.reference if version.base else "",
                size_words(version.size),
                ", ".join(serving),
                when(version),
            )
        )
    header = ("MODEL", "NEWEST", "ALIASES", "KIND", "BASE", "SIZE", "SERVED BY", "MADE (UTC)")
    say(table(rows, header=header))
