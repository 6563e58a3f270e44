"""A record says the same before and after it was written."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from loopwright.resources.address import Address
from loopwright.state import records, schema
from loopwright.state.records import Record

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | text
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
specs = st.dictionaries(text, values, max_size=3)
digests = st.dictionaries(text, text, max_size=2)
numbers = st.integers(1, 10**6)
names = text.filter(lambda name: name and "/" not in name)


def some(part: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(part, **fields)


revisions = some(
    records.Revision,
    number=numbers,
    fingerprint=text,
    status=st.sampled_from(records.RunStatus),
    spec=specs,
    inputs=digests,
    outputs=specs,
    error=text,
    transient=st.booleans(),
)
pendings = some(
    records.Pending,
    action=text,
    key=text,
    sent=st.booleans(),
    operation=specs,
    spec=specs,
    inputs=digests,
    revision=st.none() | numbers,
)
holds = some(records.Hold, refused=text, spec=specs, revision=st.none() | numbers)
any_record = some(
    Record,
    address=some(Address, kind=names, name=names),
    external_id=text,
    spec=specs,
    outputs=specs,
    dependencies=st.lists(text, max_size=2).map(tuple),
    prevent_destroy=st.booleans(),
    revisions=st.lists(revisions, max_size=2).map(tuple),
    current=st.none() | numbers,
    generations=st.lists(
        some(records.Generation, number=numbers, fingerprint=text, spec=specs), max_size=2
    ).map(tuple),
    pending=st.none() | pendings,
    failures=st.integers(0, 9),
    conditions=st.lists(
        some(records.Condition, type=text, status=st.booleans(), reason=text), max_size=2
    ).map(tuple),
    hold=st.none() | holds,
    suspension=st.none() | some(records.Suspension, by=text, reason=text, until=text),
    accepted_drift=st.lists(
        some(records.AcceptedDrift, path=text, value=values, until=text), max_size=2
    ).map(tuple),
    promoted=specs,
    labels=digests,
)


@given(any_record)
def test_a_record_survives_its_row(record: Record) -> None:
    row = schema.record_data(record)

    assert schema.record_of(str(record.address), row) == record


@given(any_record)
def test_a_row_holds_only_what_differs_from_the_defaults(record: Record) -> None:
    found = orjson.loads(schema.record_data(record))

    assert all(found.values())
    assert Record.from_json({"address": "Lake/x"}) == Record(Address("Lake", "x"))
