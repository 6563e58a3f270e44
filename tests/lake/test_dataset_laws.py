"""The sampling laws over real small lakes, against a definition that reads everything."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dataset_calls as made
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.lake.columns import skey
from loopwright.lake.datasets import lines as lines_module
from loopwright.lake.datasets import walking
from loopwright.lake.datasets.estimating import estimate
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.datasets.recipe import Dedup, Order, Recipe
from loopwright.lake.datasets.sampling import RING, rank, ring_start, share
from loopwright.lake.snapshot import Snapshot

Call = dict[str, Any]
few = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@contextmanager
def lake_of(calls: list[Call], *, pieces: int = 1) -> Iterator[Snapshot]:
    with TemporaryDirectory() as folder:
        batches = made.cut_up(calls, pieces) if calls else []
        yield made.make_lake(Path(folder) / "lake", *batches).snapshot()


def drawn(snapshot: Snapshot, recipe: Recipe) -> list[str]:
    return [sample.call_id for sample in Lines(snapshot, recipe, purpose="test")]


def place(recipe: Recipe, call: Call) -> Any:
    sampling, moment = recipe.sampling, call["ts"].timestamp()
    if sampling.independent:
        return rank(sampling.salt, call["call_id"])
    if sampling.order is Order.RANDOM:
        return (skey(call["call_id"]) - ring_start(sampling.salt)) % RING
    return moment if sampling.order is Order.CHRONOLOGICAL else -moment


def defined(calls: list[Call], recipe: Recipe) -> list[str]:
    """The draw by its definition, with no thought of cost."""
    first: dict[bytes, Call] = {}
    able = [call for call in calls if call["outcome"] == "ok"]
    for call in sorted(able, key=lambda call: (call["ts"], call["call_id"])):
        first.setdefault(call["exchange_hash"], call)
    exact = recipe.cleaning.dedup is Dedup.EXACT
    clean = [call for call in able if not exact or first[call["exchange_hash"]] is call]
    sampling = recipe.sampling
    if sampling.ratio is not None:
        clean = [call for call in clean if place(recipe, call) < share(sampling.ratio)]
    backwards = sampling.order is Order.REVERSE
    by_id = sorted(clean, key=lambda call: call["call_id"], reverse=backwards)
    walked = sorted(by_id, key=lambda call: place(recipe, call))
    kept = walked[: sampling.count]
    return [call["call_id"] for call in kept] if len(kept) >= (sampling.count or 0) else []


@st.composite
def some_calls(draw: st.DrawFn) -> list[Call]:
    """Calls with equal texts, equal times and failures among them."""
    shapes = st.tuples(
        st.integers(0, 9), st.integers(0, 20), st.sampled_from(["ok", "ok", "timeout"])
    )
    return [
        made.record(
            number,
            text=f"text {text}",
            ts=made.START + made.timedelta(hours=hour * 6),
            outcome=outcome,
        )
        for number, (text, hour, outcome) in enumerate(
            draw(st.lists(shapes, min_size=draw(st.sampled_from([0, 10, 25])), max_size=40))
        )
    ]


salts = st.sampled_from(["", "a", "盐"])
dedups = st.sampled_from(["exact", "none"])
samplings = st.one_of(
    st.fixed_dictionaries(
        {"ratio": st.sampled_from([0.05, 0.3, 0.8, 1.0]), "salt": salts,
         "independent": st.booleans()}
    ),
    st.fixed_dictionaries(
        {"count": st.integers(1, 12), "salt": salts, "independent": st.booleans()}
    ),
    st.fixed_dictionaries(
        {"count": st.integers(1, 12),
         "order": st.sampled_from(["chronological", "reverseChronological"])}
    ),
)  # fmt: skip


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walk a small lake in as many steps as a large one."""
    monkeypatch.setattr(walking, "STRETCH_ROWS", 5)
    monkeypatch.setattr(lines_module, "_PIECE_ROWS", 3)


@few
@given(some_calls(), samplings, dedups, st.integers(1, 4))
def test_a_draw_is_what_its_definition_says_however_the_files_lie(
    short_steps: None, calls: list[Call], sampling: dict[str, Any], dedup: str, pieces: int
) -> None:
    recipe = made.recipe(sampling=sampling, cleaning={"dedup": dedup})
    with lake_of(calls, pieces=pieces) as snapshot:
        found = drawn(snapshot, recipe)
        assert found[: len(defined(calls, recipe))] == defined(calls, recipe)
        short = sampling.get("count", 0) > len(found)
        assert short == (bool(sampling.get("count")) and not defined(calls, recipe))


@few
@given(some_calls(), samplings, dedups)
def test_the_estimate_is_the_build_as_far_as_metadata_tells(
    short_steps: None, calls: list[Call], sampling: dict[str, Any], dedup: str
) -> None:
    recipe = made.recipe(sampling=sampling, cleaning={"dedup": dedup})
    with lake_of(calls) as snapshot:
        foreseen = estimate(snapshot, recipe)
        built = Lines(snapshot, recipe, purpose="test")
        kept = len(list(built))
    assert foreseen.rows == (kept, kept)
    assert (foreseen.sampled, foreseen.dropped) == (built.tally.sampled, built.tally.dropped)
    assert foreseen.input_tokens == built.tally.input_tokens
    assert foreseen.matched == foreseen.population == len(calls)
    assert foreseen.enough == (kept >= sampling.get("count", 1))


@few
@given(some_calls(), st.sampled_from([0.1, 0.25, 0.5]), st.integers(1, 8), salts)
def test_samples_nest(calls: list[Call], ratio: float, count: int, salt: str) -> None:
    with lake_of(calls) as snapshot:
        small, large = (
            drawn(snapshot, made.recipe(sampling={"ratio": share, "salt": salt}))
            for share in (ratio, 2 * ratio)
        )
        few_rows, more_rows = (
            drawn(snapshot, made.recipe(sampling={"count": size, "salt": salt}))
            for size in (count, 2 * count)
        )
    assert large[: len(small)] == small
    assert more_rows[: len(few_rows)] == few_rows


def test_of_equal_calls_the_least_by_time_and_id_of_the_population_stays() -> None:
    def equal(number: int, hour: int, **columns: Any) -> Call:
        moment = made.START + made.timedelta(hours=hour)
        return made.record(number, text="same", ts=moment, **columns)

    calls = [
        equal(4, 2), equal(3, 1), equal(2, 1), equal(1, 1, outcome="timeout"),
        equal(0, 0, input_tokens=99), made.record(9),
    ]  # fmt: skip
    spec = {"cleaning": {"maxTokens": 50}}
    with lake_of(calls, pieces=3) as snapshot:
        backwards = {"sampling": {"count": 2, "order": "reverseChronological"}, **spec}
        lines = Lines(snapshot, made.recipe(**backwards), purpose="test")
        assert [sample.call_id for sample in lines] == ["call-00002", "call-00009"]
        assert lines.tally.dropped == {"duplicate": 2, "outcome": 1}


def test_calls_of_one_moment_are_walked_by_id() -> None:
    calls = [made.record(number, ts=made.START) for number in (5, 1, 4, 2, 3)]
    for order, expected in (("chronological", [1, 2, 3]), ("reverseChronological", [5, 4, 3])):
        with lake_of(calls, pieces=2) as snapshot:
            found = drawn(snapshot, made.recipe(sampling={"count": 3, "order": order}))
        assert [int(one[5:]) for one in found] == expected


def test_a_ratio_of_five_thousand_calls_is_within_its_binomial_bounds() -> None:
    with lake_of(made.records(5000)) as snapshot:
        for salt in ("a", "b", "c"):
            for ratio in (0.01, 0.2, 0.5):
                rows = estimate(snapshot, made.recipe(sampling={"ratio": ratio, "salt": salt})).rows
                spread = (5000 * ratio * (1 - ratio)) ** 0.5
                assert abs(rows[1] - 5000 * ratio) < 5 * spread


def test_every_count_up_to_the_whole_lake_is_exact() -> None:
    calls = made.records(50)
    random.Random(7).shuffle(calls)
    with lake_of(calls, pieces=5) as snapshot:
        for count in (1, 7, 49, 50):
            for order in ("random", "chronological", "reverseChronological"):
                found = drawn(snapshot, made.recipe(sampling={"count": count, "order": order}))
                assert len(set(found)) == len(found) == count
