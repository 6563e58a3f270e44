"""What a probe and Prometheus see."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from watch_bench import Bench, endpoint, lake, provider

from loopwright.clock import FakeClock
from loopwright.errors import LoopwrightError
from loopwright.gitops.health import STALE_AFTER, HealthServer, Pulse
from loopwright.gitops.metrics import Metrics
from loopwright.gitops.status import StatusFile, WatchStatus, read_status


def test_health_is_good_until_the_loop_falls_silent() -> None:
    clock = FakeClock()
    pulse = Pulse(clock)
    server = HealthServer("127.0.0.1:0", pulse, Metrics().exposition)
    try:
        with urlopen(f"http://{server.address}/healthz") as answer:
            assert (answer.status, answer.read()) == (200, b"ok\n")
        clock.advance(STALE_AFTER.total_seconds() + 1)
        with pytest.raises(HTTPError) as refused:
            urlopen(f"http://{server.address}/healthz")
        assert refused.value.code == 503
        assert b"no sign of life since 2026-01-01T00:00:00Z" in refused.value.read()
        pulse.beat()
        with urlopen(f"http://{server.address}/metrics") as answer:
            assert b"loopwright_reconcile_passes_total" in answer.read()
        with pytest.raises(LoopwrightError, match="cannot listen on"):
            HealthServer(server.address, pulse, Metrics().exposition)
    finally:
        server.close()


def sample(bench: Bench, line: str) -> str:
    text = bench.metrics.exposition()[0].decode()
    return next((found.split()[-1] for found in text.splitlines() if found.startswith(line)), "")


def test_metrics_tell_passes_resources_and_drift(bench: Bench) -> None:
    rule = {"action": "create", "kind": "Lake", "how": "permanent", "times": 1000}
    bench.write(provider(faults={"fail": [rule]}), lake(), endpoint())
    bench.at(200, lambda: bench.world.remove(bench.external_id("Endpoint", "chat")), wakes=False)
    bench.watch(245, interval=60)
    assert sample(bench, 'loopwright_reconcile_passes_total{outcome="failed"}') != "0.0"
    assert sample(bench, 'loopwright_resources{condition="Ready",kind="Endpoint"}') == "1.0"
    assert sample(bench, 'loopwright_resources{condition="Stalled",kind="Lake"}') == "1.0"
    assert sample(bench, 'loopwright_drift{class="gone"}') == "1.0"
    assert float(sample(bench, "loopwright_reconcile_errors_total")) >= 1
    assert sample(bench, "loopwright_reconcile_duration_seconds_count") != "0.0"
    assert sample(bench, "loopwright_reconcile_last_success_timestamp_seconds") != "0.0"
    assert sample(bench, "loopwright_reconcile_info{") == "1.0"


def test_a_status_file_that_makes_no_sense_is_no_status(bench: Bench) -> None:
    folder = bench.folder / "state"
    assert read_status(folder) is None
    StatusFile(folder).write(WatchStatus(source="flows"))
    found = read_status(folder)
    assert found
    assert found.source == "flows"
    for text in ('{"version": 99}', "[]", '{"version": 1', ""):
        (folder / "watch.json").write_text(text)
        assert read_status(folder) is None
