"""Daemons that a checkout's apply has started end with its test, by their own command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from checkout import MADE, Checkout


@pytest.fixture(autouse=True, scope="session")
def _any_port() -> Iterator[None]:
    """Several checkouts serve at once: each takes a free port, not the quickstart's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWAY", "127.0.0.1:0")
        yield


@pytest.fixture(autouse=True, scope="module")
def _no_daemon_stays() -> Iterator[None]:
    yield
    folders = list(MADE)
    for folder in folders:
        for state in folder.glob(".loopwright/*/daemon"):
            Checkout(folder).run(f"serve --stop --env {state.parent.name}")
    MADE.clear()
