"""Servers that take LoRA adapters while they run: vLLM's routes, and our own runtime's.

One client for both. vLLM has the routes when it was started with `--enable-lora` and
`VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`, and loads the folder from its own disk.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopwright.errors import ServingError
from loopwright.models.imprint import Imprint

_SECONDS = 60.0
_LONGEST = 300


class ServerAwayError(ServingError):
    """The server cannot be reached, or is too busy to answer: may succeed when tried again."""


class AdapterServer:
    """An OpenAI-compatible server at `url` (with or without `/v1`). Blocks while it asks."""

    def __init__(self, url: str, api_key: str | None = None, *, seconds: float = _SECONDS) -> None:
        self._base = url.rstrip("/").removesuffix("/v1") + "/v1"
        self._api_key, self._seconds = api_key, seconds

    def models(self) -> tuple[str, ...]:
        """The model names that it answers to, adapters among them.

        Raises ServerAwayError when it cannot be reached, ServingError for what it refuses.
        """
        return tuple(str(entry["id"]) for entry in self.listed())

    def listed(self) -> tuple[dict[str, Any], ...]:
        """The models as the server lists them: `id`, and where it tells them `root` and `parent`.

        Raises as `models` does.
        """
        told = json.loads(self._ask("GET", "/models", None) or b"{}")
        return tuple(told.get("data", ()))

    def load(self, name: str, folder: Path, imprint: Imprint | None = None) -> None:
        """Put the adapter in `folder` on the base as model `name`; one that is there is fine.

        A runtime of ours holds it to `imprint` at every load.
        """
        if name in self.models():
            return
        told: dict[str, Any] = {"lora_name": name, "lora_path": str(folder)}
        if imprint is not None:
            told |= {"lora_files": dict(imprint.files), "lora_remembered": imprint.remembered}
        self._ask("POST", "/load_lora_adapter", told)

    def unload(self, name: str) -> None:
        """Take the adapter `name` away; one that is not there is fine."""
        if name in self.models():
            self._ask("POST", "/unload_lora_adapter", {"lora_name": name})

    def _ask(self, method: str, path: str, told: Mapping[str, Any] | None) -> bytes:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        data = None if told is None else json.dumps(told).encode()
        request = urllib.request.Request(
            self._base + path, data=data, headers=headers, method=method
        )
        context = ssl.create_default_context() if self._base.startswith("https:") else None
        try:
            with urllib.request.urlopen(
                request, timeout=self._seconds, context=context
            ) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            raise self._refused(path, error) from None
        except OSError as error:  # URLError and timeouts are OSErrors
            reason = getattr(error, "reason", error)
            raise ServerAwayError(f"the server at {self._base} does not answer: {reason}") from None

    def _refused(self, path: str, error: urllib.error.HTTPError) -> ServingError:
        with error:
            words = _words(error.read())
        said = f"the server at {self._base} refused {path}: {error.code} {words}".rstrip()
        if error.code >= 500 or error.code == 429:
            return ServerAwayError(said)
        return ServingError(said, hint=_hint(error.code, path))


def _words(body: bytes) -> str:
    try:
        told = json.loads(body)
        told = told.get("error", told)
        text = told.get("message", "") if isinstance(told, dict) else str(told)
    except (ValueError, AttributeError):
        text = body.decode("utf-8", "replace")
    return " ".join(str(text).split())[:_LONGEST]


def _hint(status: int, path: str) -> str | None:
    if status in (401, 403):
        return "give the server's API key"
    if status in (404, 405) and path.endswith("lora_adapter"):
        return (
            "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True "
            "in its environment"
        )
    return None
