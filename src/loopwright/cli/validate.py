"""`loopwright validate`."""

from __future__ import annotations

import sys

import click

from loopwright.cli.common import ProjectOptions, manifest_paths, project_options
from loopwright.cli.output import note, say, say_json, uses_color
from loopwright.errors import ExitCode


@click.command()
@manifest_paths
@click.option("--json", "as_json", is_flag=True, help="Print the diagnostics as JSON.")
@project_options
def command(paths: tuple[str, ...], as_json: bool, options: ProjectOptions) -> int:
    """Check manifests and tell everything that is wrong, all at once.

    Nothing outside the manifests is looked at but the names that state records.
    """
    from loopwright.engine.workspace import examine
    from loopwright.manifests.diagnostics import Severity, render

    workspace = options.workspace()
    _, resources, _, _, diagnostics = examine(
        workspace,
        paths or ["."],
        variables=options.values(),
        var_files=options.var_files,
        stdin=sys.stdin.buffer.read,
    )
    errors = sum(item.severity is Severity.ERROR for item in diagnostics)
    if as_json:
        say_json(
            {
                "format_version": 1,
                "valid": not errors,
                "resources": len(resources),
                "diagnostics": [item.to_json() for item in diagnostics],
            }
        )
        return ExitCode.ERROR if errors else ExitCode.DONE
    if diagnostics:
        note(render(diagnostics, color=uses_color(sys.stderr)).rstrip())
    if errors:
        return ExitCode.ERROR
    say(f"Valid: {len(resources):,} resource{'s' if len(resources) != 1 else ''}.")
    return ExitCode.DONE
