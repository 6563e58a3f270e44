"""The whole state as one JSON value, for `state show --json` and for people who look."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from loopwright.state.store import StateReader

EXPORT_VERSION = 1


def export_state(reader: StateReader) -> dict[str, Any]:
    """Lineage, serial, lease and every record, sorted by address; JSON as it is."""
    held = reader.lease()
    serial = reader.serial
    records = reader.records()
    return {
        "version": EXPORT_VERSION,
        "lineage": reader.lineage,
        "serial": serial,
        "lease": asdict(held) if held else None,
        "records": [records[address].to_json() for address in sorted(records)],
    }
