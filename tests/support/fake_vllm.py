"""A server with vLLM's routes, as its documentation describes them: models, LoRA, chat.

`/v1/models` lists the base with its `root`, and each adapter with its `parent`; loading what is
loaded, or unloading what is not, is refused. A restart forgets every adapter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.loops import loop_in_thread
from support.upstreams import chat


@dataclass
class FakeVllm:
    """`adapters` by name; `port` stays the same over restarts."""

    base: str
    key: str
    root: str = ""
    port: int = 0
    adapters: dict[str, str] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guarded])
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/load_lora_adapter", self._load)
        app.router.add_post("/v1/unload_lora_adapter", self._unload)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self.adapters.clear()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _models(self, _: web.Request) -> web.Response:
        shared = {"object": "model", "created": 1, "owned_by": "vllm"}
        data = [{"id": self.base, "root": self.root or self.base, "parent": None, **shared}]
        data += [
            {"id": name, "root": path, "parent": self.base, **shared}
            for name, path in self.adapters.items()
        ]
        return web.json_response({"object": "list", "data": data})

    async def _load(self, request: web.Request) -> web.Response:
        said = await request.json()
        if said["lora_name"] in self.adapters:
            return self._refused(f"The lora adapter '{said['lora_name']}' has already been loaded.")
        self.adapters[said["lora_name"]] = said["lora_path"]
        return web.Response(text=f"Success: LoRA adapter '{said['lora_name']}' added.")

    async def _unload(self, request: web.Request) -> web.Response:
        said = await request.json()
        if self.adapters.pop(said["lora_name"], None) is None:
            return self._refused(f"The lora adapter '{said['lora_name']}' cannot be found.")
        return web.Response(text=f"Success: LoRA adapter '{said['lora_name']}' removed.")

    async def _chat(self, request: web.Request) -> web.Response:
        said = await request.json()
        if said["model"] not in {self.base, *self.adapters}:
            message = f"The model `{said['model']}` does not exist."
            return web.json_response({"error": {"message": message}}, status=404)
        return web.json_response(chat(said, text=said["model"]))

    def _refused(self, message: str) -> web.Response:
        error = {"message": message, "type": "InvalidUserInput", "code": 400}
        return web.json_response({"error": error}, status=400)


@dataclass
class RunningVllm:
    """Started, stopped and started again by a test."""

    fake: FakeVllm
    run: Any

    def restart(self) -> None:
        self.run(self.fake.stop())
        self.run(self.fake.start())


@contextmanager
def vllm_in_thread(base: str, *, key: str, root: str = "") -> Iterator[RunningVllm]:
    fake = FakeVllm(base, key, root)
    with loop_in_thread() as thread:
        thread.run(fake.start())
        try:
            yield RunningVllm(fake, thread.run)
        finally:
            thread.run(fake.stop())
