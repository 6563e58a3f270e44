"""`loopwright destroy`."""

from __future__ import annotations

from dataclasses import replace

import click

from loopwright.cli.common import ProjectOptions, manifest_paths, project_options, selection


@click.command()
@manifest_paths
@click.option("-t", "--target", "targets", multiple=True, metavar="ADDRESS", help="Only these.")
@click.option("--exclude", "excludes", multiple=True, metavar="ADDRESS", help="Not these.")
@click.option("--delete-data", is_flag=True, help="Also lakes, dataset versions and models.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-w", "--wait", is_flag=True, help="Wait for what is running.")
@project_options
def command(
    paths: tuple[str, ...],
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    delete_data: bool,
    yes: bool,
    wait: bool,
    options: ProjectOptions,
) -> int:
    """Remove what was made, dependants first.

    Lakes, dataset versions and models are kept unless --delete-data is given.
    """
    from loopwright.cli.applying import Applying

    chosen = replace(
        selection(
            targets=targets, excludes=excludes, replaces=(), no_refresh=False, no_prune=False
        ),
        destroy=True,
        delete_data=delete_data,
    )
    return Applying(options).run(paths, chosen, waits=wait, asks=not yes, word="destroy")
