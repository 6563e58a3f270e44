"""What came of erased calls is found through any number of runs, and marked once."""

from __future__ import annotations

from loopwright.engine.lineage import Touched, downstream, marked
from loopwright.resources.address import Address
from loopwright.state.records import Record, Revision, RunStatus


def revision(number: int, external_id: str, *made_from: str) -> Revision:
    return Revision(
        number,
        f"print-{external_id}",
        RunStatus.SUCCEEDED,
        external_id=external_id,
        inputs={f"input{place}": name for place, name in enumerate(made_from)},
        outputs={"digest": f"digest-{external_id}"},
    )


def record(address: str, *revisions: Revision, **facts: object) -> Record:
    return Record(Address.parse(address), revisions=revisions, **facts)  # type: ignore[arg-type]


def world(*records: Record) -> dict[Address, Record]:
    return {one.address: one for one in records}


SET = record("Dataset/set", revision(1, "set@v1"), revision(2, "set@v2"))
JOB = record(
    "FineTuneJob/job", revision(1, "job-1", "digest-set@v1"), revision(2, "job-2", "digest-set@v2")
)
RUN = record("EvalRun/run", revision(1, "run-1", "digest-job-1"))
ENDPOINT = record("Endpoint/chat", inputs={"model": "digest-job-1"})
OTHER = record("EvalRun/other", revision(1, "other-1", "digest-job-2"))
WORLD = world(ENDPOINT, RUN, OTHER, JOB, SET)


def test_everything_downstream_of_a_touched_run_is_found_and_nothing_else() -> None:
    found = downstream(WORLD, {"set@v1": (3, False)})
    assert [(str(one.address), one.revision, one.calls, one.inside) for one in found] == [
        ("Dataset/set", 1, 3, False),
        ("Endpoint/chat", None, 3, True),
        ("EvalRun/run", 1, 3, True),
        ("FineTuneJob/job", 1, 3, True),
    ]


def test_counts_add_up_and_the_unknown_stays_unknown() -> None:
    both = world(SET, record("FineTuneJob/job", revision(1, "j", "digest-set@v1", "digest-set@v2")))
    added = downstream(both, {"set@v1": (3, False), "set@v2": (4, False)})
    assert added[-1].calls == 7
    unknown = downstream(both, {"set@v1": (3, False), "set@v2": (None, True)})
    assert unknown[-1].calls is None


def test_marks_are_kept_with_the_record_and_repeat_to_the_same() -> None:
    touched = [Touched(JOB.address, 1, 3, inside=True)]
    once = marked(JOB, touched, erasure="e1", at="2026-11-22T00:00:00Z")
    assert marked(once, touched, erasure="e1", at="2026-11-22T00:00:00Z") == once
    again = Record.from_json(once.to_json())
    assert [one.holds_erased for one in again.revisions] == [True, False]
    assert again.revisions[0].erased == {
        "e1": {"at": "2026-11-22T00:00:00Z", "calls": 3, "inside": True}
    }
