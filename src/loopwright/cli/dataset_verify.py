"""`loopwright dataset verify`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.dataset_words import counted
from loopwright.cli.output import note, say
from loopwright.cli.recorded_data import recorded_data
from loopwright.errors import ExitCode


@click.command()
@click.argument("version", metavar="NAME[@vN]")
@project_options
def command(version: str, options: ProjectOptions) -> int:
    """Check files and lines, build the version again from its lake, and compare digests.

    Ends with 1 when anything differs, naming files and lines.
    """
    from loopwright.lake.datasets.verifying import verify as verified
    from loopwright.lake.keys import Role

    with recorded_data(options) as data:
        catalog, manifest = data.version(version)
        place = data.lake_of(manifest)
        lake = place.open(Role.STANDARD) if place else None
        result = verified(catalog, manifest.name, manifest.version, lake=lake)
    which = f"{manifest.name} v{manifest.version}"
    for finding in result.findings:
        say(f"{which}: {finding}")
    if place is None:
        note(f"Its lake {manifest.lake_id} is not recorded here: nothing was built again.")
    if not result.ok:
        say(f"{which} is not what was built: {counted(len(result.findings), 'finding')}.")
        return ExitCode.ERROR
    lines = manifest.kept - result.erased
    built = place if result.expired < lines else None
    kind = "Lake/" if built in data.lakes else "inference dataset "
    rebuilt = f", and {kind}{built.name} gives the same again" if built else ""
    left = counted(lines, "line")
    less = f", less {result.erased:,} erased" if result.erased else ""
    if result.expired:
        less += f", {result.expired:,} of them past the lake's retention and not built again"
    say(f"{which} is as it was built: {left}{less}{rebuilt}.")
    say(f"digest  {manifest.digest}")
    return ExitCode.DONE
