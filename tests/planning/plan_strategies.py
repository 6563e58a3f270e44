"""Any plan, valid or odd: the renderers must hold their promises for all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from loopwright.planning.change import Action, Change, Drift, DriftClass, Obstacle, Unknown
from loopwright.planning.plan import Caution, Envelope, Header, Plan, Quiet, Selection, Totals
from loopwright.providers.base import Estimate, FieldChange, Range
from loopwright.resources.address import Address

texts = st.text(max_size=60) | st.sampled_from(
    [
        "new",
        "84.2 >= 80",
        "供应商故障：已停用（李）",
        "a|b`c`<img>",
        "x" * 90,
        "\x1b[31m红",
    ]
)
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
addresses = st.builds(
    Address,
    st.sampled_from(["Lake", "Endpoint", "Dataset", "FineTuneJob"]),
    names | st.sampled_from(["客服路由-生产", "智能客服"]),
)
numbers = st.integers(0, 2**53) | st.floats(0, 1e12, allow_nan=False)
ranges = st.builds(
    lambda values: Range(values[1], values[0], values[2]),
    st.lists(numbers, min_size=3, max_size=3).map(sorted),
)
unknowns = st.builds(Unknown, addresses.map(str), texts)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | texts
keys = st.sampled_from(["model", "env", "file", "$unknown", "$", "客服", "by", "note"]) | texts


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)


values = st.recursive(scalars | unknowns, _nested, max_leaves=6)
specs = st.dictionaries(keys, values, max_size=4)
fields = st.builds(FieldChange, texts, values, values, forces_replace=st.booleans())


def some(of: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


estimates = st.builds(
    Estimate,
    rows=st.none() | ranges,
    population=st.none() | ranges,
    tokens=st.none() | ranges,
    steps=st.none() | ranges,
    hours=st.none() | st.builds(Range.exact, st.floats(0, 1e5)),
    cost=st.none() | ranges,
    currency=st.sampled_from(["", "CNY", "USD", "SEK"]),
    dropped=st.dictionaries(texts, ranges, max_size=6),
    new_calls=st.none() | st.integers(0, 10**9),
    waiting=texts,
    notes=some(texts),
)
changes = st.builds(
    Change,
    addresses,
    st.sampled_from(Action),
    stage=st.integers(1, 4),
    reason=texts,
    fields=some(fields, 6),
    after=some(addresses, 4),
    obstacle=st.sampled_from(Obstacle),
    revision=st.sampled_from(["", "v8"]),
    estimate=st.none() | estimates,
    provider=texts,
    in_world=st.booleans(),
    fingerprint=texts,
    desired=specs,
    external_id=texts,
    manual_steps=some(texts),
    keeps_remote=st.booleans(),
    moved_from=st.none() | addresses,
    attempt=st.integers(1, 5),
    origin=texts,
    if_passed=texts,
    if_refused=texts,
)
plans = st.builds(
    Plan,
    header=st.builds(
        Header,
        texts,
        texts,
        st.integers(0, 10**6),
        texts,
        some(texts),
        texts,
        texts,
        st.integers(0, 10**6),
    ),
    changes=some(changes, 4),
    drift=some(
        st.builds(Drift, addresses, st.sampled_from(DriftClass), texts, values, values, texts)
    ),
    quiet=some(st.builds(Quiet, addresses, texts), 4),
    cautions=some(st.builds(Caution, texts, texts, texts)),
    totals=st.builds(Totals, st.none() | ranges, st.just("CNY"), rows=st.none() | ranges),
    envelope=st.builds(Envelope, cost=st.none() | numbers, rows=st.none() | st.integers(0, 9)),
    selection=st.builds(
        Selection, some(texts), some(texts), some(texts), st.booleans(), st.booleans()
    ),
    variables=st.dictionaries(keys, texts, max_size=2),
    world=st.dictionaries(keys, texts, max_size=2),
)
