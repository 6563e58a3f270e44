"""Groups whose commands lie one in a file and are imported when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import Any

import click


class LazyGroup(click.Group):
    """Finds the command `x-y` as `command` in the module `PREFIXx_y`."""

    def __init__(self, *args: Any, prefix: str, names: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prefix, self._names = prefix, names

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self._names:
            return None
        module = importlib.import_module(f"{self._prefix}{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            from loopwright.manifests.diagnostics import nearest

            near = nearest(args[0], self._names)
            tail = f" Did you mean {near!r}?" if near else ""
            raise click.UsageError(f"{error.message}{tail}", ctx) from error
