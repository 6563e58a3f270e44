"""`loopwright doctor`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, manifest_paths, project_options
from loopwright.cli.output import say, say_json
from loopwright.errors import ExitCode


@click.command()
@manifest_paths
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@project_options
def command(paths: tuple[str, ...], as_json: bool, options: ProjectOptions) -> int:
    """Check this machine, the state, and every declared provider. Nothing is changed."""
    from loopwright.engine.preflight import findings
    from loopwright.providers.base import Severity

    workspace = options.workspace()
    declared = options.declare(workspace, paths)
    found = list(findings(workspace, declared))
    if as_json:
        say_json(
            [
                {
                    "severity": item.severity.value,
                    "subject": item.subject,
                    "message": item.message,
                    "hint": item.hint,
                }
                for item in found
            ]
        )
    else:
        for item in found:
            say(f"{item.severity.value:<8} {item.subject}: {item.message}")
            if item.hint and item.severity is not Severity.OK:
                say(f"         {item.hint}")
    bad = any(item.severity is Severity.ERROR for item in found)
    return ExitCode.ERROR if bad else ExitCode.DONE
