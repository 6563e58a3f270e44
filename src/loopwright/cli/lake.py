"""`loopwright lake`: its subcommands, one a file."""

from __future__ import annotations

import click

from loopwright.cli.lazy import LazyGroup

SUBCOMMANDS = ("status", "calls", "audit", "verify", "compact", "rotate")


@click.group(cls=LazyGroup, prefix="loopwright.cli.lake_", names=SUBCOMMANDS)
def command() -> None:
    """Look at a lake. NAME may be left out where there is only one."""
