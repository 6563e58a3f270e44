"""Makes docs/commands.md of the commands' own help, so that the page cannot grow stale."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import click

from loopwright.cli import cli
from loopwright.errors import ExitCode
from loopwright.planning.render.wording import exit_words

_INTRO = """\
# Commands

<!-- Generated from the commands' help by `pytest tests/docs --update-golden`; edit that. -->

`loopwright COMMAND --help` says the same in a terminal. Results go to stdout; questions, progress
and errors go to stderr. An ADDRESS is `Kind/name`, such as `Dataset/ticket-router`. PATHS are
manifest files or folders, `-` is stdin, and nothing means this folder.

## Exit codes

| code | means |
|---|---|
"""
_AFTER_CODES = """\

Where several hold, the first of 1, 7, 6, 5, 4, 3 is told. `plan` says 3 and 4 only with
`--detailed-exitcode`; `diff` always says 3 when something differs.

## Environment variables

| variable | means |
|---|---|
| `LOOPWRIGHT_PROJECT`, `LOOPWRIGHT_ENV` | defaults of `--project` and `--env` |
| `LOOPWRIGHT_ACTOR` | who is named in the journal; default: the login name |
| `LOOPWRIGHT_TRACEBACK` | `1` shows the traceback of an internal error |
| `NO_COLOR`, `FORCE_COLOR` | no colour at all; colour where there is no terminal |

Values of variables whose names contain KEY, TOKEN, SECRET, PASSWORD or CREDENTIAL are masked in
all output.

## Options that most commands share

`--project`, `--env`, `--var` and `--var-file` choose the project, its environment and the values
of variables.

"""
_BAR = "\\|"
_SHARED = frozenset({"project", "environment", "variables", "var_files"})


def page() -> str:
    """The whole page as Markdown."""
    codes = [f"| {code:d} | {exit_words(code)} |\n" for code in ExitCode]
    shared = _command("plan")
    table = _options(shared, lambda param: param.name in _SHARED)
    parts = [_INTRO, *codes, _AFTER_CODES, *table]
    for name in cli.list_commands(_context(cli)):
        parts += _section(name, _command(name))
    return "".join(parts)


def _section(name: str, command: click.Command, parent: str = "loopwright") -> Iterator[str]:
    level = "##" if parent == "loopwright" else "###"
    path = f"{parent} {name}"
    yield f"\n{level} {path.removeprefix('loopwright ')}\n\n"
    ctx = _context(command, path)
    yield f"```\n{' '.join([path, *command.collect_usage_pieces(ctx)])}\n```\n\n"
    yield f"{_help(command)}\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(ctx):
            found = command.get_command(ctx, inner)
            assert found is not None
            yield from _section(inner, found, path)
        return
    rows = list(_options(command, lambda param: param.name not in _SHARED))
    if rows:
        yield "\n"
        yield from rows


def _options(command: click.Command, wanted: Callable[[click.Parameter], bool]) -> Iterator[str]:
    ctx = _context(command)
    records = [
        record
        for param in command.get_params(ctx)
        if isinstance(param, click.Option)
        and "--help" not in param.opts
        and wanted(param)
        and (record := param.get_help_record(ctx))
    ]
    if records:
        yield "| option | means |\n|---|---|\n"
    for flags, told in records:
        cells = (f"`{flags}`", " ".join(told.split()))
        yield f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |\n"


def _help(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    return text.strip()


def _command(name: str) -> click.Command:
    found = cli.get_command(_context(cli), name)
    assert found is not None
    return found


def _context(command: click.Command, path: str = "loopwright") -> click.Context:
    return click.Context(command, info_name=path, help_option_names=["-h", "--help"])
