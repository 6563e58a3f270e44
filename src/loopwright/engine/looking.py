"""How far what is under way is now, for whoever only looks: nothing is brought on by it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace

from loopwright.engine.ledger import operation_from_json
from loopwright.engine.pool import ProviderPool
from loopwright.engine.targets import Targets
from loopwright.errors import LoopwrightError
from loopwright.providers.base import Progress, SupportsLook
from loopwright.resources.address import Address
from loopwright.state.records import Record


def progress_now(record: Record, pool: ProviderPool, targets: Targets) -> Progress | None:
    """As its provider tells, else as a pass has written down; None where neither knows."""
    pending = record.pending
    if pending is None or not (pending.sent and pending.operation):
        return None
    operation = operation_from_json(pending.operation)
    with suppress(LoopwrightError):
        adapter = pool.adapter(record.provider, record.address.kind)
        if isinstance(adapter, SupportsLook):
            operation = adapter.look(targets.recorded(record), operation)
    return operation.progress


def with_progress(
    records: Mapping[Address, Record], pool: ProviderPool, targets: Targets
) -> dict[Address, Record]:
    """The records, and how far each takeover in steps is now: a plan tells it."""
    found = dict(records)
    for address, record in records.items():
        pending = record.pending
        if pending is None or not (pending.promotes and pending.sent and pending.operation):
            continue
        progress = progress_now(record, pool, targets)
        told = {**pending.operation, "progress": asdict(progress) if progress else None}
        found[address] = replace(record, pending=replace(pending, operation=told))
    return found
