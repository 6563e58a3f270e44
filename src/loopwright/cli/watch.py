"""`loopwright watch`."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.common import ProjectOptions, project_options, runs_long
from loopwright.cli.durations import DURATION
from loopwright.cli.output import masked, say
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.engine.workspace import Workspace
    from loopwright.gitops.service import Service
    from loopwright.gitops.sources import Source


@click.command()
@click.argument("paths", nargs=-1, metavar="[DIR]...")
@click.option("--git", "url", metavar="URL|PATH", help="Watch a git repository instead.")
@click.option("--ref", default="main", show_default=True, help="Branch, tag or commit of --git.")
@click.option(
    "--path",
    "folder",
    default=".",
    show_default=True,
    help="Folder of the manifests inside the repository.",
)
@click.option(
    "--poll",
    type=DURATION,
    default="30s",
    show_default=True,
    help="How often to ask the repository.",
)
@click.option(
    "--interval",
    type=DURATION,
    default="60s",
    show_default=True,
    help="How often to look at the world, for drift and new calls.",
)
@click.option("--prune", is_flag=True, help="Also delete what the manifests no longer name.")
@click.option(
    "--listen",
    default="127.0.0.1:9464",
    show_default=True,
    metavar="HOST:PORT",
    help="Where /healthz and /metrics are served; port 0 picks one.",
)
@click.option("--no-listen", is_flag=True, help="Serve neither.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@project_options
def command(
    paths: tuple[str, ...],
    url: str | None,
    ref: str,
    folder: str,
    poll: int,
    interval: int,
    prune: bool,
    listen: str,
    no_listen: bool,
    as_json: bool,
    options: ProjectOptions,
) -> None:
    """Keep it so, from a folder or from git, until stopped.

    Applies what the manifests say whenever they change, work finishes, a schedule is due or
    somebody changed the world. Never deletes without --prune. SIGTERM and Ctrl-C stop cleanly;
    SIGHUP looks at the source now.
    """
    from loopwright.gitops.declaring import declare_revision
    from loopwright.gitops.pace import SystemPace
    from loopwright.gitops.service import Service, Settings

    if url is not None and paths:
        raise click.UsageError("give DIR or --git, not both")
    runs_long()
    workspace = options.workspace()
    source = (
        _folder(workspace, paths, options)
        if url is None
        else _repository(workspace, url, ref=ref, path=folder, poll=poll)
    )
    pace = SystemPace()
    service = Service(
        workspace,
        source,
        declare_revision(workspace, variables=options.values(), var_files=options.var_files),
        settings=Settings(
            interval=max(1, interval), prune=prune, listen="" if no_listen else listen
        ),
        pace=pace,
        say=_said_as_json if as_json else _said,
    )
    try:
        with _signals(service, pace.wake), _logging():
            service.run()
    finally:
        pace.close()


def _folder(workspace: Workspace, paths: tuple[str, ...], options: ProjectOptions) -> Source:
    from loopwright.engine.workspace import PROJECT_FILE
    from loopwright.gitops.folder import FolderSource

    if "-" in paths:
        raise LoopwrightError("stdin cannot be watched", hint="give a folder, or --git")
    beside = [workspace.project_dir / PROJECT_FILE, *map(Path, options.var_files)]
    return FolderSource(paths or (".",), beside=[path for path in beside if path.is_file()])


def _repository(workspace: Workspace, url: str, *, ref: str, path: str, poll: int) -> Source:
    from loopwright.gitops.git import GitSource

    return GitSource(
        url,
        ref=ref,
        path=path,
        cache=workspace.state_dir / "source",
        environ=workspace.environ,
        poll_seconds=max(1, poll),
    )


@contextmanager
def _signals(service: Service, look: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C stop cleanly, a second Ctrl-C at once; SIGHUP looks again."""
    asked = False

    def stop(number: int, frame: object) -> None:
        nonlocal asked
        del frame
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True
        service.stop()

    def look_now(number: int, frame: object) -> None:
        del number, frame
        look()

    wanted = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: look_now}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _said(kind: str, line: str, facts: Mapping[str, Any]) -> None:
    del kind, facts
    from loopwright.clock import SystemClock

    say(f"{SystemClock().now():%Y-%m-%dT%H:%M:%SZ}  {line}")


def _said_as_json(kind: str, line: str, facts: Mapping[str, Any]) -> None:
    import orjson

    from loopwright.clock import SystemClock, to_text

    told = {"type": kind, "at": to_text(SystemClock().now()), "message": line}
    say(orjson.dumps({**told, **facts, **told}, default=str).decode())


class _KeyValues(logging.Formatter):
    """A constant message, then what was passed as `extra`."""

    _usual = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        extra = [f"{k}={v!r}" for k, v in vars(record).items() if k not in self._usual]
        return masked(" ".join([super().format(record), *extra]))


@contextmanager
def _logging() -> Iterator[None]:
    """Warnings of every module on stderr, secrets masked."""
    handler = logging.StreamHandler()
    handler.setFormatter(_KeyValues("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("loopwright")
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
