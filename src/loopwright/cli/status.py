"""`loopwright status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import note, say, say_json, table

if TYPE_CHECKING:
    from loopwright.engine.workspace import Workspace
    from loopwright.gitops.overview import Line, Overview
    from loopwright.gitops.status import WatchStatus


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@project_options
def command(as_json: bool, options: ProjectOptions) -> None:
    """Tell how the watcher and the resources are, from state and without any provider."""
    from loopwright.gitops.overview import overview

    workspace = options.workspace()
    found = overview(
        workspace.state(),
        workspace.state_dir,
        environment=workspace.environment,
        now=workspace.clock.now(),
    )
    daemon = _daemon(workspace)
    if as_json:
        say_json({**found.to_json(), "daemon": daemon})
        return
    for line in _head(found):
        say(line)
    if daemon:
        say(f"Daemon       process {daemon['pid']}, gateway at {daemon['gateway']}")
    if found.lines:
        say("")
        say(table(map(_row, found.lines), header=_HEADER))
    else:
        note("Nothing is recorded yet.")


def _daemon(workspace: Workspace) -> dict[str, Any]:
    """Where the project's gateway is; empty while none serves."""
    from loopwright.daemon.declared import DaemonFolder
    from loopwright.daemon.presence import Presence

    facts = Presence(DaemonFolder(workspace.state_dir).path).facts()
    return {"pid": facts.pid, "gateway": facts.gateway} if facts else {}


_HEADER = ("RESOURCE", "CONDITION", "SYNCED", "REVISION", "SINCE (UTC)", "")


def _head(found: Overview) -> Iterator[str]:
    counts = ", ".join(f"{count} {word}" for word, count in sorted(found.counts.items()))
    yield f"Environment  {found.environment}: {counts or 'no resources'}"
    if found.suspended:
        yield f"Suspended    {found.suspended}"
    if found.locked_by:
        yield f"Lock         held by {found.locked_by}"
    if found.watch is None:
        yield "Watcher      none; start one with loopwright watch"
        return
    yield from _watcher(found.watch, is_alive=found.is_alive)


def _watcher(watch: WatchStatus, *, is_alive: bool) -> Iterator[str]:
    if is_alive:
        yield f"Watcher      {watch.holder}, since {_time(watch.started_at)}"
    else:
        ended = f"stopped {_time(watch.stopped_at)}" if watch.stopped_at else "ended unexpectedly"
        yield f"Watcher      not running: {watch.holder} {ended}"
    yield f"Source       {watch.source}"
    good = watch.last_good
    if good:
        short = (good["commit"] or good["id"].removeprefix("sha256:"))[:12]
        yield f"Revision     {short}, kept up since {_time(good['since'])}"
    for problem in watch.problems:
        at = f"revision {problem['revision']}: " if problem["revision"] else ""
        yield f"Problem      {at}{problem['message']}, since {_time(problem['since'])}"
        for line in problem["diagnostics"]:
            yield f"             {line}"
    yield from _passes(watch, is_alive=is_alive)


def _passes(watch: WatchStatus, *, is_alive: bool) -> Iterator[str]:
    last = watch.last_pass
    if last:
        why = f" ({last['message']})" if last["message"] else ""
        yield (
            f"Last pass    {_time(last['at'])}, because of {last['why']}: {last['ending']}, "
            f"{last['changes']} changes, {last['took']:.1f} s, exit code {last['exit_code']}{why}"
        )
    if watch.next_pass and is_alive:
        yield f"Next pass    {_time(watch.next_pass['at'])}, because of {watch.next_pass['why']}"
    for cause in watch.causes:
        about = f" ({', '.join(cause['addresses'][:3])})" if cause["addresses"] else ""
        yield f"Open         {cause['event']}: {cause['cause']}{about}"


def _row(line: Line) -> tuple[str, ...]:
    synced = line.conditions.get("Synced")
    told = line.suspended or line.running or line.reason
    return (
        line.address,
        line.word,
        "-" if synced is None else "yes" if synced else "no",
        line.revision or "-",
        _time(line.since) or "-",
        told,
    )


def _time(text: str) -> str:
    return text[:19].replace("T", " ")
