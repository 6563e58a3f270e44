"""`loopwright eval`: its subcommands, one a file."""

from __future__ import annotations

import click

from loopwright.cli.lazy import LazyGroup

SUBCOMMANDS = ("list", "show", "items", "report", "export")


@click.group(cls=LazyGroup, prefix="loopwright.cli.eval_", names=SUBCOMMANDS)
def command() -> None:
    """List and show evaluations, look through their items, write reports and logs of them."""
