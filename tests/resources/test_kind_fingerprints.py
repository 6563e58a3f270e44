"""What decides a run stays what it is: a change here would rerun paid jobs everywhere.

A golden a kind. When one changes on purpose, say so in the change log.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from declaring import RICH, declared, document, loaded

from loopwright.parsing import parse
from loopwright.planning.outlook import fingerprint
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.registry import kinds

SMALL: dict[str, Any] = {"provider": "cloud", "source": {"lake": "main"}}


def rich(kind: str) -> Resource:
    resources = parse(loaded(RICH)).resources
    del resources[Address("Endpoint", "candidate")]  # type: ignore[attr-defined]
    return next(found for address, found in resources.items() if address.kind == kind)


@pytest.mark.parametrize("kind", kinds())
def test_normal_form_and_what_decides_it(kind: str, update_golden: bool) -> None:
    resource = rich(kind)
    found = {
        "desired": resource.desired(),
        "deciding": resource.deciding(),
        "identity": resource.identity(),
        "fingerprint": fingerprint(resource, {"a": "sha256:1"}, {}),
    }
    golden = RICH / f"{kind.lower()}.json"
    if update_golden:
        golden.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(golden.read_text(encoding="utf-8"))


def dataset(folder: Path, **spec: Any) -> Resource:
    text = document("Dataset", "d", SMALL | spec)
    return declared(folder, text).resources[Address("Dataset", "d")]


@pytest.mark.parametrize(
    "spec",
    [
        {"trigger": {"every": "7d"}},
        {"attempts": 5},
        {"lifecycle": {"preventDestroy": True}},
        {"cleaning": {"dedup": "exact"}},
        {"sampling": {"salt": ""}},
        {"sampling": {}},
        {"split": {"by": "session"}},
        {"format": "sft"},
        {"cleaning": {"outcomes": ["ok", "ok"]}},
        {"filter": {"where": None}},
    ],
)
def test_policy_and_defaults_written_out_decide_nothing(
    spec: dict[str, Any], tmp_path: Path
) -> None:
    assert fingerprint(dataset(tmp_path, **spec), {}, {}) == fingerprint(dataset(tmp_path), {}, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"sampling": {"count": 5}}, {"sampling": {"count": 5, "order": "random"}}),
        ({"sampling": {"ratio": 1}}, {"sampling": {"ratio": 1.0}}),
        ({"filter": {"endpoints": ["a", "b"]}}, {"filter": {"endpoints": ["b", "a", "b"]}}),
        ({"source": {"lake": "main"}}, {"source": {"lake": "Lake/main"}}),
    ],
)
def test_the_same_said_otherwise_decides_nothing(
    one: dict[str, Any], other: dict[str, Any], tmp_path: Path
) -> None:
    assert fingerprint(dataset(tmp_path, **one), {}, {}) == fingerprint(
        dataset(tmp_path, **other), {}, {}
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"sampling": {"ratio": 0.2}},
        {"sampling": {"salt": "a"}},
        {"cleaning": {"dedup": "none"}},
        {"filter": {"endpoints": ["a"]}},
        {"split": {"validation": 0.1}},
        {"target": {"new": "e"}},
        {"lineFormat": "ark"},
    ],
)
def test_everything_that_changes_lines_decides(spec: dict[str, Any], tmp_path: Path) -> None:
    assert fingerprint(dataset(tmp_path, **spec), {}, {}) != fingerprint(dataset(tmp_path), {}, {})


def test_inputs_and_files_decide() -> None:
    job = rich("FineTuneJob")
    same = fingerprint(job, {"dataset": "sha256:1"}, {"a": "sha256:2"})
    assert fingerprint(job, {"dataset": "sha256:1"}, {"b": "sha256:2"}) == same
    assert fingerprint(job, {"dataset": "sha256:3"}, {"a": "sha256:2"}) != same
    assert fingerprint(job, {"dataset": "sha256:1"}, {"a": "sha256:3"}) != same


def test_an_endpoint_is_to_others_the_model_it_serves() -> None:
    assert set(rich("Endpoint").identity()) == {"model"}
