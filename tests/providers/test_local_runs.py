"""Imports, dataset versions and exports: what they tell, and that nothing is made twice."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.errors import PermanentError
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.importing import import_calls
from loopwright.providers.base import LastRun, OperationStatus, Progress, Range, Resolved, Severity
from loopwright.providers.local import recorded_files
from loopwright.providers.local.receipts import Receipts
from loopwright.providers.local.worker import Work
from support.local_worlds import (
    LocalWorld,
    do_jobs_inline,
    line,
    resolved,
    succeeded,
    write_lines,
)

SECRET = "33" * 32


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalWorld:
    do_jobs_inline(monkeypatch)
    return LocalWorld(tmp_path, environ={"LAKE_KEY": SECRET})


@pytest.fixture
def lake(world: LocalWorld) -> Resolved:
    """Ten usable calls, a repeat, and an answer that is no JSON."""
    calls = [line(n, answer=f'{{"n": {n}}}') for n in range(10)]
    write_lines(world.folder / "calls.jsonl", [*calls, line(0, answer='{"n": 0}'), line(11)])
    lake = world.lake(masterKey={"env": "LAKE_KEY"})
    world.imported(lake, "calls.jsonl")
    return lake


def _last(outputs: Any) -> LastRun:
    return LastRun(1, outputs, "2026-01-01T00:00:00Z")


def test_an_import_tells_what_it_read_and_which_lines_it_left_out(world: LocalWorld) -> None:
    bad = [b"{", b"[]", line(2), b'{"messages": []}']
    write_lines(world.folder / "a.jsonl", [line(0), *bad])
    write_lines(world.folder / "b.jsonl", [line(1)])
    made = world.imported(world.lake(), "a.jsonl", "b.jsonl")
    assert made.message.startswith("6 read, 3 added, 3 bad lines left out: a.jsonl:2: ")
    facts = {name: made.outputs[name] for name in ("read", "added", "duplicates", "bad", "calls")}
    assert facts == {"read": 6, "added": 3, "duplicates": 0, "bad": 3, "calls": 3}
    assert [found.partition(": ")[0] for found in made.outputs["badLines"]] == [
        "a.jsonl:2",
        "a.jsonl:3",
        "a.jsonl:5",
    ]


def test_the_same_files_in_another_order_add_nothing_and_give_the_same_digest(
    world: LocalWorld,
) -> None:
    lake = world.lake()
    for name, numbers in (("a", range(3)), ("b", range(3, 5))):
        write_lines(world.folder / f"{name}.jsonl", [line(n) for n in numbers])
    first = world.imported(lake, "a.jsonl", "b.jsonl")
    again = world.imported(lake, "b.jsonl", "a.jsonl", name="again")
    assert again.outputs["added"] == 0
    assert again.message == "5 read, 0 added, 5 there already"
    assert again.outputs["digest"] == first.outputs["digest"]


def test_what_an_attempt_added_before_it_died_is_no_duplicate(
    world: LocalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(world.folder / "a.jsonl", [line(n) for n in range(10)])
    target = world.target(
        "CallImport", "x", inputs={"lake": world.lake()}, lake="main", files=["a.jsonl"]
    )
    monkeypatch.setitem(import_calls.__kwdefaults__, "batch_rows", 4)
    with monkeypatch.context() as patched:

        def die(self: Work, progress: Progress) -> None:
            raise SystemExit  # after the first batch, and no verdict is written

        patched.setattr(Work, "report", die)
        with pytest.raises(SystemExit):
            world.made(target, "the key")
    made = succeeded(world.made(target, "the key"))
    assert (made.outputs["added"], made.outputs["duplicates"]) == (10, 0)
    assert made.message == "10 read, 10 added"


def test_lines_are_counted_before_they_are_imported(world: LocalWorld) -> None:
    write_lines(world.folder / "a.jsonl", [line(n) for n in range(700)])
    pair = orjson.dumps({"request": {"messages": []}, "response": {}})
    whole = [pair] * 49 + [orjson.dumps(line(1))]
    (world.folder / "b.jsonl.gz").write_bytes(gzip.compress(b"\n".join(whole)))
    adapter = world.adapter("CallImport")
    target = world.target("CallImport", "x", lake="main", files=["a.jsonl", "b.jsonl.gz"])
    counted = adapter.estimate(target, None)
    assert counted.rows == Range.exact(750)
    assert counted.notes[:2] == (
        "a.jsonl: openai-chat, 100 of the first 100 lines",
        "b.jsonl.gz: openai-chat, 1 of 50 lines; "
        "left out: request.messages is not a list of messages (49)",
    )


def test_many_files_are_told_by_their_format(world: LocalWorld) -> None:
    names = [f"{number}.jsonl" for number in range(9)]
    for name in names:
        write_lines(world.folder / name, [line(1), b"{"])
    target = world.target("CallImport", "x", lake="main", files=names)
    estimate = world.adapter("CallImport").estimate(target, None)
    assert estimate.notes[0] == "9 files: openai-chat, 9 of 18 lines; left out: not valid JSON (9)"


def test_the_lines_of_a_large_file_are_inferred_from_its_beginning(
    world: LocalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_files, "_COUNTED_BYTES", 4 << 20)
    answer = "word " * 200
    write_lines(world.folder / "a.jsonl", [line(n, answer=answer) for n in range(10_000)])
    target = world.target("CallImport", "x", lake="main", files=["a.jsonl"])
    guessed = world.adapter("CallImport").estimate(target, None)
    assert guessed.rows.low < 10_000 < guessed.rows.high
    assert guessed.rows.likely == pytest.approx(10_000, rel=0.1)


def test_the_estimate_of_a_dataset_is_what_comes_of_it(world: LocalWorld, lake: Resolved) -> None:
    target = world.dataset(lake)
    expected = world.adapter("Dataset").estimate(target, None)
    made = succeeded(world.made(target)).outputs
    assert expected.rows == Range.exact(11) == Range.exact(made["rows"])
    assert expected.population == Range.exact(12) == Range.exact(made["matched"])
    assert expected.tokens == Range.exact(made["tokens"])
    assert {name: drop.likely for name, drop in expected.dropped.items()} == made["dropped"]
    assert made["sampled"] == made["rows"] + sum(made["dropped"].values())
    assert expected.waiting == ""


def test_too_few_rows_are_waited_for_and_leave_nothing(world: LocalWorld, lake: Resolved) -> None:
    target = world.dataset(lake, sampling={"count": 1000})
    assert world.adapter("Dataset").estimate(target, None).waiting == "11 of 1,000 rows"
    failed = world.made(target)
    assert (failed.status, failed.transient) == (OperationStatus.FAILED, True)
    assert Catalog(world.provider.datasets).names() == ()


def test_what_only_text_tells_is_known_to_the_plan_after_one_try(
    world: LocalWorld, lake: Resolved
) -> None:
    """Ten of eleven answers are JSON: metadata cannot know."""
    target = world.dataset(
        lake, filter={"responseSchema": {"type": "object"}}, sampling={"count": 11}
    )
    adapter = world.adapter("Dataset")
    assert adapter.estimate(target, None).waiting == ""
    assert world.made(target).status is OperationStatus.FAILED
    assert adapter.estimate(target, None).waiting == "10 of 11 rows"
    write_lines(world.folder / "more.jsonl", [line(20, answer="{}")])
    world.imported(lake, "more.jsonl", name="more")
    assert adapter.estimate(target, None).waiting == ""
    assert succeeded(world.made(target)).outputs["rows"] == 11


def test_what_text_left_out_last_time_narrows_the_next_estimate(
    world: LocalWorld, lake: Resolved
) -> None:
    target = world.dataset(lake, filter={"responseSchema": {"type": "object"}})
    adapter = world.adapter("Dataset")
    assert adapter.estimate(target, None).rows == Range(11, 0, 11)
    outputs = succeeded(world.made(target)).outputs
    assert outputs["rows"] == 10
    write_lines(world.folder / "more.jsonl", [line(n) for n in range(20, 31)])
    world.imported(lake, "more.jsonl", name="more")
    known = adapter.estimate(target, _last(outputs))
    assert known.rows == Range(20, 0, 22)
    assert known.new_calls == 11


def test_calls_of_another_lake_are_all_new(world: LocalWorld, lake: Resolved) -> None:
    target = world.dataset(lake)
    last = _last({"lakeId": "another", "cut": 5, "rows": 1, "dropped": {}})
    assert world.adapter("Dataset").estimate(target, last).new_calls == 12


def test_a_name_belongs_to_the_first_that_takes_it(world: LocalWorld, lake: Resolved) -> None:
    succeeded(world.made(world.dataset(lake, "first", target={"new": "shared"})))
    with pytest.raises(PermanentError, match="shared belongs to lineage-1/Dataset/first"):
        world.made(world.dataset(lake, "second", target={"new": "shared"}))


def test_further_versions_go_into_the_owners_series(world: LocalWorld, lake: Resolved) -> None:
    first = world.dataset(lake, "first", target={"new": "shared"})
    series = {"target.versionOf": resolved(first, world.made(first))}
    more = world.dataset(lake, "more", target={"versionOf": "Dataset/first"}, sampling={"count": 4})
    more = replace(more, inputs={**more.inputs, **series})
    assert succeeded(world.made(more)).external_id == "shared@v2"


def test_a_build_that_died_after_its_commit_finds_its_version(
    world: LocalWorld, lake: Resolved, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, died = world.dataset(lake), []

    def die(self: Receipts, receipt: object) -> None:
        died.append(receipt)
        raise SystemExit  # no verdict is written, as after a kill

    with monkeypatch.context() as patched:
        patched.setattr(Receipts, "put", die)
        with pytest.raises(SystemExit):
            world.made(target, "the key")
    assert died
    write_lines(world.folder / "more.jsonl", [line(n) for n in range(20, 30)])
    world.imported(lake, "more.jsonl", name="more")  # meanwhile the lake goes on
    made = succeeded(world.made(target, "the key"))
    assert (made.external_id, made.outputs["rows"]) == ("set@v1", 11)
    assert Catalog(world.provider.datasets).versions("set") == (1,)


def test_when_the_number_was_taken_meanwhile_the_next_one_is(
    world: LocalWorld, lake: Resolved, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.dataset(
        lake, "other", target={"versionOf": "Dataset/set"}, split={"validation": 0.5}
    )
    ours, numbers = world.dataset(lake), []
    real = Catalog.next_version

    def late(catalog: Catalog, name: str) -> int:
        number = real(catalog, name)
        numbers.append(number)
        if len(numbers) == 2:  # ours has settled its number; the other commits first
            succeeded(world.made(other))
        return number

    monkeypatch.setattr(Catalog, "next_version", late)
    made = succeeded(world.made(ours))
    assert made.external_id == "set@v2"
    assert Catalog(world.provider.datasets).versions("set") == (1, 2)


def test_an_export_is_replaced_by_the_next_version_but_never_by_force(
    world: LocalWorld, lake: Resolved
) -> None:
    first = resolved(world.dataset(lake), world.made(world.dataset(lake)))
    half = world.dataset(lake, sampling={"count": 5})
    second = resolved(half, world.made(half))
    place, adapter = world.folder / "out", world.adapter("Export")
    exported = []
    for version in (first, second):
        exported.append(succeeded(world.made(world.export(version))))
        rows = (place / "train.jsonl").read_bytes().count(b"\n")
        assert rows == exported[-1].outputs["rows"] == version.outputs["rows"]
    seen = [adapter.observe(world.export(first), made.external_id) for made in exported]
    assert [found and found.outputs["rows"] for found in seen] == [None, second.outputs["rows"]]

    (place / "train.jsonl").write_text("edited by hand\n")
    refused = world.made(world.export(first))
    assert refused.status is OperationStatus.FAILED
    assert "already holds something else" in refused.message
    assert (place / "train.jsonl").read_text() == "edited by hand\n"


def test_an_export_that_fails_leaves_the_former_one(world: LocalWorld, lake: Resolved) -> None:
    dataset = resolved(world.dataset(lake), world.made(world.dataset(lake)))
    succeeded(world.made(world.export(dataset)))
    before = sorted((world.folder / "out").iterdir())
    (world.provider.datasets / "set/v1/train.jsonl").write_text("damaged\n")
    failed = world.made(world.export(dataset, fields=["messages"]))
    assert failed.status is OperationStatus.FAILED
    assert sorted((world.folder / "out").iterdir()) == before
    assert {path.name for path in world.folder.glob(".out*")} == set()


def test_deleting_an_export_removes_its_files_alone(world: LocalWorld, lake: Resolved) -> None:
    dataset = resolved(world.dataset(lake), world.made(world.dataset(lake)))
    target = world.export(dataset)
    made = succeeded(world.made(target))
    (world.folder / "out/notes.txt").write_text("mine")
    adapter = world.adapter("Export")
    adapter.delete(target, adapter.observe(target, made.external_id), "key")
    assert [path.name for path in (world.folder / "out").iterdir()] == ["notes.txt"]


def test_what_local_cannot_export_is_refused_with_what_it_can(world: LocalWorld) -> None:
    adapter = world.adapter("Export")
    for spec in (
        {"source": {"dataset": "Dataset/set"}, "to": {"path": "gs://bucket/out"}},
        {"source": {"dataset": "Dataset/set"}, "to": {"providerDataset": "set"}},
    ):
        (opinion,) = adapter.check(world.target("Export", "copy", **spec))
        assert opinion.severity is Severity.ERROR
        assert "a folder or s3://" in opinion.hint


def test_a_series_of_a_lost_state_is_taken_over_and_goes_on(
    world: LocalWorld, lake: Resolved
) -> None:
    for ratio in (0.5, 1.0):
        succeeded(world.made(world.dataset(lake, sampling={"ratio": ratio})))
    after = LocalWorld(world.folder, environ=world.environ, lineage="lineage-2", keys=10)
    target, adapter = after.dataset(lake), after.adapter("Dataset")
    with pytest.raises(PermanentError, match="belongs to lineage-1"):
        after.made(target)
    (found,) = adapter.find(target)
    assert found.external_id == "set@v2"
    succeeded(adapter.adopt(target, found, "key"))
    assert adapter.observe(target, None) == adapter.observe(target, "set@v2")
    assert succeeded(after.made(target)).external_id == "set@v3"


def test_deleting_a_dataset_takes_all_its_versions_and_no_number_comes_back(
    world: LocalWorld, lake: Resolved
) -> None:
    target, adapter = world.dataset(lake), world.adapter("Dataset")
    for _ in range(2):
        made = succeeded(world.made(target))
    found = adapter.observe(target, made.external_id)
    for _ in range(2):
        succeeded(adapter.delete(target, found, "key"))
    assert Catalog(world.provider.datasets).versions("set") == ()
    assert succeeded(world.made(target)).external_id == "set@v3"


def test_no_secret_and_no_text_of_a_call_is_in_a_job(world: LocalWorld, lake: Resolved) -> None:
    succeeded(world.made(world.dataset(lake)))
    state = world.folder / ".loopwright/default"
    written = [path.read_bytes() for path in state.rglob("jobs/*/*") if path.is_file()]
    assert len(written) >= 8
    for data in written:
        assert SECRET.encode() not in data
        assert b"question" not in data
