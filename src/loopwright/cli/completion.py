"""`loopwright completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from loopwright.cli.output import say
from loopwright.errors import LoopwrightError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the shell completion script, to be sourced by the shell.

    For bash: eval "$(loopwright completion bash)"
    """
    from loopwright.cli import cli

    found = get_completion_class(shell)
    if found is None:
        raise LoopwrightError(f"there is no completion for {shell}")
    script = found(cli, {}, "loopwright", "_LOOPWRIGHT_COMPLETE")
    try:
        say(script.source())
    except RuntimeError as error:
        raise LoopwrightError(str(error)) from error
