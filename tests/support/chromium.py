"""A headless Chromium that tests drive by its DevTools protocol; skipped where there is none."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def binary() -> str:
    """Where Chromium is; without one the test is skipped."""
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        pytest.skip("needs Chromium")
    return found


class Tab:
    """One page: what it logs and asks the network for is kept."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self.complaints: list[str] = []
        self.requests: list[str] = []

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._waiting.pop(told["id"]).set_result(told)
            else:
                self._happened(told["method"], told["params"])

    def _happened(self, method: str, told: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
            self.complaints.append(str(told))

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        told = await answer
        assert "error" not in told, told
        return told["result"]

    async def open(self, path: Path) -> None:
        """Load a file and wait until it stands."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.send(f"{domain}.enable")
        self._loaded.clear()
        await self.send("Page.navigate", url=path.as_uri())
        await self._loaded.wait()

    async def look(self, *, width: int, dark: bool = False, height: int = 900) -> None:
        """Show it on a screen of this width, in this colour scheme."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript; a promise is waited for."""
        told = await self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = key if len(key) == 1 and kind == "keyDown" else ""
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, text=text)

    async def picture(self, path: Path, *, top: float = 0, height: float = 0) -> None:
        """For people who work on the page: a PNG of the whole of it, or of a band."""
        size = await self.evaluate(
            "[document.documentElement.clientWidth, document.body.scrollHeight]"
        )
        clip = {"x": 0, "y": top, "width": size[0], "height": height or size[1], "scale": 1}
        told = await self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))

    async def close(self) -> None:
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader


@asynccontextmanager
async def tab(folder: Path) -> AsyncIterator[Tab]:
    """A browser of its own with one empty page; ended by its own process id."""
    profile = folder / "profile"
    process = subprocess.Popen(
        [binary(), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = await _port(profile / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [page for page in await answer.json() if page["type"] == "page"]
            address = pages[0]["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                opened = Tab(socket)
                try:
                    yield opened
                finally:
                    await opened.close()
    finally:
        process.terminate()
        process.wait()


async def _port(announced: Path, process: subprocess.Popen[bytes]) -> int:
    """The port Chromium chose, once it has written it down."""
    while True:
        with suppress(OSError, ValueError, IndexError):
            return int(announced.read_text().split()[0])
        assert process.poll() is None, "Chromium ended before it could be driven"
        await asyncio.sleep(0.02)
