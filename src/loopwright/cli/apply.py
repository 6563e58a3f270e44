"""`loopwright apply`."""

from __future__ import annotations

from pathlib import Path

import click

from loopwright.cli.common import (
    ProjectOptions,
    manifest_paths,
    project_options,
    selection,
    selection_options,
)


@click.command()
@manifest_paths
@selection_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-w", "--wait", is_flag=True, help="Wait for what is running, and go on.")
@click.option("--resume", is_flag=True, help="Go on with a saved plan that was interrupted.")
@click.option("--parallelism", type=click.IntRange(1, 100), help="Provider calls at once.")
@click.option("--lock-timeout", type=float, default=0, help="Seconds to wait for the lock.")
@click.option("--events", type=click.Path(allow_dash=True), help="Write events as JSON lines.")
@click.option("-v", "--verbose", count=True, help="Open diffs in the plan.")
@project_options
def command(
    paths: tuple[str, ...],
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    replaces: tuple[str, ...],
    no_refresh: bool,
    no_prune: bool,
    yes: bool,
    wait: bool,
    resume: bool,
    parallelism: int | None,
    lock_timeout: float,
    events: str | None,
    verbose: int,
    options: ProjectOptions,
) -> int:
    """Make it so.

    PATHS are manifests (then: plan, show, ask, execute), or one file saved by
    `plan --out` (then: exactly that plan, or a refusal when anything moved on since).
    """
    from loopwright.cli.applying import Applying
    from loopwright.engine.saved import is_saved_plan, read_saved

    saved = None
    if len(paths) == 1 and is_saved_plan(Path(paths[0])):
        saved = read_saved(Path(paths[0]))
    chosen = selection(
        targets=targets,
        excludes=excludes,
        replaces=replaces,
        no_refresh=no_refresh,
        no_prune=no_prune,
    )
    applying = Applying(
        options,
        events=events,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
        verbosity=verbose,
    )
    if saved is not None:
        return applying.run_saved(saved, paths[0], waits=wait, resumes=resume)
    if resume:
        return applying.run_resumed(paths, chosen, waits=wait)
    return applying.run(paths, chosen, waits=wait, asks=not yes)
