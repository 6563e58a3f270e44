"""The gateway's numbers are Prometheus' own, and the Grafana board asks for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from loopwright.gateway.metrics import Distribution, LakeFacts, Metrics
from support.gateways import call_log

BOARD = Path(__file__).parents[2] / "docs" / "grafana-gateway.json"
_NAME = re.compile(r"loopwright_[a-z_]+")


def exposed(folder: Path) -> Metrics:
    """Metrics of a gateway that has served one call of everything."""
    with call_log(folder) as log:
        metrics = Metrics(lambda: {"calls": log}, lambda: {"calls": LakeFacts(7, 1.5)})
        metrics.request("chat", "v1", 200)
        metrics.tokens("chat", input=3, output=4)
        of_chat = metrics.of("chat")
        for part in (of_chat.duration, of_chat.overhead, of_chat.first_token):
            part.observe(0.05)
        metrics.exposition()
        return metrics


def test_the_board_asks_for_metrics_that_exist(tmp_path: Path) -> None:
    text = exposed(tmp_path).exposition()[0].decode()
    known = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"}
    known |= {family.name for family in text_string_to_metric_families(text)}
    known |= {"loopwright_capture_records_total"}  # nothing was recorded yet
    queries = [
        target["expr"]
        for panel in json.loads(BOARD.read_text())["panels"]
        for target in panel["targets"]
    ]
    asked = {name for query in queries for name in _NAME.findall(query)}
    assert asked <= known
    assert len(queries) > 12


def test_the_text_is_what_prometheus_reads_and_gives_each_family_once(tmp_path: Path) -> None:
    text = exposed(tmp_path).exposition()[0].decode()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    samples = [sample for family in families for sample in family.samples]
    labels = {label for sample in samples for label in sample.labels}
    assert labels <= {
        "endpoint",
        "model_version",
        "code",
        "type",
        "le",
        "lake",
        "outcome",
        "reason",
    }
    rows = next(family for family in families if family.name == "loopwright_lake_rows")
    assert [sample.value for sample in rows.samples] == [7]


@given(st.lists(st.floats(0, 100)))
def test_a_distribution_counts_every_value_under_its_bounds(values: list[float]) -> None:
    found = Distribution((0.1, 1.0, 10.0))
    for value in values:
        found.observe(value)
    assert found.buckets() == [
        *((str(bound), sum(value <= bound for value in values)) for bound in found.bounds),
        ("+Inf", len(values)),
    ]
