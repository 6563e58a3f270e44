"""What an erasure can take out of exports, and what it can only name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.hashing import file_digest
from loopwright.providers.local.erasing import Copy, LocalErasing
from loopwright.providers.local.receipts import Receipt, exports_of
from support.local_worlds import LocalWorld

GONE = ["call-1", "call-3"]
LAKES = ["lake"]


@pytest.fixture
def erasing(tmp_path: Path) -> LocalErasing:
    return LocalErasing(LocalWorld(tmp_path).provider.places)


def exported(erasing: LocalErasing, place: str, **outputs: Any) -> None:
    folder = erasing.places.path(place)
    files = {path.name: file_digest(path) for path in folder.iterdir()} if folder.is_dir() else {}
    receipt = Receipt(f"{place}@1", "me", outputs=outputs, facts={"files": files}, place=place)
    exports_of(erasing.places).put(receipt)


def rows(erasing: LocalErasing, place: str, *lines: dict[str, Any]) -> Path:
    folder = erasing.places.path(place)
    folder.mkdir()
    (folder / "rows.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return folder / "rows.jsonl"


def test_exported_rows_that_say_their_call_are_taken_out(erasing: LocalErasing) -> None:
    path = rows(erasing, "out", *({"call_id": f"call-{n}", "n": n} for n in range(5)))
    exported(erasing, "out", path="out")
    assert erasing.copies(GONE, lakes=LAKES) == (Copy("export", "out@1", 2, erasable=True),)
    erasing.erase(GONE, lakes=LAKES)
    left = [orjson.loads(line)["n"] for line in path.read_bytes().splitlines()]
    assert left == [0, 2, 4]
    receipt = exports_of(erasing.places).get("out")
    assert receipt is not None
    assert receipt.facts["files"] == {"rows.jsonl": file_digest(path)}, "still known as ours"
    assert erasing.copies(GONE, lakes=LAKES) == ()


@pytest.mark.parametrize(
    ("text_of", "goes"),
    [({}, True), ({"textOf": "lake"}, True), ({"textOf": ""}, False), ({"textOf": "b"}, False)],
    ids=["an older receipt", "text of the lake", "no text", "text of another lake"],
)
def test_exported_rows_that_do_not_say_it_go_whole_where_they_may_hold_text(
    erasing: LocalErasing, text_of: dict[str, str], goes: bool
) -> None:
    path = rows(erasing, "out", {"endpoint": "chat", "calls": 3})
    exported(erasing, "out", path="out")
    receipts = exports_of(erasing.places)
    receipt = receipts.get("out")
    assert receipt is not None
    receipts.put(replace(receipt, facts={**receipt.facts, **text_of}))
    whole = Copy("export", "out@1", None, erasable=False, made_again=True)
    assert erasing.copies(GONE, lakes=LAKES) == ((whole,) if goes else ())
    erasing.erase(GONE, lakes=LAKES)
    assert (path.exists(), receipts.get("out") is not None) == (not goes, not goes)


@pytest.mark.parametrize(
    "outputs", [{}, {"dataset": "removed", "datasetVersion": 3}], ids=["a query", "a gone version"]
)
def test_an_export_elsewhere_of_which_nothing_is_known_is_named(
    erasing: LocalErasing, outputs: dict[str, Any]
) -> None:
    exported(erasing, "s3://bucket/out/", **outputs)
    (copy,) = erasing.copies(GONE, lakes=LAKES)
    assert copy == Copy("export", "s3://bucket/out/@1", None, erasable=False)


def test_an_inference_dataset_is_no_copy_but_a_lake(erasing: LocalErasing) -> None:
    exported(erasing, "mine", path="mine", masterKey={"env": "KEY"})
    assert erasing.copies(GONE, lakes=LAKES) == ()
