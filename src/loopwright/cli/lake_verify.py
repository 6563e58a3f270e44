"""`loopwright lake verify`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.dataset_words import counted
from loopwright.cli.output import say
from loopwright.cli.recorded_data import recorded_data
from loopwright.errors import ExitCode


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@project_options
def command(name: str | None, options: ProjectOptions) -> int:
    """Compare every file with the lake's manifest, byte for byte. Ends with 1 on a finding."""
    from loopwright.lake.keys import Role

    with recorded_data(options) as data:
        place = data.lake(name)
        lake = place.open(Role.READER)
        findings = lake.verify()
        told = lake.status() if not findings else None
    for finding in findings:
        say(f"{place.name}: {finding}")
    if told is None:
        say(f"Lake/{place.name} is not as it was written: {len(findings)} found.")
        return ExitCode.ERROR
    held = f"{counted(told.files, 'file')}, {counted(told.calls, 'call')}"
    say(f"Lake/{place.name} is as it was written: {held}.")
    return ExitCode.DONE
