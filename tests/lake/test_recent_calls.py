"""The newest calls are found whatever files they lie in, and one is opened with an audit line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_world import DAY, MARKER, call, calls, new_lake

from loopwright.errors import LakeError
from loopwright.lake.compaction import compact
from loopwright.lake.ingest import append, append_feedback
from loopwright.lake.recent import SHOWN, feedback_on, opened, recent
from loopwright.lake.store import Lake

_TIMES = st.lists(st.integers(0, 5 * DAY), max_size=12, unique=True)


@settings(max_examples=40)
@given(
    batches=st.lists(_TIMES, min_size=1, max_size=4),
    limit=st.integers(1, 9),
    since=st.none() | st.integers(0, 5 * DAY),
    chosen=st.sampled_from([{}, {"endpoint": "b"}, {"outcome": "ok"}]),
)
def test_the_newest_come_first_and_none_is_passed_over(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[int]],
    limit: int,
    since: int | None,
    chosen: dict[str, str],
) -> None:
    lake, made = new_lake(tmp_path_factory.mktemp("lake") / "lake"), []
    for place, times in enumerate(batches):
        rows = [
            call(
                place * 100 + number,
                ts=ts,
                endpoint="ab"[ts % 2],
                outcome=("ok", "timeout")[ts % 3 == 0],
            )
            for number, ts in enumerate(times)
        ]
        append(lake, rows)
        made += rows
    wanted = [
        row
        for row in sorted(made, key=lambda row: (row["ts"], row["call_id"]), reverse=True)
        if (since is None or row["ts"] >= since)
        and all(row[name] == value for name, value in chosen.items())
    ]
    found = recent(lake.snapshot(), limit=limit, since=since, **chosen)
    assert [row["call_id"] for row in found] == [row["call_id"] for row in wanted[:limit]]
    assert all(tuple(row) == SHOWN for row in found)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = new_lake(tmp_path / "lake")
    append(made, calls(*range(30)))
    append(made, calls(*range(30, 60)))
    compact(made)
    return made


def test_one_call_is_opened_with_its_feedback_and_recorded(lake: Lake) -> None:
    said = {"name": "helpful", "kind": "comment", "source": "human", "text": "well said"}
    append_feedback(
        lake,
        [
            {**said, "feedback_id": f"f{number}", "call_id": f"call-{number}", "ts": 1}
            for number in (7, 8)
        ],
    )
    row = opened(lake.snapshot(), "call-7", purpose="a test")
    assert (row["call_id"], MARKER in row["request"]) == ("call-7", True)
    (told,) = feedback_on(lake.snapshot(), "call-7", purpose="a test")
    assert (told["feedback_id"], told["text"]) == ("f7", "well said")
    assert [one.purpose for one in lake.audit.openings()] == ["a test", "a test"]


def test_an_unknown_call_is_told(lake: Lake) -> None:
    with pytest.raises(LakeError, match="there is no call nobody in the lake"):
        opened(lake.snapshot(), "nobody", purpose="a test")
    assert feedback_on(lake.snapshot(), "nobody", purpose="a test") == []
