"""Numbers before money, and what a run finds in its source: pure arithmetic over the world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.providers.base import Estimate, LastRun, Range, Target
from loopwright.providers.memory.contents import Contents
from loopwright.providers.memory.kinds import TOKENS_PER_ROW, sampled

_PRICES = {
    "FineTuneJob": "trainingPerMillionTokens",
    "BatchInference": "inputPerMillionTokens",
    "EvalRun": "inputPerMillionTokens",
}

_NO_SOURCE = "what it reads is not there yet"


def population(contents: Contents, target: Target, now: float) -> int | None:
    """Calls in the lake or inference dataset that a target reads; None: there is none yet."""
    source = target.spec.get("source", {})
    if name := source.get("inferenceDataset"):
        return max(
            (
                int(export.outputs.get("rows", 0))
                for export in contents.by_kind.get("Export", {}).values()
                if export.spec["to"].get("inferenceDataset") == name
            ),
            default=None,
        )
    named = target.inputs.get("source.lake")
    lake = contents.objects.get(named.external_id) if named else None
    if lake is None:
        return None
    imported = (
        int(found.outputs.get("calls", 0))
        for found in contents.by_kind.get("CallImport", {}).values()
        if found.outputs.get("lake") == lake.id and found.status_at(now) == "succeeded"
    )
    return lake.calls + sum(imported)


def shortage(target: Target, found: int) -> str:
    """Why a dataset cannot be made yet; empty: it can."""
    wanted = target.spec.get("sampling", {}).get("count", 0)
    return f"{found:,} of {wanted:,} rows" if found < wanted else ""


def estimate(
    target: Target,
    last: LastRun | None,
    *,
    population: int | None,
    hours: float,
    prices: Mapping[str, Any],
) -> Estimate:
    """What a run would do. `hours` is what the world takes for this kind."""
    kind = target.address.kind
    if kind == "Dataset":
        return _dataset(target, last, population)
    if kind not in _PRICES:
        return Estimate(hours=Range.exact(hours)) if hours else Estimate()
    rows = _rows(target)
    if rows is None:
        is_planned = any(found.planned for found in target.inputs.values())
        return Estimate(hours=Range.exact(hours), notes=() if is_planned else (_NO_SOURCE,))
    epochs = float(target.spec.get("hyperparameters", {}).get("epochs", 1))
    tokens = _times(rows, TOKENS_PER_ROW * epochs)
    return Estimate(
        rows=rows,
        tokens=tokens,
        hours=Range.exact(hours),
        cost=_times(tokens, float(prices.get(_PRICES[kind], 0)) / 1_000_000),
        currency=str(prices.get("currency", "")),
    )


def _dataset(target: Target, last: LastRun | None, population: int | None) -> Estimate:
    if population is None:
        return Estimate(notes=(_NO_SOURCE,))
    rows = sampled(target.spec.get("sampling", {}), population)
    before = int(last.outputs.get("population", 0)) if last else None
    return Estimate(
        rows=Range.exact(rows),
        population=Range.exact(population),
        tokens=Range.exact(rows * TOKENS_PER_ROW),
        new_calls=None if before is None else max(0, population - before),
        waiting=shortage(target, population),
    )


def _times(found: Range, factor: float) -> Range:
    return Range(found.likely * factor, found.low * factor, found.high * factor)


def _rows(target: Target) -> Range | None:
    """Rows of the dataset that feeds a run, as planned where it is to be made; None before it is
    known; 100 where a file feeds it."""
    found = target.inputs.get("dataset") or target.inputs.get("input.dataset")
    if found is None:
        return Range.exact(100)
    if found.planned is not None:
        return found.planned.rows
    return Range.exact(int(found.outputs["trainRows"])) if "trainRows" in found.outputs else None
