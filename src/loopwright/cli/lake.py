"""`loopwright lake`: its subcommands, one a file, imported when they are called."""

from __future__ import annotations

import importlib

import click

SUBCOMMANDS = ("status", "calls", "audit", "verify", "compact", "rotate")


class LakeGroup(click.Group):
    """Finds the subcommand `x` in `lake_x`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in SUBCOMMANDS:
            return None
        found: click.Command = importlib.import_module(f"loopwright.cli.lake_{cmd_name}").command
        found.name = cmd_name
        return found


@click.group(cls=LakeGroup)
def command() -> None:
    """Look at a lake. NAME may be left out where there is only one."""
