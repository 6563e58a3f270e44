"""Answers of batches that were asked for calls: a line is about the call that it is named by."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from loopwright.disk import Disk
from loopwright.providers.local.batch_output import batches_of
from loopwright.providers.local.erasing_lines import identifier, lines
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt
from loopwright.providers.local.replacing import digests


def lines_by_batch(places: Places, call_ids: Collection[str]) -> Mapping[str, int]:
    """How many lines of each batch are about these calls, by its external id; where there are."""
    gone = set(call_ids)
    counts = {
        receipt.external_id: sum(
            identifier(line, "custom_id") in gone
            for path in _files(places, receipt)
            for line in lines(path)
        )
        for receipt in batches_of(places).all()
    }
    return {name: count for name, count in counts.items() if count}


def erase_batches(places: Places, call_ids: Collection[str]) -> None:
    """Take the lines of these calls out of every batch. Safe to repeat."""
    gone, receipts = set(call_ids), batches_of(places)
    for receipt in receipts.all():
        touched = [
            path
            for path in _files(places, receipt)
            if any(identifier(line, "custom_id") in gone for line in lines(path))
        ]
        for path in touched:
            with Disk().staged(path) as handle:
                handle.writelines(
                    line for line in lines(path) if identifier(line, "custom_id") not in gone
                )
        if touched:
            files = digests(places.path(receipt.place))
            receipts.put(replace(receipt, facts={**receipt.facts, "files": files}))


def unfinished_batches(places: Places) -> Iterator[Path]:
    """Folders with answers of batches that did not end: they go whole, and are asked for again."""
    for journal in places.unfinished.glob("*/*/journal.jsonl"):
        yield journal.parent


def _files(places: Places, receipt: Receipt) -> Iterator[Path]:
    folder = places.path(receipt.place)
    return (path for name in receipt.facts["files"] if (path := folder / name).is_file())
