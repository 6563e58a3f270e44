"""`loopwright models`: its subcommands, one a file."""

from __future__ import annotations

import click

from loopwright.cli.lazy import LazyGroup

SUBCOMMANDS = ("list", "show", "lineage", "export", "alias", "verify")


@click.group(cls=LazyGroup, prefix="loopwright.cli.models_", names=SUBCOMMANDS)
def command() -> None:
    """List, show, trace, export, name and verify registered models."""
