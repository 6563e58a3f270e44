"""`loopwright chat`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from loopwright.cli.acting import project_of
from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import masked, note, say
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.cli.chatting import Conversation

_PROMPT = "> "
_CONTROLS = dict.fromkeys(code for code in (*range(32), *range(127, 160)) if code not in (9, 10))
"""An answer may not move the cursor or rename the window of the terminal."""


@click.command()
@click.argument("endpoint")
@click.argument("message", required=False)
@click.option("--system", metavar="TEXT", help="What the model is told first.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="How freely it answers.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer.")
@click.option("--no-stream", is_flag=True, help="Wait for the whole answer.")
@click.option("-v", "--verbose", is_flag=True, help="Show the id of each call.")
@project_options
def command(
    endpoint: str,
    message: str | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    no_stream: bool,
    verbose: bool,
    options: ProjectOptions,
) -> None:
    """Talk to an endpoint through the gateway, so that its Delivery records the calls.

    MESSAGE is sent and the answer printed; without one it is read from stdin, or on a terminal
    asked for again and again until Ctrl-D. Ctrl-C breaks an answer off. Where the project has
    principals, the key in LOOPWRIGHT_API_KEY is used.
    """
    asked = {"temperature": temperature, "max_tokens": max_tokens}
    talk = _conversation(
        endpoint.removeprefix("Endpoint/"),
        options,
        settings={name: value for name, value in asked.items() if value is not None},
        streams=not no_stream,
    )
    if system:
        talk.messages.append({"role": "system", "content": system})
    if message is not None or not sys.stdin.isatty():
        _answer(talk, sys.stdin.read() if message in (None, "-") else str(message), verbose=verbose)
        return
    for line in _typed():
        try:
            _answer(talk, line, verbose=verbose)
        except KeyboardInterrupt:
            say("\n(broken off)")
        except LoopwrightError as error:
            note(f"error: {error.message}")


def _conversation(
    endpoint: str, options: ProjectOptions, *, settings: dict[str, float], streams: bool
) -> Conversation:
    from loopwright.cli.chatting import Conversation
    from loopwright.daemon.declared import DaemonFolder
    from loopwright.daemon.presence import Presence

    workspace = options.workspace()
    facts = Presence(DaemonFolder(workspace.state_dir).path).facts()
    if facts is None:
        raise LoopwrightError(
            "the project daemon does not serve, so no endpoint answers",
            hint="start it with `loopwright apply` or `loopwright serve --detach`",
        )
    tls = project_of(options, workspace).gateway.tls
    return Conversation(
        facts.gateway,
        endpoint,
        key=workspace.environ.get("LOOPWRIGHT_API_KEY"),
        certificate=workspace.project_dir / tls.cert if tls else None,
        settings=settings,
        streams=streams,
    )


def _answer(talk: Conversation, message: str, *, verbose: bool) -> None:
    if not message.strip():
        raise LoopwrightError("there is no message", hint="give MESSAGE, or write it to stdin")
    for piece in talk.ask(message):
        click.echo(masked(piece.translate(_CONTROLS)), nl=False)
    say("")
    if verbose:
        note(f"call {talk.call_id}")


def _typed() -> Iterator[str]:
    """What a person types, a line each, with editing and history, until Ctrl-D."""
    import readline  # noqa: F401  (makes `input` editable)

    while True:
        try:
            line = input(_PROMPT)
        except EOFError:
            say("")
            return
        except KeyboardInterrupt:
            say("")
            continue
        if line.strip():
            yield line
