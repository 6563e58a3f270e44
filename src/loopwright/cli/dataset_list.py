"""`loopwright dataset list`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.dataset_words import AS_JSON, summary, when
from loopwright.cli.output import note, say, say_json, table
from loopwright.cli.recorded_data import recorded_data

_SHORT = len("sha256:") + 12


@click.command()
@AS_JSON
@project_options
def command(as_json: bool, options: ProjectOptions) -> None:
    """Every dataset version on this machine, a line each."""
    with recorded_data(options) as data:
        found = [
            catalog.load(name, number)
            for catalog in data.catalogs()
            for name in catalog.names()
            for number in catalog.versions(name)
        ]
    if as_json:
        say_json([summary(manifest) for manifest in found])
        return
    if not found:
        note("There are no dataset versions on this machine yet.")
        return
    rows = [
        (
            manifest.name,
            f"v{manifest.version}",
            f"{manifest.kept:,}",
            f"{sum(manifest.tokens.values()):,}",
            manifest.digest[:_SHORT],
            when(manifest),
        )
        for manifest in found
    ]
    say(table(rows, header=("DATASET", "VERSION", "ROWS", "TOKENS", "DIGEST", "MADE (UTC)")))
