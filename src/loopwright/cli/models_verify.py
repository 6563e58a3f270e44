"""`loopwright models verify`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import say
from loopwright.cli.recorded_data import size_words
from loopwright.cli.recorded_models import recorded_models


@click.command()
@click.argument("model", metavar="NAME[@REVISION]")
@project_options
def command(model: str, options: ProjectOptions) -> None:
    """Read every file of a revision again and compare it with what was registered.

    Ends with 1 when a file was changed or is missing, naming it. An adapter's base is looked at
    too, where it is on this machine.
    """
    with recorded_models(options) as data:
        keeper, version = data.version(model)
        keeper.models.verify(version)
        base = keeper.base_of(version) if version.kind == "adapter" else None
    on = f", on {base.reference} as it was" if base else ""
    count = len(version.files)
    say(f"{version.label} is as it was registered: {count} files, {size_words(version.size)}{on}.")
    say(f"digest  {version.digest}")
