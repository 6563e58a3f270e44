"""LiteLLM's proxy as a peer: a process of its own, in the environment of its own executable.

Nothing of it is imported here. It is there when LITELLM names the executable, or the PATH has it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LITELLM = os.environ.get("LITELLM") or shutil.which("litellm")
_OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
_START_SECONDS = 120


@contextmanager
def litellm_proxy(
    url: str, *, folder: Path, model: str, key: str, core: int
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Its port and process, on a core, serving `model` from the upstream at `url` to `key`.

    All is as LiteLLM sets it by itself, but for what would go out to the network.
    """
    assert LITELLM
    config = folder / "litellm.yaml"
    config.write_text(_config(url, model, key))
    port = _free_port()
    command = ["taskset", "-c", str(core), LITELLM, "--config", str(config)]
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=os.environ | _OFFLINE,
        )
    try:
        _wait_until_listening(port, process)
        yield port, process
    finally:
        process.kill()
        process.wait()


def _config(url: str, model: str, key: str) -> str:
    upstream = {"model": "openai/m-2026", "api_base": f"{url}/v1", "api_key": "sk-upstream"}
    return json.dumps(
        {
            "model_list": [{"model_name": model, "litellm_params": upstream}],
            "general_settings": {"master_key": key},
        }
    )


def _free_port() -> int:
    """LiteLLM cannot say which port it got, so it is given one that is free just now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, "LiteLLM ended; see litellm.log"
            assert time.monotonic() < end, "LiteLLM does not listen"
            time.sleep(0.2)
