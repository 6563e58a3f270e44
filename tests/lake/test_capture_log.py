"""The sealed log: what was handed over is there, unreadable without the key, and not to be bent."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from capture_world import NOW, CaptureWorld, captured, hand_over, kill, let_go
from hypothesis import given
from hypothesis import strategies as st
from lake_world import MARKER, MASTER, all_bytes

from loopwright.errors import CaptureError, LakeKeyError
from loopwright.lake.capture.completeness import audit
from loopwright.lake.capture.frames import Kind, call_from_bytes, call_to_bytes, counts, read
from loopwright.lake.capture.keyless_log import KeylessLog
from loopwright.lake.capture.ledger import lake_secret
from loopwright.lake.capture.ranges import Ranges
from loopwright.lake.capture.records import CapturedCall, Excluded, Lost, Ticket
from loopwright.lake.capture.spool import SpoolDisk
from loopwright.lake.capture.waiting import waiting
from loopwright.lake.keys import MasterKey, Role
from loopwright.lake.keystore import LakeSecret
from loopwright.lake.store import Lake
from support.disks import largest_file

_NUMBERS = st.sets(st.integers(1, 60) | st.integers(1, 9_000))


@pytest.fixture
def world(tmp_path: Path) -> CaptureWorld:
    return CaptureWorld(tmp_path)


@given(_NUMBERS, _NUMBERS, st.integers(1, 9_000))
def test_ranges_are_sets_of_numbers_in_ascending_runs(
    ours: set[int], others: set[int], number: int
) -> None:
    one, two = Ranges.of(ours), Ranges.of(others)
    assert set(one | two) == ours | others
    assert set(one - two) == ours - others
    assert (number in one, len(one), one.last) == (number in ours, len(ours), max(ours, default=0))
    for found in (one, one | two, one - two):
        assert Ranges.from_json(orjson.loads(orjson.dumps(found.to_json()))) == found
        assert all(first <= last for first, last in found.runs)
        assert all(before[1] + 1 < after[0] for before, after in pairwise(found.runs))


def test_what_was_handed_over_survives_a_kill_and_is_read_back_as_it_was(
    world: CaptureWorld,
) -> None:
    log = world.log()
    ticket = log.accept("chat", call_id="one", ts=NOW)
    call = captured(ticket, config_digest=b"\x00\xff" * 8, tags={"a": "b"}, latency_ms=3)
    log.record(call)
    kill(log, world.disk)
    (path,) = world.segments()
    opened, frames = read(path.read_bytes(), lake_secret(world.lake, LakeSecret.LOG))
    kinds = list(frames)
    assert [kind for kind, _ in kinds] == [Kind.ACCEPTED, Kind.RECORD]
    assert call_from_bytes(kinds[1][1]) == call
    assert (opened.torn, opened.ended) == (False, False)


@given(st.binary(), st.binary(), st.none() | st.text(), st.dictionaries(st.text(), st.text()))
def test_any_call_is_read_back_as_it_was(
    request: bytes, response: bytes, subject: str | None, tags: dict[str, str]
) -> None:
    call = CapturedCall(
        ticket=Ticket("chat", 7, "id"),
        request=request,
        response=response,
        subject=subject,
        columns={"tags": tags, "prompt_hash": request[:16]},
    )
    try:
        content = call_to_bytes(call)
    except TypeError:  # a lone surrogate, which JSON cannot say
        return
    assert call_from_bytes(content) == call


def test_no_text_id_or_name_lies_in_the_clear(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1, endpoint="endpoint-with-a-name")
    log.feedback({"feedback_id": "f", "call_id": "call-1", "text": MARKER})
    let_go(log)
    log.close()
    for path, content in all_bytes(world.spool):
        for secret in (MARKER, "somebody@", "call-1", "endpoint-with-a-name"):
            assert secret.encode() not in content, path


def test_without_the_text_key_calls_are_counted_and_not_opened(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1, 2)
    found = waiting(world.spool)
    assert (found.calls, found.feedback, found.running_gateways) == (2, 0, 1)
    reader = Lake.open(world.lake.root, master=MASTER, role=Role.READER)
    with pytest.raises(LakeKeyError, match="may not open"):
        lake_secret(reader, LakeSecret.LOG)
    log.close()


def test_another_lakes_key_does_not_open_a_log_and_says_so(
    world: CaptureWorld, tmp_path: Path
) -> None:
    log = world.log()
    hand_over(log, 1)
    log.close()
    other = CaptureWorld(tmp_path / "other")
    with pytest.raises(LakeKeyError, match="wrong key"):
        read(world.segments()[0].read_bytes(), lake_secret(other.lake, LakeSecret.LOG))


def test_rotating_the_master_key_leaves_the_log_readable(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    fresh = MasterKey(b"\x09" * 32)
    world.lake.rotate_master(fresh)
    hand_over(log, 2)
    log.close()
    world.lake = Lake.open(world.lake.root, master=fresh, role=Role.STANDARD)
    world.record_all()
    assert world.calls() == ["call-1", "call-2"]


@pytest.mark.parametrize("at", [0.15, 0.5, 0.99])
def test_a_changed_byte_ends_what_is_believed_of_a_segment(world: CaptureWorld, at: float) -> None:
    log = world.log()
    hand_over(log, *range(6))
    log.close()
    (path,) = world.segments()
    data = bytearray(path.read_bytes())
    header = data.index(b"\n") + 1
    data[header + int((len(data) - header - 1) * at)] ^= 1
    path.write_bytes(data)
    world.record_all()
    found = world.audit()
    assert any("was not whole" in finding for finding in found.findings)
    assert len(found.endpoints[0].in_lake) + len(found.endpoints[0].lost.get("disk", ())) <= 6


def test_frames_cannot_be_left_out_swapped_or_taken_from_another_segment(
    world: CaptureWorld,
) -> None:
    log = world.log()
    hand_over(log, 1, 2, 3)
    let_go(log)
    hand_over(log, 4, 5, 6)
    log.close()
    first, second = (path.read_bytes() for path in world.segments())
    secret = lake_secret(world.lake, LakeSecret.LOG)
    begin, frames = _cut(first)
    _, foreign = _cut(second)
    for bent in (
        frames[1:],
        [*frames[:2], *frames[3:]],
        [frames[1], frames[0], *frames[2:]],
        [foreign[0], *frames[1:]],
    ):
        opened, told = read(begin + b"".join(bent), secret)
        assert len(list(told)) < 3
        assert opened.torn
        assert not opened.ended


def test_sequence_numbers_run_without_a_gap_per_endpoint(world: CaptureWorld) -> None:
    log = world.log()
    tickets = [log.accept(name, call_id="x", ts=NOW) for name in ("a", "b", "a", "a", "b")]
    assert [(one.endpoint, one.seq) for one in tickets] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("a", 3),
        ("b", 2),
    ]
    log.close()


def test_every_opening_is_a_gateway_of_its_own(world: CaptureWorld) -> None:
    first = world.log("same")
    second = world.log("same")
    first.close()
    third = world.log("same")
    assert first.gateway_id == "same"
    assert len({first.gateway_id, second.gateway_id, third.gateway_id}) == 3
    second.close()
    third.close()


def test_a_full_spool_refuses_calls_counts_them_and_takes_them_again(world: CaptureWorld) -> None:
    log = world.log(limit_bytes=6_000)
    kept: list[str] = []

    def fill() -> None:
        for number in range(40):
            kept.extend(hand_over(log, number))

    def accept_only() -> None:
        for _ in range(100):
            log.accept("chat", call_id="refused", ts=NOW)

    for until_refused in (fill, accept_only):
        with pytest.raises(CaptureError) as refusal:
            until_refused()
        assert refusal.value.reason is Lost.SPOOL_FULL
        assert refusal.value.hint
    let_go(log)
    world.record_all()
    _wait_until(lambda: log.stats().spooled_bytes < 2_000)
    kept += hand_over(log, 100)
    log.close()
    world.record_all()
    assert world.calls() == kept
    assert world.audit().findings == ()
    (told,) = world.audit().endpoints
    assert len(told.in_lake) == len(kept)
    assert len(told.lost["spool_full"]) == 1


def test_calls_lost_to_a_full_disk_are_listed_once_it_takes_writes_again(
    world: CaptureWorld,
) -> None:
    log = world.log()
    hand_over(log, 1)
    lost, excluded = (log.accept("chat", call_id=name, ts=NOW) for name in ("lost", "excluded"))
    world.disk.full = True
    with pytest.raises(CaptureError) as refusal:
        log.accept("chat", call_id="refused", ts=NOW)
    assert refusal.value.reason is Lost.DISK
    with pytest.raises(CaptureError):
        log.record(captured(lost))
    log.lose(lost, Lost.DISK)
    log.exclude(excluded, Excluded.RATE)
    world.disk.full = False
    hand_over(log, 5)
    log.close()
    world.record_all()
    (told,) = world.audit().endpoints
    assert (set(told.in_lake), set(told.lost["disk"]), set(told.excluded["rate"])) == (
        {1, 5},
        {2, 4},
        {3},
    )
    assert world.audit().findings == ()
    assert log.stats().lost == {"disk": 2}


def test_losses_that_a_full_disk_does_not_take_are_told_by_the_living_gateway(
    world: CaptureWorld,
) -> None:
    log = world.log()
    hand_over(log, 1)
    running = log.accept("chat", call_id="running", ts=NOW)
    world.disk.full = True
    for _ in range(3):
        with pytest.raises(CaptureError):
            log.accept("chat", call_id="refused", ts=NOW)
    log.lose(running, Lost.DISK)
    (told,) = world.audit().endpoints
    assert (len(told.accepted), len(told.pending)) == (5, 5), "none of them is left out"
    heard = audit(world.lake, world.spool, unwritten={"gw": log.unwritten()})
    (told,) = heard.endpoints
    assert (set(told.accepted), set(told.lost["disk"])) == ({1, 2, 3, 4, 5}, {2, 3, 4, 5})
    assert heard.findings == ()
    assert "does not take what became of 4 calls" in heard.notes[0]
    world.disk.full = False
    hand_over(log, 6)
    assert log.unwritten() == {}
    log.close()


def test_a_call_that_is_refused_when_it_cannot_be_marked_was_never_accepted(
    world: CaptureWorld,
) -> None:
    for number, log in enumerate(
        (world.log(), KeylessLog.without_key(world.spool, gateway_id="keyless"))
    ):
        world.disk.full = True
        for _ in range(3):
            with pytest.raises(CaptureError):
                log.accept("chat", call_id="refused", ts=NOW, or_refuse=True)
        world.disk.full = False
        assert (log.stats().lost, log.unwritten()) == ({}, {})
        if number == 0:
            hand_over(log, 1)
        log.close()
    world.record_all()
    (told,) = world.audit().endpoints
    assert (set(told.accepted), set(told.in_lake), told.lost) == ({1}, {1}, {})
    assert world.audit().findings == ()


def test_what_the_system_took_of_a_frame_before_it_refused_is_taken_back(
    world: CaptureWorld,
) -> None:
    log = world.log(disk=SpoolDisk())
    hand_over(log, 1)
    (path,) = world.segments()
    size = path.stat().st_size
    with largest_file(size + 100), pytest.raises(CaptureError):
        hand_over(log, 2)
    assert path.stat().st_size - size < 100
    hand_over(log, 3)
    log.close()
    world.record_all()
    assert world.calls() == ["call-1", "call-3"]
    assert world.audit().findings == ()


def test_a_commit_that_the_disk_refuses_fails_and_the_next_one_succeeds(
    world: CaptureWorld,
) -> None:
    log = world.log()
    hand_over(log, 1)
    log.commit().result(timeout=60)
    hand_over(log, 2)
    world.disk.dead = True
    with pytest.raises(CaptureError, match=os.strerror(errno.EIO)):
        log.commit().result(timeout=60)
    world.disk.dead = False
    hand_over(log, 3)
    log.commit().result(timeout=60)
    log.close()


def test_a_call_that_json_cannot_say_is_refused_as_a_defect(world: CaptureWorld) -> None:
    log = world.log()
    ticket = log.accept("chat", call_id="one", ts=NOW)
    with pytest.raises(CaptureError) as refusal:
        log.record(captured(ticket, tags=object()))
    assert refusal.value.reason is Lost.DEFECT
    log.close()


def test_a_log_tells_what_waits_in_it(world: CaptureWorld) -> None:
    log = world.log()
    assert (log.stats().queue_depth, log.stats().oldest_unflushed_seconds) == (0, 0.0)
    hand_over(log, 1, 2)
    let_go(log)
    told = log.stats()
    assert (told.queue_depth, told.delivered) == (2, 2)
    assert told.oldest_unflushed_seconds > 0
    assert told.bytes > 0
    world.record_all()
    assert log.stats().queue_depth == 0
    log.close()


def test_a_segment_is_given_to_the_recorder_by_its_age_alone(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, 1)
    _wait_until(lambda: world.segments()[0].suffix == ".log")
    world.record_all()
    assert world.calls() == ["call-1"]
    log.close()


def test_frames_are_counted_up_to_where_a_file_is_cut(world: CaptureWorld) -> None:
    log = world.log()
    hand_over(log, *range(5))
    log.close()
    data = world.segments()[0].read_bytes()
    assert counts(data)[Kind.RECORD] == 5
    assert [counts(data[:end])[Kind.RECORD] for end in (0, 10, 300)] == [0, 0, 0]


def _cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """A segment's header and its frames, as bytes."""
    start = data.index(b"\n") + 1
    header, frames = data[:start], []
    while start < len(data):
        size = 9 + int.from_bytes(data[start : start + 4], "little")
        frames.append(data[start : start + size])
        start += size
    return header, frames


def _wait_until(true: Callable[[], bool]) -> None:
    for _ in range(1200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError


def test_what_the_log_tells_of_itself_can_be_passed_on_as_json(world: CaptureWorld) -> None:
    log = world.log()
    log.exclude(log.accept("chat", call_id="one", ts=NOW), Excluded.RATE)
    log.lose(log.accept("chat", call_id="two", ts=NOW), Lost.DEFECT)
    told = log.stats()
    assert orjson.loads(orjson.dumps([told.excluded, told.lost])) == [{"rate": 1}, {"defect": 1}]
    log.close()
