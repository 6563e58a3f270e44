"""Exports to an object store, against an S3 that others wrote: whole, once, and only ours."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from loopwright.errors import LakeError, TransientError
from loopwright.lake.exports import objects
from loopwright.lake.exports.exporting import Part
from loopwright.lake.exports.objects import MANIFEST, ObjectStore, Prefix
from support.object_stores import object_store_url

LINES = [b'{"n":%d}' % n for n in range(1000)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store_url() as url:
        yield url


@pytest.fixture
def prefix(endpoint: str, request: pytest.FixtureRequest) -> Prefix:
    """A bucket of its own."""
    bucket = hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    store = ObjectStore(
        endpoint=endpoint,
        region="us-east-1",
        addressing="path",
        access_key="test",
        secret_key="test",
    )
    client = store.client()
    client.create_bucket(Bucket=bucket)
    return Prefix.at(f"s3://{bucket}/exports/router", store, owner="me/Export/x", mark="aaaa1111")


def put(prefix: Prefix, lines: list[bytes] = LINES) -> bool:
    return prefix.put([Part("train.jsonl", iter(lines))], beside={"manifest.json": b"{}\n"}).written


def objects_of(prefix: Prefix) -> dict[str, bytes]:
    client = prefix.store.client()
    listed = client.list_objects_v2(Bucket=prefix.bucket).get("Contents", [])
    return {
        found["Key"].removeprefix(prefix.key): client.get_object(
            Bucket=prefix.bucket, Key=found["Key"]
        )["Body"].read()
        for found in listed
    }


def test_an_export_is_its_lines_and_a_manifest_that_tells_them(prefix: Prefix) -> None:
    assert put(prefix)
    found = objects_of(prefix)
    content = b"".join(line + b"\n" for line in LINES)
    assert found["train-aaaa1111.jsonl"] == content
    assert found["manifest-aaaa1111.json"] == b"{}\n"
    files = orjson.loads(found[MANIFEST])["files"]
    assert files["train-aaaa1111.jsonl"] == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "rows": 1000,
    }
    assert sorted(found) == sorted([*files, MANIFEST])


def test_the_same_export_again_changes_nothing(prefix: Prefix) -> None:
    assert put(prefix)
    before = objects_of(prefix)
    assert not put(prefix, [b"never read"])
    assert objects_of(prefix) == before


def test_much_goes_in_several_parts(prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_PIECE_BYTES", 5 << 20)
    lines = [os.urandom(1 << 19).hex().encode() for _ in range(12)]
    assert put(prefix, lines)
    assert objects_of(prefix)["train-aaaa1111.jsonl"].splitlines() == lines


def test_a_later_export_of_the_same_owner_takes_the_place(prefix: Prefix) -> None:
    put(prefix)
    later = replace(prefix, mark="bbbb2222")
    assert put(later, LINES[:3])
    assert sorted(objects_of(prefix)) == [
        MANIFEST,
        "manifest-bbbb2222.json",
        "train-bbbb2222.jsonl",
    ]


def test_what_others_put_there_is_left_alone(prefix: Prefix) -> None:
    put(prefix)
    before = objects_of(prefix)
    other = replace(prefix, owner="you/Export/y")
    with pytest.raises(LakeError, match="an export of me/Export/x is there"):
        put(other)
    other.remove()
    assert objects_of(prefix) == before
    elsewhere = replace(prefix, key="exports/notes/")
    client = prefix.store.client()
    client.put_object(Bucket=prefix.bucket, Key="exports/notes/read.me", Body=b"mine")
    with pytest.raises(LakeError, match=r"read\.me is there, and not ours"):
        put(elsewhere)
    assert objects_of(prefix)["exports/notes/read.me"] == b"mine"


def test_of_two_at_once_one_is_first_and_the_other_says_so(prefix: Prefix) -> None:
    other = replace(prefix, owner="you/Export/y", mark="bbbb2222", key="exports/other/")

    def slowly() -> Iterator[bytes]:
        yield LINES[0]
        put(replace(other, owner="me/Export/x", mark="cccc3333"))

    with pytest.raises(LakeError, match="another export was faster"):
        other.put([Part("train.jsonl", slowly())], beside={})
    found = objects_of(other)
    assert orjson.loads(found.pop(MANIFEST))["mark"] == "cccc3333"
    ours = {"train-cccc3333.jsonl", "manifest-cccc3333.json"}
    assert set(found) == ours, "what was slower is taken back, and stands in nobody's way"


def test_an_export_that_fails_midway_takes_back_what_it_put(prefix: Prefix) -> None:
    put(prefix)
    whole = objects_of(prefix)

    def failing() -> Iterator[bytes]:
        yield LINES[0]
        raise LakeError("no more lines")

    parts = [Part("train.jsonl", iter(LINES)), Part("validation.jsonl", failing())]
    with pytest.raises(LakeError, match="no more lines"):
        replace(prefix, mark="bbbb2222").put(parts, beside={})
    assert objects_of(prefix) == whole


def test_a_second_attempt_takes_nothing_from_one_that_is_being_written(prefix: Prefix) -> None:
    def slowly() -> Iterator[bytes]:
        yield LINES[0]
        with pytest.raises(Killed):
            replace(prefix, mark="bbbb2222").put([Part("train.jsonl", killed())], beside={})

    def killed() -> Iterator[bytes]:
        yield LINES[0]
        raise Killed

    parts = [Part("train.jsonl", iter(LINES)), Part("validation.jsonl", slowly())]
    assert prefix.put(parts, beside={}).written
    assert prefix.holds()
    assert len(objects_of(prefix)) == 3


class Killed(BaseException):
    """The process ends here."""


def test_an_export_killed_at_any_request_is_there_whole_or_not_at_all(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the manifest: without it there is none. The next attempt leaves nothing behind."""
    from botocore.client import BaseClient

    original = BaseClient._make_api_call
    left = [10_000]
    calls: list[str] = []

    def dying(self: Any, name: str, parameters: Any) -> Any:
        calls.append(name)
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return original(self, name, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", dying)
    monkeypatch.setattr(objects, "_PIECE_BYTES", 5 << 20)
    lines = [b"x" * (3 << 20), b"y" * (3 << 20)]
    put(prefix, lines)
    later = replace(prefix, mark="bbbb2222")
    calls.clear()
    put(later, lines)
    steps = len(calls)
    assert "UploadPart" in calls
    later.remove()
    put(prefix, lines)
    for step in range(steps):
        left[0] = step
        with pytest.raises(Killed):
            put(later, lines)
        left[0] = 10_000
        found = later.committed()
        assert found is not None
        names = objects_of(prefix)
        assert set(found.files) <= set(names)
        if found.mark == later.mark:
            later.remove()
            for name in set(objects_of(prefix)):
                later._delete([name])
            put(prefix, lines)
    assert put(later, lines)
    assert len(objects_of(prefix)) == 3
    uploads = prefix.store.client().list_multipart_uploads(Bucket=prefix.bucket)
    assert not uploads.get("Uploads")


def test_removing_takes_all_of_ours(prefix: Prefix) -> None:
    put(prefix)
    prefix.remove()
    prefix.remove()
    assert objects_of(prefix) == {}


def test_what_may_pass_is_told_from_what_will_not(prefix: Prefix) -> None:
    gone = replace(prefix.store, endpoint="http://127.0.0.1:9")
    with pytest.raises(TransientError, match="cannot reach s3://"):
        replace(prefix, store=gone).committed()
    with pytest.raises(LakeError, match="NoSuchBucket"):
        put(replace(prefix, bucket="missing-bucket"))
    for url in ("s3://bucket", "s3://", "gs://bucket/x", "s3:///x"):
        with pytest.raises(LakeError, match="is no place for an export"):
            Prefix.at(url, prefix.store, owner="me", mark="m")


def test_an_export_with_an_object_gone_or_changed_is_written_again(prefix: Prefix) -> None:
    put(prefix)
    whole = objects_of(prefix)
    client = prefix.store.client()
    for name in ("train-aaaa1111.jsonl", "manifest-aaaa1111.json"):
        place = {"Bucket": prefix.bucket, "Key": prefix.key + name}
        client.delete_object(**place)
        assert not prefix.holds()
        assert put(prefix)
        assert (prefix.holds(), objects_of(prefix)) == (True, whole)
        for other in (b"cut", bytes(len(whole[name]))):
            client.put_object(**place, Body=other)
            assert not prefix.holds()
            assert put(prefix)
            assert (prefix.holds(), objects_of(prefix)) == (True, whole)
    assert not put(prefix)


def test_objects_of_a_manifest_without_tags_are_told_by_their_size(prefix: Prefix) -> None:
    """As those that were written before there were tags."""
    put(prefix)
    client = prefix.store.client()
    told = orjson.loads(objects_of(prefix)[MANIFEST])
    del told["tags"]
    place = {"Bucket": prefix.bucket, "Key": prefix.key + MANIFEST}
    client.put_object(**place, Body=orjson.dumps(told))
    assert prefix.holds()
    client.put_object(Bucket=prefix.bucket, Key=prefix.key + "train-aaaa1111.jsonl", Body=b"cut")
    assert not prefix.holds()
