"""Finding rows by id without knowing where they lie: 8 bytes are read of every row of a table.

Whether an id may be looked up is no question here: ids are metadata.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import pyarrow.compute as pc

from loopwright.lake.columns import skey
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.store import Lake


def known_ids(
    lake: Lake, head: Head, files: Iterable[LakeFile], *, column: str, skeys: Sequence[int]
) -> set[str]:
    """The values of an id column in the rows whose call has one of the sorted `skeys`."""
    known: set[str] = set()
    for file in files:
        for table in lake.reader.picked(file, [column], skeys=skeys, cut=head.last_seq):
            known.update(table[column].to_pylist())
    return known


def let_go(lake: Lake, head: Head, call_ids: Collection[str]) -> set[str]:
    """Those of the calls whose text, or all of which, the lake's retention has taken."""
    skeys = sorted({skey(call_id) for call_id in call_ids})
    columns = ["call_id", "retain_until"]
    expired: dict[str, bool] = {}
    for file in head.calls if skeys else ():
        for table in lake.reader.picked(file, columns, skeys=skeys, cut=head.last_seq):
            gone = pc.is_valid(table["retain_until"]).to_pylist()
            expired |= zip(table["call_id"].to_pylist(), gone, strict=True)
    forgets = lake.retention.metadata is not None
    return {call_id for call_id in call_ids if expired.get(call_id, forgets)}


def endpoints_of(lake: Lake, head: Head, call_ids: Collection[str]) -> dict[str, str]:
    """Call id -> endpoint, of those calls that the lake has."""
    skeys = sorted({skey(call_id) for call_id in call_ids})
    found: dict[str, str] = {}
    for file in head.calls if skeys else ():
        for table in lake.reader.picked(file, ["call_id"], skeys=skeys, cut=head.last_seq):
            found |= dict.fromkeys(table["call_id"].to_pylist(), file.endpoint)
    return {call_id: found[call_id] for call_id in call_ids if call_id in found}
