"""Runtimes as processes. Most here are stand-ins that speak the contract without a model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import openai
import pytest

from loopwright.errors import ServingError
from loopwright.serving import launch
from loopwright.serving.adapters import AdapterServer, ServerAwayError
from loopwright.serving.announcing import Announced, announce, announce_failure, read_announced
from loopwright.serving.launch import Launched
from loopwright.serving.settings import RuntimeSettings


def settings(folder: Path, **more: object) -> RuntimeSettings:
    told = {"weights": folder / "w", "label": "base", "announce": folder / "announced.json"}
    return RuntimeSettings(**{**told, **more})  # type: ignore[arg-type]


def stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """What runs instead of a runtime; `told` is its settings."""
    begin = (
        "import sys, json, os, time\n"
        "told = json.load(open(sys.argv[1]))\n"
        "def announce(**what):\n"
        "    open(told['announce'] + '~', 'w').write(json.dumps(what))\n"
        "    os.replace(told['announce'] + '~', told['announce'])\n"
    )
    monkeypatch.setattr(
        launch, "command", lambda path: [sys.executable, "-c", begin + code, str(path)]
    )


def test_settings_and_announcements_come_back_as_written(tmp_path: Path) -> None:
    said = settings(tmp_path, adapters={"r@1": tmp_path / "a"}, memory_bytes=5, idle_seconds=2.5)
    said.write(tmp_path / "s.json")
    assert RuntimeSettings.read(tmp_path / "s.json") == said
    assert (tmp_path / "s.json").stat().st_mode & 0o077 == 0

    assert read_announced(said.announce) is None
    told = Announced(port=5, pid=6, started_at="2026-01-01T00:00:00+00:00")
    announce(said.announce, told)
    assert read_announced(said.announce) == told
    announce_failure(said.announce, ServingError("too large", hint="buy more"))
    with pytest.raises(ServingError, match="too large") as caught:
        read_announced(said.announce)
    assert caught.value.hint == "buy more"
    with pytest.raises(ServingError, match="cannot read"):
        RuntimeSettings.read(tmp_path / "nothing.json")


def test_a_runtime_is_waited_for_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        monkeypatch,
        "assert os.environ['LOOPWRIGHT_RUNTIME_TOKEN']\n"
        "assert os.environ['LOOPWRIGHT_PARENT_PID'] == str(os.getppid())\n"
        "assert os.environ['OMP_NUM_THREADS'] == '3'\n"
        "announce(port=1, pid=os.getpid(), startedAt='')\n"
        "time.sleep(600)",
    )
    runtime = Launched(settings(tmp_path, threads=3), folder=tmp_path)
    with runtime:
        assert runtime.wait().pid == runtime.pid
        assert runtime.url == "http://127.0.0.1:1"
        pid = runtime.pid
        assert pid is not None
        assert runtime.token not in (tmp_path / "runtime.json").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not (tmp_path / "runtime.json").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("announce(error='no such weights', hint='look'); sys.exit(1)", "^no such weights$"),
        ("sys.stderr.write('torch is broken\\n'); sys.exit(3)",
         "died: it ended with exit code 3; last in its log: torch is broken"),
        ("os.kill(os.getpid(), 9)", "killed .signal 9."),
    ],
)  # fmt: skip
def test_a_runtime_that_cannot_serve_is_told_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    stand_in(monkeypatch, code)
    runtime = Launched(settings(tmp_path), folder=tmp_path)
    with runtime, pytest.raises(ServingError, match=words):
        runtime.wait()


def test_waiting_ends_when_it_is_not_needed_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "time.sleep(600)")
    with Launched(settings(tmp_path), folder=tmp_path) as runtime:
        with pytest.raises(ServingError, match="not needed"):
            runtime.wait(cancelled=lambda: True)
        with pytest.raises(ServingError, match="does not answer after 0 s"):
            runtime.wait(seconds=0)


class _Vllm(BaseHTTPRequestHandler):
    """vLLM that was not told to take adapters: it has no such routes."""

    def do_GET(self) -> None:
        self._say(200, b'{"data": [{"id": "base"}]}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._say(404, b'{"detail": "Not Found"}')

    def _say(self, status: int, body: bytes) -> None:
        if self.headers["authorization"] != "Bearer key":
            status, body = 401, b'{"error": {"message": "who are you"}}'
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def vllm() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Vllm)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_servers_that_take_no_adapters_say_what_to_do(vllm: str, tmp_path: Path) -> None:
    server = AdapterServer(vllm, "key")
    assert server.models() == ("base",)
    server.unload("nobody")
    with pytest.raises(ServingError) as caught:
        server.load("r@1", tmp_path)
    assert "--enable-lora" in (caught.value.hint or "")
    with pytest.raises(ServingError, match="401 who are you") as caught:
        AdapterServer(vllm).models()
    assert not isinstance(caught.value, ServerAwayError)
    with pytest.raises(ServerAwayError, match="does not answer"):
        AdapterServer("http://127.0.0.1:1", seconds=2).models()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from support.tiny_models import make_base

    return make_base(tmp_path_factory.mktemp("model") / "base")


@pytest.mark.slow
def test_a_real_runtime_drains_on_sigterm(tmp_path: Path, base: Path) -> None:
    with Launched(settings(tmp_path, weights=base), folder=tmp_path) as runtime:
        runtime.wait()
        process = runtime._process
        assert process is not None
        client = openai.OpenAI(base_url=f"{runtime.url}/v1", api_key=runtime.token, max_retries=0)
        chat = [{"role": "user", "content": "secret words"}]
        stream = client.chat.completions.create(
            model="base", messages=chat, max_tokens=200, stream=True, logit_bias={"2": -100}
        )  # type: ignore[call-overload]
        chunks = [next(iter(stream))]
        process.send_signal(signal.SIGTERM)
        chunks += list(stream)
        assert chunks[-1].choices[0].finish_reason == "length"
        assert process.wait(60) == 0
    log = (tmp_path / "runtime.log").read_text()
    assert "serves base" in log
    assert "secret" not in log


@pytest.mark.slow
def test_a_real_runtime_ends_with_its_parent(tmp_path: Path, base: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from loopwright.serving.launch import Launched\n"
        "from loopwright.serving.settings import RuntimeSettings\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "settings = RuntimeSettings(weights=Path(sys.argv[1]), label='base',\n"
        "    announce=folder / 'announced.json')\n"
        "runtime = Launched(settings, folder=folder)\n"
        "runtime.start()\n"
        "print(runtime.wait().pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(base)], stdout=subprocess.PIPE, text=True, check=False
    )
    pid = int(told.stdout)
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{}"), "cannot"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "safetensors"),
        (lambda folder: None, "needs .* KiB for its weights alone; .* may take 10 KiB"),
    ],
)
def test_a_real_runtime_says_why_it_cannot_load(
    tmp_path: Path, base: Path, spoil: object, words: str
) -> None:
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(base), str(folder)], check=True)
    spoil(folder)  # type: ignore[operator]
    told = settings(tmp_path, weights=folder, memory_bytes=10 << 10 if "10 KiB" in words else None)
    with Launched(told, folder=tmp_path) as runtime:
        with pytest.raises(ServingError, match=words) as caught:
            runtime.wait()
        assert "Traceback" not in caught.value.message
