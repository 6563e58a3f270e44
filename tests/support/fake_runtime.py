"""A runtime's process without a model: `python fake_runtime.py SETTINGS.json`.

Speaks the contract of `loopwright.serving`: announces its port or why it cannot serve, takes
adapters by vLLM's routes, ends on SIGTERM and with its parent. It answers with the name of the
model that was asked, so that a test sees which one it was. A folder with a file `broken` cannot be
loaded; one with `failing` answers 500, one with `slow` takes its number of seconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loopwright.children import PARENT
from loopwright.errors import ServingError
from loopwright.serving.announcing import Announced, announce, announce_failure
from loopwright.serving.settings import TOKEN, RuntimeSettings

PIECES = 5


def command(settings: Path) -> list[str]:
    """For `Runtimes`."""
    return [sys.executable, "-P", __file__, str(settings)]


class Server(ThreadingHTTPServer):
    daemon_threads = True  # a kept connection holds nobody up
    models: dict[str, Path]
    running = 0

    def drain(self) -> None:
        while self.running:
            time.sleep(0.005)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.told({"data": [{"id": name} for name in self.server.models]})
        elif self.path == "/status":
            self.told({"loaded": True, "memory": 1 << 20, "running": 0, "waiting": 0, "tokens": 7})
        else:
            self.told({"error": {"message": "no such path"}}, status=404)

    def do_POST(self) -> None:
        self.server.running += 1
        try:
            self.serve()
        finally:
            self.server.running -= 1

    def serve(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers.get("authorization") != f"Bearer {TOKEN_VALUE}":
            self.told({"error": {"message": "who are you?"}}, status=401)
        elif self.path == "/v1/load_lora_adapter":
            self.load(said["lora_name"], Path(said["lora_path"]))
        elif self.path == "/v1/unload_lora_adapter":
            self.server.models.pop(said["lora_name"], None)
            self.told({})
        else:
            self.answer(said)

    def load(self, name: str, folder: Path) -> None:
        if (folder / "broken").exists():
            self.told({"error": {"message": f"{name} is no adapter"}}, status=400)
        else:
            self.server.models[name] = folder
            self.told({})

    def answer(self, said: dict[str, Any]) -> None:
        folder = self.server.models.get(said["model"])
        if folder is None:
            self.told({"error": {"message": f"no model {said['model']}"}}, status=404)
        elif (folder / "failing").exists():
            self.told({"error": {"message": "out of luck"}}, status=500)
        elif said.get("stream"):
            self.stream(said["model"])
        else:
            if (folder / "slow").exists():
                time.sleep(float((folder / "slow").read_text()))
            self.told(chat(said["model"]))

    def stream(self, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for piece in range(PIECES):
            delta = {"content": model if piece == 0 else "."}
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model,
                     "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}  # fmt: skip
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
            time.sleep(0.02)
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def told(self, value: dict[str, Any], *, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def chat(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": model}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}  # fmt: skip


def end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.05)
    os._exit(0)


def main(path: Path) -> int:
    settings = RuntimeSettings.read(path)
    if (settings.weights / "broken").exists():
        announce_failure(settings.announce, ServingError("no weights here", hint="make some"))
        return 1
    threading.Thread(target=end_with, args=(int(os.environ[PARENT]),), daemon=True).start()
    server = Server(("127.0.0.1", 0), Handler)
    server.models = {settings.label: settings.weights, **settings.adapters}
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    )
    announce(settings.announce, Announced(server.server_address[1], os.getpid(), "now"))
    server.serve_forever(poll_interval=0.02)
    server.drain()
    return 0


TOKEN_VALUE = os.environ.get(TOKEN, "")
if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
