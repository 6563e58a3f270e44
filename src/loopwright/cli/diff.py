"""`loopwright diff`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, manifest_paths, project_options, selection
from loopwright.cli.output import say, say_json
from loopwright.errors import ExitCode


@click.command()
@manifest_paths
@click.option("-t", "--target", "targets", multiple=True, metavar="ADDRESS", help="Only these.")
@click.option("--no-refresh", is_flag=True, help="Against state alone, not the world.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@project_options
def command(
    paths: tuple[str, ...],
    targets: tuple[str, ...],
    no_refresh: bool,
    as_json: bool,
    options: ProjectOptions,
) -> int:
    """Compare the manifests with the world, field by field.

    Ends with 3 when something differs, so that scripts can tell.
    """
    from loopwright.engine.reconcile import Reconciler
    from loopwright.planning.render.json import to_document
    from loopwright.planning.standing import show

    workspace = options.workspace()
    declared = options.declare(workspace, paths)
    chosen = selection(
        targets=targets, excludes=(), replaces=(), no_refresh=no_refresh, no_prune=False
    )
    plan = Reconciler(workspace, declared).plan(chosen)
    if as_json:
        document = to_document(plan)
        say_json({"changes": document["changes"], "drift": document["drift"]})
    for change in plan.pending if not as_json else ():
        say(f"{change.symbol} {change.address}  {change.reason}")
        for field in change.fields:
            say(f"    {field.path}: {show(field.before)} -> {show(field.after)}")
    return ExitCode.CHANGES if plan.pending else ExitCode.DONE
