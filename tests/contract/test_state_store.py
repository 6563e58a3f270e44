"""What every state store promises, whatever it is made of.

A new store joins by adding the way it is opened to STORES.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from loopwright.clock import Clock, FakeClock, to_text
from loopwright.errors import FencedError, StateError, StateLockedError
from loopwright.resources.address import Address
from loopwright.state.records import Record
from loopwright.state.sqlite import open_state
from loopwright.state.store import KINDS, Entry, StateReader, StateSession
from support.states import write


class State(StateReader, Protocol):
    """A reader that can become a writer."""

    def session(self, *, holder: str, command: str) -> StateSession: ...


def sqlite(folder: Path, clock: Clock) -> State:
    return open_state(folder / "default" / "state.db", clock=clock)


STORES: dict[str, Callable[[Path, Clock], State]] = {"sqlite": sqlite}
OpenAt = Callable[[Path], State]
LAKE, MODEL = Address("Lake", "calls"), Address("Model", "意图识别")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=STORES.values(), ids=STORES.keys())
def open_at(request: pytest.FixtureRequest, clock: FakeClock) -> OpenAt:
    return lambda folder: request.param(folder, clock)


@pytest.fixture
def reopen(open_at: OpenAt, tmp_path: Path) -> Callable[[], State]:
    return lambda: open_at(tmp_path)


@pytest.fixture
def session(reopen: Callable[[], State]) -> Iterator[StateSession]:
    writer = reopen().session(holder="ann@here pid 1", command="apply")
    yield writer
    writer.close()


def test_what_was_committed_is_read_by_all(
    session: StateSession, reopen: Callable[[], State]
) -> None:
    record = Record(MODEL, spec={"深": [1, 2.5, None, {"x": True}]}, dependencies=("Lake/calls",))

    serial = session.commit([Entry("intent", str(MODEL), "plan-1", {"钥": "k"})], {MODEL: record})

    for reader in (session, reopen()):
        assert reader.serial == serial == 1
        assert reader.records() == {MODEL: record}
        assert reader.record(MODEL) == record
        assert reader.record(LAKE) is None
        (line,) = reader.journal()
        assert (line.kind, line.address, line.run) == ("intent", str(MODEL), "plan-1")
        assert line.data == {"钥": "k"}


def test_a_line_gets_time_and_actor_unless_it_has_them(
    session: StateSession, clock: FakeClock
) -> None:
    clock.advance(5)
    session.commit([Entry("started"), Entry("approved", at="2025-01-01T00:00:00Z", actor="eve")])

    first, second = session.journal()

    assert (first.at, first.actor) == (to_text(clock.now()), "ann@here pid 1")
    assert (second.at, second.actor) == ("2025-01-01T00:00:00Z", "eve")
    assert (first.seq, second.seq) == (1, 2)


def test_none_drops_a_record_and_keeps_its_history(session: StateSession) -> None:
    write(session, "calls")

    session.commit([Entry("forgotten", str(LAKE))], {LAKE: None})

    assert session.records() == {}
    assert [line.kind for line in session.journal(address=str(LAKE))] == ["record", "forgotten"]


def test_records_come_in_the_order_of_their_addresses(session: StateSession) -> None:
    for name in ("b", "c", "a"):
        write(session, name)

    assert [address.name for address in session.records()] == ["a", "b", "c"]


def test_lineage_is_made_once_and_differs_between_states(
    session: StateSession, reopen: Callable[[], State], open_at: OpenAt, tmp_path: Path
) -> None:
    session.close()
    again = reopen().session(holder="bob", command="apply")
    again.close()
    other = open_at(tmp_path / "other").session(holder="ann", command="apply")
    other.close()

    assert session.lineage == again.lineage == reopen().lineage
    assert other.lineage not in {"", session.lineage}


@pytest.mark.parametrize(
    "unfit",
    [
        {"value": object()},
        {"value": 2**70},
        {"value": "\ud800"},
        {1: "a key that is no text"},
    ],
    ids=["object", "large", "surrogate", "key"],
)
def test_a_value_that_is_not_json_is_refused_and_nothing_is_written(
    session: StateSession, unfit: dict[Any, Any]
) -> None:
    with pytest.raises(StateError, match="Lake/calls"):
        session.commit([Entry("record", str(LAKE))], {LAKE: Record(LAKE, spec=unfit)})
    with pytest.raises(StateError, match="Lake/calls"):
        session.commit([Entry("record", str(LAKE), data=unfit)])

    assert (session.serial, session.records(), list(session.journal())) == (0, {}, [])


def test_an_unknown_kind_of_line_is_refused(session: StateSession) -> None:
    with pytest.raises(ValueError, match="'verdikt'"):
        session.commit([Entry("verdikt")])


def test_the_lock_has_one_holder_who_is_shown_until_it_is_given_back(
    session: StateSession, reopen: Callable[[], State]
) -> None:
    held = reopen().lease()
    assert held
    assert (held.holder, held.command) == ("ann@here pid 1", "apply")
    with pytest.raises(StateLockedError):
        reopen().session(holder="bob", command="watch")

    session.close()

    assert reopen().lease() is None
    with pytest.raises(StateError):
        session.commit([Entry("started")])


def test_a_writer_whose_lock_was_taken_over_writes_nothing_more(
    session: StateSession, reopen: Callable[[], State], clock: FakeClock
) -> None:
    clock.advance(3600)
    successor = reopen().session(holder="bob", command="watch")

    with pytest.raises(FencedError, match="bob"):
        write(session, "calls")
    successor.close()

    assert reopen().records() == {}


LINES = [
    Entry(KINDS[n % len(KINDS)], address=f"Lake/{n % 3}", run=f"plan-{n % 4}", data={"n": n})
    for n in range(1200)
]


@pytest.mark.parametrize("address", [None, "Lake/1"])
@pytest.mark.parametrize("run", [None, "plan-2", "never"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_the_journal_is_filtered_and_ordered(
    session: StateSession, address: str | None, run: str | None, newest_first: bool
) -> None:
    session.commit(LINES)
    for after, limit in [(0, None), (0, 7), (700, None), (1190, 3), (5000, None), (0, 0)]:
        expected = [
            line.data["n"]
            for line in LINES
            if line.data["n"] >= after
            and address in (None, line.address)
            and run in (None, line.run)
        ]
        if newest_first:
            expected.reverse()

        found = session.journal(
            address=address, run=run, after=after, newest_first=newest_first, limit=limit
        )

        assert [line.data["n"] for line in found] == expected[:limit]


records = st.builds(
    Record,
    st.sampled_from([LAKE, MODEL, Address("Dataset", "d")]),
    external_id=st.text("ab", max_size=3),
    failures=st.integers(0, 3),
)


class Store(RuleBasedStateMachine):
    """Random commits, refusals and restarts against two plain values."""

    open_store = staticmethod(sqlite)

    @initialize()
    def start(self) -> None:
        self.clock = FakeClock()
        self.folder = tempfile.TemporaryDirectory()
        self.rows: dict[Address, Record] = {}
        self.lines: list[str] = []
        self.serial = 0
        self.begin()

    def begin(self) -> None:
        self.state = self.open_store(Path(self.folder.name), self.clock)
        self.session = self.state.session(holder="ann", command="apply")

    @rule(changes=st.lists(records, max_size=2), drops=st.booleans())
    def commit(self, changes: list[Record], drops: bool) -> None:
        new = {one.address: None if drops else one for one in changes}
        kind = "forgotten" if drops else "record"
        self.serial += 1
        serial = self.session.commit([Entry(kind, str(at)) for at in new], new)
        self.lines += [kind] * len(new)
        for address, record in new.items():
            self.rows.pop(address, None)
            if record:
                self.rows[address] = record
        assert serial == self.serial

    @rule(record=records)
    def refuse(self, record: Record) -> None:
        unfit = replace(record, spec={"value": object()})
        with pytest.raises(StateError):
            self.session.commit([Entry("record")], {record.address: unfit})

    @rule()
    def restart(self) -> None:
        self.session.close()
        self.begin()

    @rule()
    def take_over(self) -> None:
        late = self.session
        self.clock.advance(3600)
        self.begin()
        self.lines.append("lease")
        with pytest.raises(FencedError):
            late.commit([Entry("record")])
        late.close()

    @invariant()
    def all_is_as_committed(self) -> None:
        for reader in (self.session, self.state):
            assert reader.records() == self.rows
            assert [line.kind for line in reader.journal()] == self.lines
            assert reader.serial == self.serial

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.session.close()
            self.folder.cleanup()


TestSqliteAgainstModel = Store.TestCase
TestSqliteAgainstModel.settings = settings(
    max_examples=12, stateful_step_count=10, deadline=None, derandomize=True
)
