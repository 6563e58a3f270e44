"""What an erasure does to evaluations: questions drawn from a dataset are text of calls.

Which item is which call cannot be told, and models may have repeated any of it. So all text goes
from an evaluation that was drawn from such a version, and its scores stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from loopwright.evaluation.reports import html
from loopwright.evaluation.results import ItemRecord
from loopwright.evaluation.run_folder import RunFolder
from loopwright.providers.local.eval_run import CACHE, receipts_of, run_folder
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt

DRAWN = "drawnFrom"
"""Fact of a receipt: the dataset versions that questions or floors are of."""


def drawn_from(paths: Collection[str], places: Places) -> list[str]:
    """The dataset versions, `NAME@vN`, that these files of questions belong to."""
    found = set()
    for path in map(Path, paths):
        if path.is_relative_to(places.datasets):
            name, version, *_ = path.relative_to(places.datasets).parts
            found.add(f"{name}@{version}")
    return sorted(found)


def items_by_evaluation(places: Places, versions: Collection[str]) -> dict[str, int]:
    """How many items each evaluation has that was drawn from one of the versions."""
    return {
        receipt.external_id: int(receipt.outputs.get("items", 0))
        for receipt, _ in _drawn(places, versions)
    }


def erase_evaluations(places: Places, versions: Collection[str]) -> None:
    """Take all text out of them, and forget the answers that are kept. Safe to repeat."""
    for unfinished in _unfinished(places):
        shutil.rmtree(unfinished)
    for receipt, folder in reversed([*_drawn(places, versions)]):  # the newest last, as it was
        shutil.rmtree(places.evaluations / CACHE, ignore_errors=True)
        result, records = folder.load()
        blank = [_blank(record) for record in records]
        folder.write(result, blank)
        html.write(result, blank, folder.page)
        facts = {**receipt.facts, "files": folder.digests()}
        receipts_of(places).put(replace(receipt, facts=facts))


def _drawn(places: Places, versions: Collection[str]) -> Iterator[tuple[Receipt, RunFolder]]:
    for receipt in receipts_of(places).all():
        path = run_folder(places, receipt.external_id)
        if path and RunFolder(path).exists and set(versions) & set(receipt.facts.get(DRAWN, ())):
            yield receipt, RunFolder(path)


def _unfinished(places: Places) -> Iterator[Path]:
    for folder in places.evaluations.glob("*/v*"):
        if folder.is_dir() and not RunFolder(folder).exists:
            yield folder


def _blank(record: ItemRecord) -> ItemRecord:
    answers = {
        label: replace(one, text="", reason="", tool_calls=())
        for label, one in record.answers.items()
    }
    return replace(record, messages=(), expected=None, answers=answers)
