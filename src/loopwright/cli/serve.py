"""`loopwright serve`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.acting import caller, project_of
from loopwright.cli.common import ProjectOptions, project_options, runs_long
from loopwright.cli.dataset_words import counted
from loopwright.cli.output import note, say, say_json
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.daemon.declared import DaemonFolder

_STOP_SECONDS = 120.0


@click.command()
@click.option("--detach", is_flag=True, help="Go on in the background.")
@click.option("--stop", is_flag=True, help="Let the running daemon end its calls, and go.")
@click.option("--status", "tells", is_flag=True, help="Tell what the running daemon serves.")
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@project_options
def command(detach: bool, stop: bool, tells: bool, as_json: bool, options: ProjectOptions) -> None:
    """Run the project daemon: the gateway, and the recorder of its calls.

    An apply that needs it starts it in the background by itself. In the foreground its log goes
    to stderr, and Ctrl-C lets running calls end first; a second Ctrl-C breaks them off.
    """
    from loopwright.daemon.declared import DaemonFolder
    from loopwright.daemon.project import write_project
    from loopwright.gateway.settings import Role

    if detach + stop + tells > 1:
        raise click.UsageError("give one of --detach, --stop and --status")
    workspace = options.workspace()
    folder = DaemonFolder(workspace.state_dir)
    if tells:
        _tell(folder, as_json=as_json)
        return
    caller(options, workspace).must_be(Role.STANDARD, "start or stop the project daemon")
    if stop:
        _stop(folder)
    else:
        project = project_of(options, workspace)
        write_project(folder.path, workspace.project_dir, project, options.values())
        workspace.keep_out_of_git()
        if detach:
            _detach(folder, workspace.project_dir, dict(workspace.environ))
        else:
            _serve(folder)


def _serve(folder: DaemonFolder) -> None:
    from loopwright.daemon.presence import Presence

    presence = Presence(folder.path)
    if presence.hold() is None:
        facts = presence.facts()
        where = f" at {facts.gateway} (process {facts.pid})" if facts else ""
        raise LoopwrightError(
            f"a daemon of this project serves already{where}",
            hint="loopwright serve --stop ends it",
        )
    from loopwright.daemon.running import serve

    runs_long()
    serve(folder, detached=False)


def _detach(folder: DaemonFolder, project: Any, environ: dict[str, str]) -> None:
    from loopwright.daemon.starting import start, wait_until_serving

    start(folder, project=project, environ=environ)
    status = wait_until_serving(folder).status()
    say(f"The daemon serves at {status['gateway']} (process {status['pid']}).")


def _stop(folder: DaemonFolder) -> None:
    from loopwright.daemon.client import DaemonClient
    from loopwright.daemon.presence import Presence
    from loopwright.daemon.starting import wait_until_gone

    client = DaemonClient.of(folder.path)
    if client is not None:
        client.stop()
    elif not Presence(folder.path).is_alive:  # else it is ending its calls already
        note("No daemon of this project serves; there is nothing to stop.")
        return
    if not wait_until_gone(folder, seconds=_STOP_SECONDS):
        raise LoopwrightError(
            "the daemon is still ending its calls", hint="`loopwright serve --stop` waits on"
        )
    say("The daemon has ended.")


def _tell(folder: DaemonFolder, *, as_json: bool) -> None:
    from loopwright.daemon.client import DaemonClient

    client = DaemonClient.of(folder.path)
    if client is None:
        raise LoopwrightError(
            "no daemon of this project serves", hint="start one: loopwright serve --detach"
        )
    status = client.status()
    if as_json:
        say_json(status)
    else:
        say("\n".join(_lines(status)))


def _how(endpoint: dict[str, Any]) -> str:
    """Whether it runs, with which model, and what is on its way."""
    if not endpoint["running"]:
        return "stopped"
    served = f", serves {endpoint['serves']}" if endpoint.get("serves") else ""
    loading = f", {endpoint['loading']}" if endpoint.get("loading") else ""
    canary = endpoint.get("canary")
    steps = f"; the new model: {canary['words']}" if canary else ""
    return f"running{served}{loading}{steps}"


def _computes(runtime: dict[str, Any]) -> str:
    """A process, or a server elsewhere, and what it holds."""
    if runtime["problem"]:
        return str(runtime["problem"])
    where = f"process {runtime['pid']}" if runtime["pid"] else "a vLLM server"
    if runtime["starts"] and not runtime["serving"]:
        return f"{where} is loading"
    parts = [where, f"holds {', '.join(runtime['models']) or 'no model'}"]
    if runtime.get("memory"):
        parts.append(f"{runtime['memory'] / (1 << 20):,.0f} MiB")
    if not runtime.get("loaded", True):
        parts.append("idle, weights not in memory")
    if "running" in runtime:
        parts.append(f"{runtime['running']:,} running, {runtime['waiting']:,} waiting")
    if runtime["starts"] > 1:
        parts.append(f"started {runtime['starts']:,} times")
    return ", ".join(parts)


def _lines(status: dict[str, Any]) -> Iterator[str]:
    how = "in the background" if status["detached"] else "in a terminal"
    since = status["startedAt"][:19].replace("T", " ")
    yield f"Daemon    process {status['pid']}, {how}, since {since} UTC"
    yield f"Gateway   {status['gateway']}"
    for name, one in status["endpoints"].items():
        delivered = f", calls recorded by Delivery/{one['delivery']}" if one["delivery"] else ""
        yield f"Endpoint  {name}: {_how(one)}{delivered}"
    for one in status["runtimes"]:
        yield f"Runtime   {one['base']}: {_computes(one)}"
    for lake, log in status["logs"].items():
        lost = sum(log["lost"].values())
        recorded = counted(log["delivered"], "call")
        yield (
            f"Lake      {lake}: since the daemon began {recorded} recorded, "
            f"{lost:,} lost, {log['queueDepth']:,} on the way"
        )
    for subject, why in status["problems"].items():
        yield f"Problem   {subject}: {why}"
