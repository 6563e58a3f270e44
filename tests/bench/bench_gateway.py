"""The gateway, capture on, against a bare uvicorn + aiohttp pass-through of 20 lines.

Run with `pytest -m bench -n 0 -s tests/bench/bench_gateway.py`. Server on core 0, mock upstream and
load generator on core 1; the peers take turns, figures are medians. Requests/s are what 16 busy
connections get done. CPU is what the kernel accounts to the server's threads, per request; that
of the recorder, the child that empties the log into the lake (on core 1, too), is measured until
the lake holds every call of the round, without its start, and shown apart and in the sum. The bound
of 1.6 holds for the server; the sum is above it (1.6 to 2.0 on a busy machine).
Where LITELLM names the `litellm` executable, or it is on the PATH, its proxy takes turns, too.
LOOPWRIGHT_BENCH_SECONDS (2) a turn, LOOPWRIGHT_BENCH_ROUNDS (5).
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest

if __name__ == "__main__":  # a server or the load: it starts without pytest's paths
    sys.path.insert(0, str(Path(__file__).parent.parent))

from support import fast_upstream
from support.fast_upstream import EVENTS
from support.litellm_proxy import LITELLM, litellm_proxy

SECONDS = float(os.environ.get("LOOPWRIGHT_BENCH_SECONDS", "2"))
ROUNDS = int(os.environ.get("LOOPWRIGHT_BENCH_ROUNDS", "5"))
CONNECTIONS, STREAMS = 16, 8
KEY = "sk-lw-bench-key"

QUESTION = {
    "model": "chat",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "word " * 170},
    ],
    "temperature": 0.7,
}
CLIENT_HEADERS = "".join(
    f"{name}: {value}\r\n"
    for name, value in {
        "host": "127.0.0.1", "accept": "application/json", "accept-encoding": "gzip, deflate",
        "connection": "keep-alive", "content-type": "application/json",
        "user-agent": "OpenAI/Python 3.54.0", "authorization": f"Bearer {KEY}",
        "x-stainless-lang": "python", "x-stainless-os": "Linux", "x-stainless-arch": "x64",
        "x-stainless-runtime": "CPython", "x-stainless-runtime-version": "3.11.7",
        "x-stainless-package-version": "3.54.0", "x-stainless-async": "false",
        "x-stainless-retry-count": "0", "x-stainless-read-timeout": "600",
    }.items()
)  # fmt: skip


# -- who answers, and the peer: what anybody would write ---------------------------------------


def upstream() -> None:
    fast_upstream.serve(_ready)


def passthrough(url: str) -> None:
    import aiohttp
    import uvicorn

    session: aiohttp.ClientSession | None = None
    hop_up, hop_down = {b"host", b"content-length"}, {b"transfer-encoding", b"connection"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal session
        if session is None:
            connector = aiohttp.TCPConnector(limit=0)
            session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        headers = {n.decode(): v.decode() for n, v in scope["headers"] if n not in hop_up}
        async with session.post(url + scope["path"], data=body, headers=headers) as response:
            told = [(n.lower(), v) for n, v in response.raw_headers if n.lower() not in hop_down]
            await send({"type": "http.response.start", "status": response.status, "headers": told})
            async for data in response.content.iter_any():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    _serve_with_uvicorn(uvicorn, app)


def _serve_with_uvicorn(uvicorn: Any, app: Any) -> None:
    import socket

    sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", lifespan="off", access_log=False,
                            log_level="warning")  # fmt: skip
    _ready(sock.getsockname()[1])
    uvicorn.Server(config).run(sockets=[sock])


# -- ours ----------------------------------------------------------------------------------------


def gateway(url: str, folder: str, delivers: str = "yes") -> None:
    import uvloop

    from loopwright.gateway.principals import key_hash
    from loopwright.gateway.server import GatewayServer
    from loopwright.gateway.settings import Endpoint, Principal, Role, Settings, Upstream
    from support.gateways import DELIVERY, call_log

    async def serve(log: Any, access_log: Any) -> None:
        endpoint = Endpoint(
            name="chat",
            upstreams=(Upstream(f"{url}/v1", "m-2026", api_key="sk-upstream"),),
            delivery=DELIVERY if delivers == "yes" else None,
        )
        caller = Principal("bench", Role.STANDARD, (key_hash(KEY, salt=b"salt"),))
        settings = Settings(port=0, endpoints={"chat": endpoint}, principals=(caller,))
        server = GatewayServer(settings, logs={"calls": log}, access_log=access_log.write)
        await server.start()
        _ready(server.address[1])
        await asyncio.Event().wait()

    place = Path(folder)
    with call_log(place) as log, (place / "access.log").open("ab") as access_log:
        uvloop.run(serve(log, access_log))


def recorder(folder: str) -> None:
    """Empties the log, as the daemon's child does, and says how many calls it has taken."""
    from loopwright.collecting import spare_collecting
    from loopwright.lake.capture.recorder import Recorder
    from loopwright.lake.keys import MasterKey
    from loopwright.lake.store import Lake

    place = Path(folder)
    master = MasterKey.from_file(place / "master")
    recorder = Recorder(place / "spool", lambda name: Lake.open(place / name, master=master))
    spare_collecting()
    _ready(0)
    taken = 0
    while True:
        result = recorder.step()
        assert not result.problems, result.problems
        if result.recorded:
            taken += result.recorded
            (place / "taken").write_text(str(taken))
        time.sleep(0.2)


# -- the load ------------------------------------------------------------------------------------


def load(port: str, seconds: str, streams: str) -> None:
    """Requests done in the time, by as many busy connections; with `streams` events, checked."""
    import uvloop

    stream = streams == "stream"
    body = json.dumps({**QUESTION, "stream": True} if stream else QUESTION).encode()
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\n{CLIENT_HEADERS}content-length: {len(body)}\r\n\r\n"
    ).encode() + body
    done = 0

    async def whole(reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        return 1

    async def events(reader: asyncio.StreamReader) -> int:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        said = await reader.readuntil(b"0\r\n\r\n")
        assert said.count(b"data: ") == EVENTS
        return EVENTS

    async def busy(until: float) -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port), limit=1 << 20)
        while time.monotonic() < until:
            writer.write(request)
            count = await (events if stream else whole)(reader)
            done += count
        writer.close()

    async def run() -> None:
        until = time.monotonic() + float(seconds)
        await asyncio.gather(*(busy(until) for _ in range(STREAMS if stream else CONNECTIONS)))

    began = time.monotonic()
    uvloop.run(run())
    print(done, time.monotonic() - began)


# -- the measuring -------------------------------------------------------------------------------


@dataclass
class Server:
    """A running peer and its process; `recorder` is the child of the one that captures."""

    port: int
    process: subprocess.Popen[bytes]
    recorder: subprocess.Popen[bytes] | None = None
    taken: Path | None = None
    accepted: int = 0


@dataclass(frozen=True)
class Figures:
    """Of one turn: done a second, CPU microseconds each, and the recorder's."""

    rate: float
    cpu: float
    recorder_cpu: float = 0.0


def turn(server: Server, *, stream: bool) -> Figures:
    before, recorded_before = cpu(server.process.pid), _recorder_cpu(server)
    kind = "stream" if stream else "whole"
    out = subprocess.run(
        _pinned(1, "load", str(server.port), str(SECONDS), kind),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    done, took = int(out.split()[0]), float(out.split()[1])
    calls = done // EVENTS if stream else done
    used = cpu(server.process.pid) - before
    server.accepted += calls
    recording = 0.0
    if server.recorder is not None:
        _wait_until_taken(server)
        recording = _recorder_cpu(server) - recorded_before
    return Figures(done / took, used / calls * 1e6, recording / calls * 1e6)


def cpu(pid: int) -> float:
    """Seconds that the kernel gave to all threads of a process."""
    return sum(
        int(path.read_text().split()[0]) / 1e9
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def _recorder_cpu(server: Server) -> float:
    return cpu(server.recorder.pid) if server.recorder else 0.0


def _wait_until_taken(server: Server) -> None:
    assert server.taken is not None
    end = time.monotonic() + 60
    while not server.taken.exists() or int(server.taken.read_text() or 0) < server.accepted:
        assert time.monotonic() < end, f"{server.accepted} calls are not in the lake"
        time.sleep(0.1)


@contextmanager
def running(*command: str, core: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A process of this file on a core; its port and itself. Ended with the block."""
    process = subprocess.Popen(_pinned(core, *command), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def _pinned(core: int, *command: str) -> list[str]:
    return ["taskset", "-c", str(core), sys.executable, __file__, *command]


def _ready(port: int) -> None:
    print(port, flush=True)


def report(title: str, unit: str, turns: dict[str, list[Figures]]) -> dict[str, Figures]:
    """Prints and returns the medians."""
    found = {
        name: Figures(
            median(one.rate for one in figures),
            median(one.cpu for one in figures),
            median(one.recorder_cpu for one in figures),
        )
        for name, figures in turns.items()
    }
    peer = found["pass-through"]
    heads = f"{unit:>10}{'of peer':>9}{'CPU us':>9}{'of peer':>9}{'recorder':>10}{'both':>9}"
    print(f"\n{title}\n{'':<24}{heads}")
    for name, one in found.items():
        both = one.cpu + one.recorder_cpu
        rate = f"{one.rate:>10.0f}{one.rate / peer.rate:>9.2f}"
        used = f"{one.cpu:>9.0f}{one.cpu / peer.cpu:>9.2f}"
        print(f"{name:<24}{rate}{used}{one.recorder_cpu:>10.0f}{both / peer.cpu:>9.2f}")
    return found


@pytest.fixture
def servers() -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
        port, _ = stack.enter_context(running("upstream", core=1))
        url = f"http://127.0.0.1:{port}"
        peer = Server(*stack.enter_context(running("passthrough", url, core=0)))
        bare = Server(*stack.enter_context(running("gateway", url, f"{folder}/bare", "no", core=0)))
        ours = Server(*stack.enter_context(running("gateway", url, f"{folder}/ours", core=0)))
        _, ours.recorder = stack.enter_context(running("recorder", f"{folder}/ours", core=1))
        ours.taken = Path(folder) / "ours" / "taken"
        peers = {"pass-through": peer, "gateway, no delivery": bare, "gateway, captured": ours}
        if LITELLM:
            proxy = litellm_proxy(url, folder=Path(folder), model="chat", key=KEY, core=0)
            peers["LiteLLM"] = Server(*stack.enter_context(proxy))
        yield peers


@pytest.mark.bench
def test_figures_of_the_gateway(servers: dict[str, Server]) -> None:
    whole = report(f"1 KB to 2 KB, {CONNECTIONS} connections", "calls/s", rounds(servers))
    servers.pop("LiteLLM", None)
    streams = rounds(servers, stream=True)
    streamed = report(f"{STREAMS} streams of {EVENTS} events", "events/s", streams)
    peer, ours = whole["pass-through"], whole["gateway, captured"]
    assert ours.rate >= 0.6 * peer.rate
    assert ours.cpu <= 1.6 * peer.cpu
    if LITELLM:
        assert ours.rate >= 30 * whole["LiteLLM"].rate
    assert streamed["gateway, captured"].rate >= 0.7 * streamed["pass-through"].rate


def rounds(servers: dict[str, Server], *, stream: bool = False) -> dict[str, list[Figures]]:
    """The turns of each, taken one after the other, after one to warm up."""
    turns: dict[str, list[Figures]] = {name: [] for name in servers}
    for number in range(ROUNDS + 1):
        for name, server in servers.items():
            figures = turn(server, stream=stream)
            if number:
                turns[name].append(figures)
    return turns


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
