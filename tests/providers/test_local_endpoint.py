"""What the local adapters of Endpoint and Delivery do before any daemon is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import PermanentError
from loopwright.planning.diff import compare
from loopwright.providers.base import FieldChange
from loopwright.providers.local.served_adapter import edited
from support.local_worlds import LocalWorld, succeeded

UPSTREAM = {"url": "http://127.0.0.1:9/v1", "model": "teacher"}
NAMES = st.sampled_from("abc")
SPECS: Any = st.recursive(
    st.integers() | st.booleans() | st.lists(st.integers(), min_size=1, max_size=2),
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def nothing_empty(value: Any) -> Any:
    """Without objects that hold nothing, which say the same as no object."""
    if not isinstance(value, dict):
        return value
    kept = {name: nothing_empty(item) for name, item in value.items()}
    return {name: item for name, item in kept.items() if item != {}}


@given(st.dictionaries(NAMES, SPECS, max_size=3), st.dictionaries(NAMES, SPECS, max_size=3))
def test_the_fields_that_differ_make_one_spec_into_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert nothing_empty(edited(before, after, list(compare(before, after)))) == after


def test_an_edit_touches_no_field_that_it_does_not_name() -> None:
    before = {"rate": 1.0, "enabled": True}
    after = {"rate": 0.5, "enabled": False}
    assert edited(before, after, [FieldChange("rate", 1.0, 0.5)]) == {"rate": 0.5, "enabled": True}


def opinions(world: LocalWorld, kind: str, **spec: Any) -> list[str]:
    target = world.target(kind, "support", **spec)
    return [opinion.message for opinion in world.adapter(kind).check(target)]


@pytest.mark.parametrize(
    "model",
    [{"base": "builtin:tiny-chat"}, {"model": "Model/x"}, {"fineTuneJob": "FineTuneJob/x"}],
)
def test_a_model_of_its_own_needs_the_extra_or_a_server_that_computes_it(
    model: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = LocalWorld(tmp_path)
    assert opinions(world, "Endpoint", model=model) == []
    monkeypatch.setattr("loopwright.children.find_spec", lambda name: None)
    (opinion,) = world.adapter("Endpoint").check(world.target("Endpoint", "support", model=model))
    assert opinion.message.startswith("serving a model on this machine needs torch")
    assert "pip install 'loopwright[train]'" in opinion.hint
    runtime = {"vllm": {"url": "http://127.0.0.1:8000/v1"}}
    assert opinions(world, "Endpoint", model=model, runtime=runtime) == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/v1", "http://localhost:8080/other/v1", "http://[::1]:8080/v1"]
)
def test_a_gateway_never_calls_itself(url: str, tmp_path: Path) -> None:
    world = LocalWorld(tmp_path)
    for upstream in (
        {**UPSTREAM, "url": url},
        {**UPSTREAM, "alternatives": [UPSTREAM | {"url": url}]},
    ):
        (said,) = opinions(world, "Endpoint", model={"upstream": upstream})
        assert said == f"its upstream {url} is the gateway of this very project"
    assert opinions(world, "Endpoint", model={"upstream": UPSTREAM}) == []


def test_what_is_declared_stopped_needs_no_daemon(tmp_path: Path) -> None:
    world = LocalWorld(tmp_path)
    target = world.target("Endpoint", "support", model={"upstream": UPSTREAM}, running=False)
    made = succeeded(world.made(target))
    assert made.outputs.pop("modelDigest").startswith("sha256:")
    assert made.outputs == {
        "url": "http://127.0.0.1:8080/v1",
        "model": "support",
        "serves": "teacher",
    }
    found = world.adapter("Endpoint").observe(target, "support")
    assert (found.ready, found.status, found.spec["running"]) == (True, "stopped", False)


def test_what_somebody_else_has_declared_is_not_taken(tmp_path: Path) -> None:
    theirs = LocalWorld(tmp_path, lineage="another-state")
    ours = LocalWorld(tmp_path)
    spec: dict[str, Any] = {"model": {"upstream": UPSTREAM}, "running": False}
    succeeded(theirs.made(theirs.target("Endpoint", "support", **spec)))
    with pytest.raises(PermanentError, match="belongs to another-state/Endpoint/support") as error:
        ours.made(ours.target("Endpoint", "support", **spec))
    assert error.value.hint is not None
    assert "loopwright adopt Endpoint/support" in error.value.hint


def test_the_reference_to_a_key_is_neither_told_back_nor_looked_up(tmp_path: Path) -> None:
    world = LocalWorld(tmp_path)
    upstream = {**UPSTREAM, "apiKey": {"env": "NOT_SET_ANYWHERE"}}
    target = world.target("Endpoint", "support", model={"upstream": upstream}, running=False)
    succeeded(world.made(target))
    told = world.adapter("Endpoint").observe(target, None).spec["model"]["upstream"]
    assert "apiKey" not in told
