"""`loopwright dataset`: its subcommands, one a file."""

from __future__ import annotations

import click

from loopwright.cli.lazy import LazyGroup

SUBCOMMANDS = ("list", "show", "verify", "diff")


@click.group(cls=LazyGroup, prefix="loopwright.cli.dataset_", names=SUBCOMMANDS)
def command() -> None:
    """List, show, verify and compare dataset versions."""
