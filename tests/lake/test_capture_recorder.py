"""Whatever happens on the way, every call is in the lake once, or listed with a reason."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pytest
from capture_world import NOW, CaptureWorld, SpoilableDisk, captured, hand_over, kill, let_go
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_world import MASTER, CrashError, QuickDisk, call, new_lake, table

from loopwright.clock import FakeClock
from loopwright.disk import Disk
from loopwright.errors import CaptureError, LakeError
from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.completeness import audit
from loopwright.lake.capture.keyless_log import KeylessLog
from loopwright.lake.capture.ledger import Ledger
from loopwright.lake.capture.left import left
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.capture.records import CapturedCall, Excluded, Lost, Ticket
from loopwright.lake.capture.spool import SpoolDisk
from loopwright.lake.capture.waiting import waiting
from loopwright.lake.compaction import compact
from loopwright.lake.erasing.rewriting import Treatment, rewrite
from loopwright.lake.ingest import append
from loopwright.lake.keys import MasterKey
from loopwright.lake.settings import Retention
from loopwright.lake.store import Lake

FEEDBACK = {
    "feedback_id": "f-1",
    "call_id": "call-1",
    "ts": NOW,
    "name": "helpful",
    "kind": "bool",
    "value_bool": True,
    "source": "human",
}


@pytest.fixture
def world(tmp_path: Path) -> CaptureWorld:
    return CaptureWorld(tmp_path)


def test_a_recorded_call_has_the_columns_of_its_text_its_log_and_its_gateway(
    world: CaptureWorld,
) -> None:
    log = world.log("gw-1")
    log.record(captured(log.accept("chat", call_id="one", ts=NOW), latency_ms=17))
    log.close()
    world.record_all()
    columns = ["call_id", "endpoint", "gateway_id", "gateway_seq", "latency_ms", "n_messages"]
    (row,) = table(world.lake.snapshot(), [*columns, "subject_key", "operation"]).to_pylist()
    subject = world.lake.hash_keys.subject_key("somebody@example.com")
    assert list(row.values()) == ["one", "chat", "gw-1", 1, 17, 1, subject, "chat"]


def test_feedback_goes_the_same_way(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    log.feedback(FEEDBACK)
    log.feedback({"feedback_id": "without the rest"})
    log.close()
    assert world.recorder.step().feedback == 1
    (batch,) = world.lake.snapshot().feedback(["feedback_id", "endpoint"])
    assert batch.to_pylist() == [{"feedback_id": "f-1", "endpoint": "chat"}]


def test_of_a_living_gateway_only_what_it_let_go_is_taken(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    let_go(log)
    running = log.accept("chat", call_id="running", ts=NOW)
    assert world.recorder.step().recorded == 1
    (told,) = world.audit().endpoints
    assert (set(told.in_lake), set(told.pending)) == ({1}, {2})
    log.record(captured(running))
    log.close()
    world.record_all()
    (told,) = world.audit().endpoints
    assert (set(told.in_lake), set(told.pending)) == ({1, 2}, set())
    assert not list(world.spool.glob("*/"))


def test_calls_that_ran_when_their_gateway_died_are_listed_as_killed(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    log.accept("chat", call_id="running", ts=NOW)
    log.exclude(log.accept("chat", call_id="excluded", ts=NOW), Excluded.RATE)
    kill(log, world.disk)
    world.record_all()
    (told,) = world.audit().endpoints
    assert (set(told.in_lake), set(told.lost["killed"])) == ({1}, {2})
    assert set(told.excluded["rate"]) == {3}
    assert world.audit().findings == ()


def test_a_kill_while_the_disk_is_full_leaves_no_call_untold(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    world.disk.full = True
    for _ in range(3):
        with pytest.raises(CaptureError):
            log.accept("chat", call_id="refused", ts=NOW)
    kill(log, world.disk)
    world.disk.full = False
    world.record_all()
    (told,) = world.audit().endpoints
    assert (set(told.in_lake), set(told.lost["disk"])) == ({1}, {2, 3, 4})
    assert world.audit().findings == ()


def test_a_call_that_is_no_row_is_lost_alone_and_holds_up_nobody(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    bad = log.accept("chat", call_id="bad", ts=NOW)
    log.record(captured(bad, no_such_column=1))
    hand_over(log, 3)
    log.close()
    world.record_all()
    assert world.calls() == ["call-1", "call-3"]
    (told,) = world.audit().endpoints
    assert set(told.lost["defect"]) == {2}
    assert world.audit().findings == ()


def test_bodies_that_are_no_json_are_recorded_as_text(world: CaptureWorld) -> None:
    log = world.log()
    ticket = log.accept("chat", call_id="odd", ts=NOW)
    log.record(
        CapturedCall(
            ticket=ticket, request=b"\xff{", response=b"", columns={"ts": NOW, "outcome": "ok"}
        )
    )
    log.close()
    world.record_all()
    assert world.calls() == ["odd"]


def test_a_lake_that_is_away_keeps_its_log_and_is_tried_again_later(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    log.close()
    away, clock, tried = [True], FakeClock(), []

    def open_lake(name: str) -> Lake:
        tried.append(name)
        if away[0]:
            raise LakeError("the lake is away")
        return world.lake

    recorder = Recorder(world.folder / "spool", open_lake, clock=clock)
    for _ in range(3):
        assert recorder.step().problems == {"main": "the lake is away"}
    assert tried == ["main"]
    clock.advance(1)
    assert recorder.step().problems
    away[0] = False
    assert recorder.step().problems
    clock.advance(2)
    assert recorder.step().recorded == 1
    assert world.audit().findings == ()


def test_a_lake_whose_disk_is_not_mounted_keeps_its_log(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    log.close()
    world.recorder.step()
    log = world.log()
    log.exclude(log.accept("chat", call_id="out", ts=NOW), Excluded.RATE)
    let_go(log)
    root, aside = world.lake.root, world.folder / "aside"
    root.rename(aside)
    root.mkdir()
    assert "no lake" in world.recorder.step().problems["main"]
    assert list(root.iterdir()) == []
    root.rmdir()
    aside.rename(root)
    log.close()
    Recorder(world.folder / "spool", lambda name: world.lake).step()
    assert world.audit().findings == ()
    assert [set(one.excluded.get("rate", ())) for one in world.audit().endpoints] == [set(), {1}]


def test_calls_without_a_key_to_seal_them_are_numbered_and_listed(world: CaptureWorld) -> None:
    log = KeylessLog.without_key(world.spool, gateway_id="keyless")
    for _ in range(3):
        with pytest.raises(CaptureError) as refusal:
            log.accept("chat", call_id="x", ts=NOW)
        assert refusal.value.reason is Lost.LAKE
    assert log.stats().lost == {"lake": 3}
    log.commit().result()
    world.record_all()
    assert world.audit().findings == ()
    log.close()
    world.record_all()
    (told,) = world.audit().endpoints
    assert (set(told.accepted), set(told.lost["lake"])) == ({1, 2, 3}, {1, 2, 3})
    assert world.audit().findings == ()


def test_calls_of_a_lake_that_was_replaced_hold_up_nobody_and_wait_for_it(
    world: CaptureWorld,
) -> None:
    old, living = world.log(), world.log("living", disk=SpoolDisk())
    kept = hand_over(old, 1, 2)
    hand_over(old, 3)
    kill(old, world.disk)
    kept += ["call-3", *hand_over(living, 4)]
    let_go(living)
    first, world.lake = world.lake, new_lake(world.folder / "another", disk=QuickDisk())
    new = world.log("new", disk=SpoolDisk())
    hand_over(new, 5)
    let_go(new)
    world.recorder = Recorder(world.folder / "spool", lambda name: world.lake)
    world.record_all()
    assert world.calls() == ["call-5"]
    assert [one.calls for one in left(world.spool)] == [3, 1]
    assert {one.lake_id for one in left(world.spool)} == {first.lake_id}
    assert not waiting(world.spool)
    found = world.audit()
    assert ([one.gateway_id for one in found.endpoints], found.findings) == (["new"], ())

    living.close()
    new.close()
    world.record_all()
    assert [path.name for path in world.spool.iterdir() if path.is_dir()] == []
    world.lake = first
    world.recorder = Recorder(world.folder / "spool", lambda name: world.lake)
    world.record_all()
    assert (sorted(world.calls()), list(left(world.spool))) == (sorted(kept), [])
    assert world.audit().findings == ()


def test_a_wrong_master_key_keeps_the_log_and_is_told(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    log.close()
    wrong = MasterKey(b"\x01" * 32)
    recorder = Recorder(
        world.folder / "spool", lambda name: Lake.open(world.lake.root, master=wrong)
    )
    assert "wrong master key" in recorder.step().problems["main"]
    world.record_all()
    assert world.calls() == ["call-1"]


def test_two_gateways_and_two_recorders_share_a_lake(world: CaptureWorld) -> None:
    logs = [world.log("a"), world.log("b", disk=SpoolDisk())]
    for place, log in enumerate(logs):
        hand_over(log, *range(place * 10, place * 10 + 5))
        let_go(log)
    other = Recorder(world.folder / "spool", lambda name: world.lake)
    assert world.recorder.step().recorded + other.step().recorded == 10
    for log in logs:
        log.close()
    other.step()
    assert len(set(world.calls())) == 10
    assert world.audit().findings == ()
    assert [one.gateway_id for one in world.audit().endpoints] == ["a", "b"]


def test_clocks_that_go_backwards_and_compaction_leave_the_account_clean(
    world: CaptureWorld,
) -> None:
    log = world.log()
    for number, back in enumerate((0, 3, -5, 1)):
        ticket = log.accept("chat", call_id=f"c{number}", ts=NOW)
        log.record(captured(ticket, ts=NOW - back * 86_400_000_000))
        let_go(log)
        world.record_all()
    append(world.lake, [])
    compact(world.lake)
    log.close()
    world.record_all()
    assert sorted(world.calls()) == ["c0", "c1", "c2", "c3"]
    assert world.audit().findings == ()


def test_many_small_files_of_a_day_are_merged(tmp_path: Path) -> None:
    world, clock = CaptureWorld(tmp_path), FakeClock()
    recorder = Recorder(world.folder / "spool", lambda name: world.lake, clock=clock)
    log = world.log()
    for number in range(17):
        hand_over(log, number)
        let_go(log)
        recorder.step()
    assert world.lake.status().files == 17
    clock.advance(31)
    hand_over(log, 17)
    let_go(log)
    recorder.step()
    assert world.lake.status().files == 1
    log.close()


def test_a_recorder_that_dies_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    template = _spoiled_world(tmp_path / "template")
    undisturbed = _copied(template, tmp_path / "undisturbed")
    _recorded(undisturbed, QuickDisk(), SpoolDisk())
    wanted = _portrait(undisturbed)
    for die_at in count(1):
        place = _copied(template, tmp_path / str(die_at))
        steps = _Steps(die_at)
        try:
            _recorded(place, _DyingDisk(steps), _DyingSpoolDisk(steps))
        except CrashError:
            _recorded(place, QuickDisk(), SpoolDisk())
            assert _portrait(place) == wanted, die_at
            shutil.rmtree(place)
        else:
            assert die_at > 40
            return


def test_power_cuts_are_told_from_kills(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    log.commit().result(timeout=60)
    log.accept("chat", call_id="durable marker", ts=NOW)
    log.commit().result(timeout=60)
    hand_over(log, 3)
    kill(log, world.disk)
    world.disk.cut_power(world.spool, torn=0.0)
    world.record_all()
    found = world.audit()
    assert found.findings == ()
    (told,) = found.endpoints
    assert (set(told.in_lake), set(told.lost["power"])) == ({1}, {2})
    assert any("commit interval" in note for note in found.notes)


def test_a_segment_that_was_taken_away_is_found_and_its_calls_are_listed(
    world: CaptureWorld,
) -> None:
    log = world.log()
    for number in (1, 2, 3):
        hand_over(log, number)
        let_go(log)
    log.close()
    world.segments()[1].unlink()
    world.record_all()
    found = world.audit()
    (told,) = found.endpoints
    assert (set(told.in_lake), set(told.lost["disk"])) == ({1, 3}, {2})
    assert found.findings == ("gateway gw: segment 2 of its log is missing",)


def test_a_log_that_was_taken_away_whole_is_found(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    log.close()
    shutil.rmtree(world.spool / "gw")
    world.record_all()
    assert "its log is gone" in world.audit().findings[0]


def test_rows_that_the_ledger_does_not_know_and_rows_that_are_gone_are_found(
    world: CaptureWorld,
) -> None:
    log = world.log()
    hand_over(log, 1, 2)
    log.close()
    world.record_all()
    row = call(50, gateway_id="gw", gateway_seq=9, endpoint="chat")
    append(world.lake, [row])
    (finding,) = world.audit().findings
    assert "knows nothing of rows 9" in finding
    ledger = world.lake.root / "ledger" / "gw.jsonl"
    opened = ledger.read_bytes().splitlines(keepends=True)[0]
    ledger.write_bytes(opened)
    assert "rows 1-2, 9" in " ".join(world.audit().findings)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_changed_or_missing_line_of_the_ledger_is_found(world: CaptureWorld, place: int) -> None:
    log = world.log()
    hand_over(log, 1)
    log.close()
    world.record_all()
    path = world.lake.root / "ledger" / "gw.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    bent = lines[place].replace(b'"at":"2', b'"at":"3', 1)
    path.write_bytes(b"".join([*lines[:place], bent, *lines[place + 1 :]]))
    assert "was changed" in world.audit().findings[0]
    path.write_bytes(b"".join([*lines[:place], *lines[place + 1 :]]))
    assert world.audit().findings or place == 2
    path.unlink()
    assert "knows nothing of rows 1" in world.audit().findings[0]


def test_a_torn_last_line_of_the_ledger_is_written_again(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    let_go(log)
    path = world.lake.root / "ledger" / "gw.jsonl"
    with path.open("ab") as file:
        file.write(b'{"at":"2026')
    world.record_all()
    log.close()
    world.record_all()
    assert world.audit().findings == ()


def test_erased_rows_stay_accounted_for(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1, 2, 3)
    log.close()
    world.record_all()
    (file,) = world.lake.manifest.head().calls
    with world.lake.writing() as head:
        gone = Treatment(without=frozenset({"call-2"}))
        rewrite(world.lake, head, {file.partition: gone}, why="erased")
    (told,) = world.audit().endpoints
    assert (set(told.in_lake), set(told.removed["erased"])) == ({1, 3}, {2})
    assert world.audit().findings == ()


def test_what_is_past_its_time_goes_by_itself_and_stays_accounted_for(tmp_path: Path) -> None:
    clock, world = FakeClock(), CaptureWorld(tmp_path)
    new_lake(world.lake.root, retention=Retention(metadata=timedelta(days=1)))
    clock.advance(NOW / 1_000_000 - clock.now().timestamp())
    recorder = Recorder(world.folder / "spool", lambda name: world.lake, clock=clock)
    log = world.log()
    hand_over(log, 1)
    let_go(log)
    recorder.step()
    assert world.calls() == ["call-1"]
    clock.advance(3 * 86_400)
    recorder.step()
    assert world.calls() == []
    (told,) = world.audit().endpoints
    assert set(told.removed["expired"]) == {1}
    assert world.audit().findings == ()
    log.close()


def test_a_lake_of_an_older_version_is_given_the_keys_of_the_log(world: CaptureWorld) -> None:
    path = world.lake.root / "keys" / "store.json"
    store = orjson.loads(path.read_bytes())
    for kind in ("log", "ledger"):
        del store["secrets"][kind]
    path.write_bytes(orjson.dumps(store))
    world.lake = Lake.open(world.lake.root, master=MASTER)
    log = world.log()
    hand_over(log, 1)
    log.close()
    world.record_all()
    assert world.calls() == ["call-1"]
    assert world.audit().findings == ()


def test_an_audit_in_the_middle_of_traffic_is_clean(world: CaptureWorld) -> None:
    stop, log, deepest = threading.Event(), world.log(), 0
    empty_once = Recorder(world.folder / "spool", lambda name: world.lake).step

    def empty() -> None:
        while not stop.is_set():
            empty_once()
            compact(world.lake)

    thread = threading.Thread(target=empty)
    thread.start()
    try:
        for number in range(300):
            hand_over(log, number)
            if number % 10 == 9:
                log.rotate()
            if number % 15 == 14:
                found = world.audit()
                assert found.findings == ()
                assert len(found.endpoints[0].accepted) <= number + 1
                deepest = max(deepest, len(found.endpoints[0].in_lake))
    finally:
        stop.set()
        thread.join()
    log.close()
    world.record_all()
    assert world.audit().findings == ()
    assert len(set(world.calls())) == 300
    assert deepest


# What a gateway may meet, in any order.
_ENDPOINTS = st.sampled_from(["chat", "客服"])
_OPS = st.one_of(
    st.tuples(st.just("accept"), _ENDPOINTS),
    st.tuples(st.just("accept"), _ENDPOINTS),
    st.tuples(st.just("record"), st.integers(0, 5)),
    st.tuples(st.just("record"), st.integers(0, 5)),
    st.tuples(st.just("exclude"), st.integers(0, 5)),
    st.tuples(st.just("lose"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["commit", "rotate", "step", "compact", "kill", "close", "full"])),
    st.tuples(st.just("cut"), st.floats(0, 1)),
)


@settings(max_examples=60)
@given(st.lists(_OPS, max_size=40))
def test_any_life_of_a_log_ends_with_a_clean_account(
    tmp_path_factory: pytest.TempPathFactory, ops: list[tuple[Any, ...]]
) -> None:
    life = _Life(CaptureWorld(tmp_path_factory.mktemp("life")))
    try:
        for name, *arguments in ops:
            getattr(life, name)(*arguments)
            assert life.world.audit().findings == (), name
        life.close()
    finally:
        life.end()
    life.world.record_all()
    found = life.world.audit()
    assert found.findings == ()
    calls = life.world.calls()
    assert len(calls) == len(set(calls))
    assert life.delivered <= set(calls) <= life.delivered | life.perhaps
    assert not [one for one in found.endpoints if one.pending]
    if life.exact:
        assert sum(len(one.accepted) for one in found.endpoints) == life.accepted


@dataclass
class _Life:
    """A gateway that starts again whenever it was ended, and what must be true of its calls."""

    world: CaptureWorld
    log: CallLog | None = None
    running: list[Ticket] = field(default_factory=list)
    accepted: int = 0
    delivered: set[str] = field(default_factory=set)
    """Calls that must be in the lake in the end."""
    uncommitted: set[str] = field(default_factory=set)
    """Those of them that a power cut may still take."""
    perhaps: set[str] = field(default_factory=set)
    exact: bool = True
    """Whether nothing can have vanished without a trace."""

    @property
    def opened(self) -> CallLog:
        if self.log is None:
            self.log = self.world.log()
        return self.log

    def accept(self, endpoint: str) -> None:
        self.accepted += 1
        try:
            ticket = self.opened.accept(endpoint, call_id=f"call-{self.accepted}", ts=NOW)
        except CaptureError:
            return
        self.running.append(ticket)

    def record(self, place: int) -> None:
        if ticket := self._ended(place):
            try:
                self.opened.record(captured(ticket))
            except CaptureError as error:
                self.opened.lose(ticket, error.reason)
            else:
                self.delivered.add(ticket.call_id)
                self.uncommitted.add(ticket.call_id)

    def exclude(self, place: int) -> None:
        if ticket := self._ended(place):
            self.opened.exclude(ticket, Excluded.RATE)

    def lose(self, place: int) -> None:
        if ticket := self._ended(place):
            self.opened.lose(ticket, Lost.DEFECT)

    def commit(self) -> None:
        self.opened.commit().result(timeout=60)
        self.uncommitted.clear()

    def rotate(self) -> None:
        self.opened.rotate()

    def step(self) -> None:
        self.world.record_all()

    def compact(self) -> None:
        compact(self.world.lake)

    def full(self) -> None:
        """The spool's disk is full from now on, or is not any more."""
        self.world.disk.full = not self.world.disk.full

    def kill(self) -> None:
        if self.log:
            kill(self.log, self.world.disk)
            self._gone()

    def cut(self, torn: float) -> None:
        self.kill()
        self.world.disk.cut_power(self.world.spool, torn=torn)
        self.perhaps |= self.uncommitted
        self.delivered -= self.uncommitted
        self.uncommitted.clear()
        self.exact = False

    def close(self) -> None:
        if self.log:
            self.log.close()
            self._gone()

    def end(self) -> None:
        self.world.disk.full = False
        self.kill()

    def _gone(self) -> None:
        self.log = None
        self.running.clear()

    def _ended(self, place: int) -> Ticket | None:
        return self.running.pop(place % len(self.running)) if self.running else None


class _Steps:
    """Counts what is about to be written, and dies before the one numbered `die_at`."""

    def __init__(self, die_at: int) -> None:
        self.count = 0
        self._die_at = die_at

    def __call__(self) -> None:
        self.count += 1
        if self.count >= self._die_at:
            raise CrashError


class _DyingDisk(QuickDisk):
    def __init__(self, step: _Steps) -> None:
        self._step = step

    def create(self, path: Path, *, mode: int = 0o644) -> BinaryIO:
        self._step()
        return super().create(path, mode=mode)

    def open_append(self, path: Path, *, mode: int = 0o644) -> BinaryIO:
        self._step()
        return super().open_append(path, mode=mode)

    def sync_file(self, handle: BinaryIO) -> None:
        self._step()
        super().sync_file(handle)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._step()
        super().link(source, target)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)

    def make_folder(self, folder: Path) -> None:
        self._step()
        super().make_folder(folder)


class _DyingSpoolDisk(SpoolDisk):
    def __init__(self, step: _Steps) -> None:
        self._step = step

    def sync_path(self, path: Path) -> None:
        self._step()
        super().sync_path(path)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)


def _spoiled_world(folder: Path) -> Path:
    """Two gateways that ended, one of them badly, with all that a log can hold."""
    folder.mkdir()
    world = CaptureWorld(folder)
    first, second = world.log("first"), world.log("second", disk=SpoilableDisk())
    for number in (1, 2):
        hand_over(first, number)
        let_go(first)
    first.feedback(FEEDBACK)
    first.exclude(first.accept("other", call_id="out", ts=NOW), Excluded.RATE)
    first.accept("other", call_id="running", ts=NOW)
    hand_over(second, 11, 12)
    second.close()
    kill(first, world.disk)
    return folder


def _copied(template: Path, folder: Path) -> Path:
    shutil.copytree(template, folder)
    return folder


def _recorded(folder: Path, disk: Disk, spool_disk: SpoolDisk) -> None:
    recorder = Recorder(
        folder / "spool", lambda name: new_lake(folder / "lake", disk=disk), disk=spool_disk
    )
    assert not recorder.step().problems


def _portrait(folder: Path) -> Any:
    """All that may not depend on where a recorder died."""
    lake = Lake.open(folder / "lake", master=MASTER)
    ledger = Ledger(lake)
    found = audit(lake, folder / "spool" / "main")
    assert found.findings == ()
    assert lake.verify(strays=False) == []
    return (
        table(lake.snapshot(), ["call_id", "gateway_id", "gateway_seq"]).to_pylist(),
        sum(batch.num_rows for batch in lake.snapshot().feedback(["feedback_id"])),
        {name: (ledger.told(name)[1], ledger.read(name).closed) for name in ledger.gateways()},
        [path.name for path in (folder / "spool" / "main").glob("*/*")],
    )
