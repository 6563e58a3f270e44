"""`loopwright dataset`: its subcommands, one a file, imported when they are called."""

from __future__ import annotations

import importlib

import click

SUBCOMMANDS = ("list", "show", "verify", "diff")


class DatasetGroup(click.Group):
    """Finds the subcommand `x` in `dataset_x`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in SUBCOMMANDS:
            return None
        found: click.Command = importlib.import_module(f"loopwright.cli.dataset_{cmd_name}").command
        found.name = cmd_name
        return found


@click.group(cls=DatasetGroup)
def command() -> None:
    """List, show, verify and compare dataset versions."""
