"""What every test shares: goldens that can be rewritten, one Hypothesis profile, a clean place."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Read by torch and tokenizers when they are imported: on cores that are shared, threads that spin
# while they wait cost many times the work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

settings.register_profile(
    "loopwright",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("loopwright")


_MEMORY = Path("/dev/shm")
_ROOM = 2 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Put test folders in memory where there is room: thousands of fsyncs are then free.

    That syncs are asked for is proven by the power-cut tests, which do not depend on the disk.
    """
    is_worker = hasattr(config, "workerinput")
    if config.option.basetemp or is_worker or not os.access(_MEMORY, os.W_OK):
        return
    if shutil.disk_usage(_MEMORY).free > _ROOM:
        folder = tempfile.mkdtemp(prefix="loopwright-tests-", dir=_MEMORY)
        config.option.basetemp = f"{folder}/tests"
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Rewrite golden files.")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person's shell reaches a test; two-core machines stay usable."""
    for name in list(os.environ):
        if name.startswith("LOOPWRIGHT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
