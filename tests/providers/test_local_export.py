"""Exports of the local provider: queries, templates and versions, to each of its destinations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.errors import PermanentError
from loopwright.lake.exports.objects import ObjectStore
from loopwright.lake.keys import Role
from loopwright.providers.base import Estimate, OperationStatus, Range, Resolved, Severity, Target
from loopwright.providers.local.connection import Connection
from loopwright.providers.local.lake_place import lake_arguments, open_lake
from loopwright.providers.local.object_store import StoreAccess
from loopwright.providers.local.tasks import export as task
from support.local_worlds import (
    LocalWorld,
    do_jobs_inline,
    line,
    resolved,
    succeeded,
    write_lines,
)
from support.object_stores import object_store_url

QUERY = "SELECT call_id, request FROM calls WHERE endpoint = 'chat' ORDER BY ts"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalWorld:
    do_jobs_inline(monkeypatch)
    return LocalWorld(tmp_path)


@pytest.fixture
def lake(world: LocalWorld) -> Resolved:
    """Twenty calls, every fourth of another endpoint."""
    calls = [line(n) | {"endpoint": "other" if n % 4 == 0 else "chat"} for n in range(20)]
    write_lines(world.folder / "calls.jsonl", calls)
    lake = world.lake()
    world.imported(lake, "calls.jsonl")
    return lake


def export(world: LocalWorld, lake: Resolved, to: dict[str, str], **spec: Any) -> Target:
    source = {"query": QUERY} | spec.pop("source", {})
    if "template" in source:
        source.pop("query")
    return world.target(
        "Export",
        "errors",
        inputs={"source.lake": lake},
        source={**source, "lake": "main"},
        to=to,
        **spec,
    )


def rows(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(row) for row in path.read_bytes().splitlines()]


def estimate(world: LocalWorld, target: Target) -> Estimate:
    found = world.adapter("Export").estimate(target, None)
    assert isinstance(found, Estimate)
    return found


def test_what_a_query_finds_goes_to_a_folder_as_lines(world: LocalWorld, lake: Resolved) -> None:
    made = succeeded(world.made(export(world, lake, {"path": "out"})))
    assert made.message == "15 rows in 1 file to out"
    found = rows(world.folder / "out/errors.jsonl")
    assert [sorted(row) for row in found] == [["call_id", "request"]] * 15
    target = export(world, lake, {"path": "less"}, fields=["call_id"])
    succeeded(world.made(target))
    assert rows(world.folder / "less/errors.jsonl") == [{"call_id": r["call_id"]} for r in found]
    wrong = world.made(export(world, lake, {"path": "no"}, fields=["modle"]))
    assert "the result of the query has no column modle; it has call_id, request" in wrong.message
    assert not (world.folder / "no").exists()


def test_a_template_is_exported_with_its_parameters(world: LocalWorld, lake: Resolved) -> None:
    source = {"template": "volume-by-day", "parameters": {"endpoint": "other"}}
    target = export(world, lake, {"path": "days"}, source=source)
    assert estimate(world, target).rows == Range.exact(1)
    succeeded(world.made(target))
    (day,) = rows(world.folder / "days/errors.jsonl")
    assert (day["endpoint"], day["calls"]) == ("other", 5)
    adapter = world.adapter("Export")
    for wrong, told in (
        ({"template": "volume-by-dya"}, "there is no template 'volume-by-dya'"),
        ({"template": "error-rate", "parameters": {"x": 1}}, "has no parameter x"),
    ):
        (opinion,) = adapter.check(export(world, lake, {"path": "o"}, source=wrong))
        assert told in opinion.message


def test_rows_are_counted_beforehand_unless_that_would_open_text(
    world: LocalWorld, lake: Resolved
) -> None:
    into_set = export(world, lake, {"inferenceDataset": "chats"})
    assert estimate(world, into_set).rows == Range.exact(15)
    opened = open_lake("main", lake.outputs["masterKey"], world.provider.places, role=Role.READER)
    to_path = estimate(world, export(world, lake, {"path": "out"}))
    assert to_path.rows == Range.exact(15)  # counting reads no column that it does not need
    text = {"query": "SELECT call_id FROM calls WHERE request LIKE '%question 1%'"}
    unknown = estimate(world, export(world, lake, {"path": "out"}, source=text))
    assert (unknown.rows, unknown.notes) == (None, ("without an estimate: its query reads text",))
    assert opened.audit.openings() == []
    for query, told in (
        ("SELECT model FROM calls", "has no column call_id"),
        ("SELECT nope FROM calls", "cannot be run"),
    ):
        wrong = export(world, lake, {"inferenceDataset": "x"}, source={"query": query})
        with pytest.raises(PermanentError, match=told):
            estimate(world, wrong)
        (opinion,) = world.adapter("Export").check(wrong)
        assert opinion.severity is Severity.ERROR
        assert told in opinion.message
    (opinion,) = world.adapter("Export").check(
        export(world, lake, {"inferenceDataset": "x"}, fields=["reqest"])
    )
    assert opinion.message == "what it exports has no field reqest"
    for sound in (into_set, export(world, lake, {"path": "out"}, source=text)):
        assert list(world.adapter("Export").check(sound)) == []
    assert opened.audit.openings() == []


def test_a_query_becomes_an_inference_dataset_that_is_read_like_a_lake(
    world: LocalWorld, lake: Resolved
) -> None:
    target = export(world, lake, {"inferenceDataset": "chats"})
    made = succeeded(world.made(target))
    assert made.message == "15 calls to the inference dataset chats"
    chats = replace(resolved(target, made), address=target.address)
    named = lake_arguments(chats)
    copy = open_lake(named["storage"], named["key"], world.provider.places, role=Role.STANDARD)
    assert copy.status().calls == 15
    # As the source of a dataset,
    dataset = world.target(
        "Dataset",
        "sft",
        inputs={"source.inferenceDataset": chats},
        source={"inferenceDataset": "chats"},
    )
    assert succeeded(world.made(dataset)).outputs["rows"] == 15
    # and of a further export, whole.
    whole = world.target(
        "Export",
        "copy",
        inputs={"source.inferenceDataset": chats},
        source={"inferenceDataset": "chats"},
        to={"path": "whole"},
    )
    assert estimate(world, whole).rows == Range.exact(15)
    succeeded(world.made(whole))
    found = rows(world.folder / "whole/chats.jsonl")
    assert len(found) == 15
    assert {"ts", "call_id", "request", "response"} <= found[0].keys()
    assert found[0]["ts"].endswith("Z")


def test_a_later_revision_takes_the_place_of_the_earlier(world: LocalWorld, lake: Resolved) -> None:
    target = export(world, lake, {"inferenceDataset": "chats"})
    first = succeeded(world.made(target))
    again = succeeded(world.made(replace(target, revision=2)))
    assert again.outputs["digest"] == first.outputs["digest"]
    assert again.outputs["id"] != first.outputs["id"]
    adapter = world.adapter("Export")
    assert adapter.observe(target, first.external_id) is None
    assert adapter.observe(target, again.external_id) is not None
    other = replace(target, owner="lineage-1/Export/other")
    refused = world.made(other)
    assert refused.status is OperationStatus.FAILED
    assert "already holds something else" in refused.message
    adapter.delete(target, adapter.observe(target, again.external_id), "key")
    assert adapter.observe(target, None) is None
    assert list((world.folder / ".loopwright/default/inference").iterdir()) == []


def test_the_calls_of_a_version_become_an_inference_dataset(
    world: LocalWorld, lake: Resolved
) -> None:
    dataset = resolved(world.dataset(lake), world.made(world.dataset(lake)))
    target = world.target(
        "Export",
        "set",
        inputs={"source.dataset": dataset},
        source={"dataset": str(dataset.address)},
        to={"inferenceDataset": "taught"},
    )
    made = succeeded(world.made(target))
    assert made.outputs["rows"] == dataset.outputs["rows"] == 20


def test_text_that_a_query_failed_on_reaches_no_log(world: LocalWorld, lake: Resolved) -> None:
    query = {"query": "SELECT request::INT AS n FROM calls"}
    failed = world.made(export(world, lake, {"path": "out"}, source=query))
    assert failed.status is OperationStatus.FAILED
    assert "failed on a value that it read" in failed.message
    logs = (world.folder / ".loopwright/default/jobs").glob("*/*")
    assert not [path for path in logs if b"question" in path.read_bytes()]


def test_a_killed_export_sees_the_lake_as_its_first_attempt_did(
    world: LocalWorld, lake: Resolved, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = export(world, lake, {"path": "out"})
    with monkeypatch.context() as patched:

        def die(*arguments: Any, **options: Any) -> None:
            raise SystemExit

        patched.setattr(task, "export_rows", die)
        with pytest.raises(SystemExit):
            world.made(target, "the key")
    write_lines(world.folder / "more.jsonl", [line(n) for n in range(30, 33)])
    world.imported(lake, "more.jsonl", name="more")
    assert succeeded(world.made(target, "the key")).outputs["rows"] == 15


def test_an_inference_dataset_that_was_made_before_the_kill_is_made_once(
    world: LocalWorld, lake: Resolved, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = export(world, lake, {"inferenceDataset": "chats"})
    with monkeypatch.context() as patched:

        def die(*arguments: Any) -> None:
            raise SystemExit

        patched.setattr(task, "_remember", die)
        with pytest.raises(SystemExit):
            world.made(target, "the key")
    assert succeeded(world.made(target, "the key")).outputs["rows"] == 15
    places = (world.folder / ".loopwright/default/inference").iterdir()
    assert [path.name for path in places] == ["chats"]


@pytest.fixture
def store_url() -> Iterator[str]:
    with object_store_url() as url:
        yield url


@pytest.fixture
def stored(world: LocalWorld, store_url: str, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An object store that the provider is told of, its keys by reference."""
    settings = {"endpoint": store_url, "region": "us-east-1", "addressing": "path"}
    world.environ |= {"TOS_KEY": "test", "TOS_SECRET": "test-secret"}
    references = {"accessKey": {"env": "TOS_KEY"}, "secretKey": {"env": "TOS_SECRET"}}
    monkeypatch.setattr(StoreAccess, "of", lambda context: StoreAccess(settings, references))
    store = ObjectStore(**settings, access_key="test", secret_key="test-secret")
    store.client().create_bucket(Bucket="exports")
    return store


def test_an_export_goes_to_an_object_store_and_away(
    world: LocalWorld, lake: Resolved, stored: ObjectStore
) -> None:
    target = export(world, lake, {"path": "s3://exports/errors/"})
    made = succeeded(world.made(target))
    client = stored.client()
    mark = made.external_id.rpartition("@")[2]
    listed = client.list_objects_v2(Bucket="exports")["Contents"]
    assert [found["Key"] for found in listed] == [
        "errors/_manifest.json",
        f"errors/errors-{mark}.jsonl",
    ]
    body = client.get_object(Bucket="exports", Key=f"errors/errors-{mark}.jsonl")["Body"].read()
    assert len(body.splitlines()) == made.outputs["rows"] == 15
    adapter = world.adapter("Export")
    seen = adapter.observe(target, made.external_id)
    assert seen is not None
    state = (world.folder / ".loopwright/default").rglob("*")
    assert not [p for p in state if p.is_file() and b"test-secret" in p.read_bytes()]
    adapter.delete(target, seen, "key")
    assert "Contents" not in client.list_objects_v2(Bucket="exports")
    assert adapter.observe(target, None) is None


def test_a_version_goes_to_an_object_store_with_its_manifest(
    world: LocalWorld, lake: Resolved, stored: ObjectStore
) -> None:
    dataset = resolved(world.dataset(lake), world.made(world.dataset(lake)))
    made = succeeded(world.made(world.export(dataset, "s3://exports/set")))
    assert made.outputs["rows"] == 20
    listed = stored.client().list_objects_v2(Bucket="exports")["Contents"]
    assert [os.path.basename(found["Key"]).partition("-")[0] for found in listed] == [
        "_manifest.json",
        "manifest",
        "train",
    ]


@pytest.mark.parametrize("of", ["version", "query"])
def test_an_object_that_is_gone_is_drift_and_made_again(
    world: LocalWorld, lake: Resolved, stored: ObjectStore, of: str
) -> None:
    if of == "query":
        target = export(world, lake, {"path": f"s3://exports/drift-{of}/"})
    else:
        dataset = resolved(world.dataset(lake), world.made(world.dataset(lake)))
        target = world.export(dataset, f"s3://exports/drift-{of}")
    made = succeeded(world.made(target, "first"))
    adapter, client = world.adapter("Export"), stored.client()
    lines = next(name for name in made.outputs["files"] if name.endswith(".jsonl"))
    client.delete_object(Bucket="exports", Key=f"drift-{of}/{lines}")
    assert adapter.observe(target, made.external_id) is None
    assert adapter.observe(target, None) is None
    again = succeeded(world.made(target, "second"))
    assert again.outputs["files"] == made.outputs["files"]
    assert client.get_object(Bucket="exports", Key=f"drift-{of}/{lines}")["ContentLength"] > 0
    assert adapter.observe(target, again.external_id) is not None


def test_the_connection_says_where_the_object_store_is() -> None:
    told = {"objectStore": {"endpoint": "https://tos.example.com", "addressing": "virtual"}}
    found = Connection.model_validate(told).object_store
    assert found is not None
    assert (found.endpoint, found.region, found.addressing) == (
        "https://tos.example.com",
        None,
        "virtual",
    )
