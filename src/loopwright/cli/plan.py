"""`loopwright plan`."""

from __future__ import annotations

import shlex
from dataclasses import replace
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
@click.option("--destroy", is_flag=True, help="Plan a destroy.")
@click.option("--delete-data", is_flag=True, help="With --destroy: also lakes, versions, models.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Save it, to apply exactly.")
@click.option("--json", "as_json", is_flag=True, help="Print it as versioned JSON.")
@click.option("--markdown", is_flag=True, help="Print it for a pull request.")
@click.option("--detailed-exitcode", is_flag=True, help="3: changes pending, 4: waiting.")
@click.option("-v", "--verbose", count=True, help="Open diffs; twice: unchanged fields too.")
@click.option("--ascii", "ascii_only", is_flag=True, help="ASCII signs only.")
@project_options
def command(
    paths: tuple[str, ...],
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    replaces: tuple[str, ...],
    no_refresh: bool,
    no_prune: bool,
    destroy: bool,
    delete_data: bool,
    out: Path | None,
    as_json: bool,
    markdown: bool,
    detailed_exitcode: bool,
    verbose: int,
    ascii_only: bool,
    options: ProjectOptions,
) -> int:
    """Show what an apply would do, why, and what it would take.

    PATHS are manifest files or folders; - is stdin. Default: this folder. Nothing is written,
    here or at any provider, but the file of --out.
    """
    from loopwright.cli.rendering import command_line, show_plan
    from loopwright.engine.reconcile import Reconciler

    workspace = options.workspace()
    declared = options.declare(workspace, paths)
    chosen = replace(
        selection(
            targets=targets,
            excludes=excludes,
            replaces=replaces,
            no_refresh=no_refresh,
            no_prune=no_prune,
        ),
        destroy=destroy,
        delete_data=delete_data,
    )
    plan = Reconciler(workspace, declared).plan(chosen)
    show_plan(
        plan,
        form="json" if as_json else "markdown" if markdown else "text",
        verbosity=verbose,
        ascii_only=ascii_only,
        next_command=(
            shlex.join(["loopwright", "apply", str(out)])
            if out
            else command_line("destroy" if destroy else "apply", paths, options, chosen)
        ),
    )
    if out is not None:
        from loopwright.cli.output import note
        from loopwright.engine.saved import SavedPlan, write_saved

        saved = SavedPlan.of(plan, paths or (".",), options.var_files)
        write_saved(saved, out)
        note(f"Saved as {out} (plan {saved.id}).")
    return plan.exit_code(detailed=detailed_exitcode)
