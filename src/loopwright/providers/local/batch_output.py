"""Where a batch puts its answers and its errors, and how it knows them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.errors import InferenceError
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, Receipts
from loopwright.providers.local.replacing import digests, is_free, is_ours, made_way

if TYPE_CHECKING:
    from loopwright.inference.batch import Batch

OUTPUT = "output.jsonl"
ERRORS = "errors.jsonl"


def batches_of(places: Places) -> Receipts:
    """The finished batches of an environment, by the folder that they were put in."""
    return Receipts(places.state / "batches")


def check_place(place: str, places: Places, *, owner: str) -> None:
    """Raises InferenceError when something lies there that this resource did not put there."""
    folder, known = places.path(place), batches_of(places).get(place)
    if not is_free(folder) and not is_ours(folder, known, owner=owner):
        raise InferenceError(
            f"{place} holds something that this BatchInference did not put there",
            hint="name a new folder in spec.output, or empty this one",
        )


def put_files(
    batch: Batch, place: str, places: Places, *, owner: str, in_order: bool
) -> dict[str, str]:
    """Both files, whole, in place of those of an earlier run. Digest by name."""
    from loopwright.lake.exports.exporting import Part
    from loopwright.lake.exports.folders import Folder

    folder, known = places.path(place), batches_of(places).get(place)
    parts = [Part(OUTPUT, batch.answers(in_order=in_order)), Part(ERRORS, batch.errors())]
    with made_way(folder, known, owner=owner):
        Folder(folder).put(parts, beside={})
        return digests(folder)


def remove_files(receipt: Receipt, folder: Path) -> None:
    """Remove what a batch put there, and its folder when nothing else is in it."""
    from loopwright.disk import Disk

    for name in receipt.facts["files"]:
        Disk().discard(folder / name)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
