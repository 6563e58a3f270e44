"""What is put into a lake comes out of it, as of any cut; what was changed on disk is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_world import (
    DAY,
    MARKER,
    MASTER,
    CrashingDisk,
    all_bytes,
    call,
    calls,
    data_files,
    ids,
    new_lake,
    table,
)

from loopwright.clock import FakeClock
from loopwright.errors import LakeError, LakeIntegrityError
from loopwright.lake.columns import COLUMNS, SKEY_RING, skey
from loopwright.lake.ingest import append
from loopwright.lake.store import Lake


def test_a_call_comes_back_as_it_was_given(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    one = call(1, endpoint="对话/a b", session_id="s", input_tokens=5, prompt_hash=b"\x01" * 16)
    append(lake, [one, call(2)])
    found = table(lake.snapshot(), [*one, "skey", "seq"]).to_pylist()[0]
    assert found["tags"] == [("n", "1")]
    assert found["ts"].timestamp() == one["ts"] / 1e6
    assert (found["seq"], found["skey"]) == (1, skey("call-1"))
    for name in set(one) - {"tags", "ts"}:
        assert found[name] == one[name], name


def test_the_sampling_key_is_the_same_everywhere() -> None:
    """Pinned: a change would change every sample of every lake."""
    assert skey("call-1") == 3367762207637565601
    assert 0 <= skey("") < SKEY_RING


def test_no_byte_of_the_lake_shows_text_or_keys(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(*range(40), session_id=MARKER))
    table(lake.snapshot(), ["request"], purpose="reading")
    secrets = (MARKER.encode(), MASTER.secret, MASTER.secret.hex().encode(), b"call-1")
    for path, content in all_bytes(tmp_path):
        assert not [secret for secret in secrets if secret in content], path


def test_known_calls_are_skipped_within_a_batch_across_batches_and_days(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    assert append(lake, calls(1, 2, 1)).duplicates == 1
    again = append(lake, [call(2, ts=5 * DAY, endpoint="elsewhere"), call(3)])
    assert (again.added, again.duplicates, again.first_seq, again.last_seq) == (1, 1, 3, 3)
    assert append(lake, calls(1, 2, 3)).first_seq is None
    assert ids(lake.snapshot()) == ["call-1", "call-2", "call-3"]


def test_writers_at_the_same_time_add_every_call_once(tmp_path: Path) -> None:
    lakes = [new_lake(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        added = pool.map(
            lambda numbered: append(numbered[1], calls(*range(numbered[0], numbered[0] + 4))).added,
            enumerate(lakes),
        )
    assert sum(added) == 7
    found = table(lakes[0].snapshot(), ["seq", "call_id"])
    assert found["seq"].to_pylist() == list(range(1, 8))
    assert set(found["call_id"].to_pylist()) == {f"call-{number}" for number in range(7)}
    assert lakes[0].verify() == []


def test_a_lake_that_is_open_sees_what_others_add(tmp_path: Path) -> None:
    early = new_lake(tmp_path)
    append(new_lake(tmp_path), calls(1, 11))
    assert early.verify() == []
    assert len(early.status().key_ids) == 2
    assert len(table(early.snapshot(), ["request"])) == 2


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"colour": "red"}, "colour"),
        ({"request": None}, "no request"),
        ({"http_status": 1 << 20}, "http_status"),
        ({"endpoint": ""}, "endpoint name"),
        ({"endpoint": "对" * 200}, "endpoint name"),
    ],
)
def test_what_is_no_call_is_refused_and_leaves_nothing(
    tmp_path: Path, columns: dict[str, object], says: str
) -> None:
    lake = new_lake(tmp_path)
    with pytest.raises(LakeError, match=says):
        append(lake, [call(1), call(11) | columns])
    assert not ids(lake.snapshot())
    assert lake.verify() == []


@given(
    cuts=st.lists(st.integers(1, 60), max_size=3),
    low=st.integers(0, SKEY_RING),
    length=st.integers(0, SKEY_RING),
    through=st.integers(0, 60),
)
@settings(max_examples=30)
def test_a_scan_gives_the_rows_of_its_ranges_and_cut(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    low: int,
    length: int,
    through: int,
) -> None:
    lake = new_lake(tmp_path_factory.mktemp("lake"))
    numbers = list(range(60))
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 60], strict=True):
        append(lake, calls(*numbers[start:end]))
    snapshot = lake.snapshot(through=through)
    days = (DAY, 3 * DAY)
    found = ids(
        snapshot,
        skey_range=(low, low + length),
        ts_range=days,
        where=pc.field("model") == "m1",
    )
    assert found == [
        one["call_id"]
        for one in calls(*numbers[:through])
        if low <= skey(one["call_id"]) < low + length
        and days[0] <= one["ts"] < days[1]
        and one["model"] == "m1"
    ]


def test_a_condition_may_look_at_columns_that_are_not_asked_for(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1, 2, 3, 4))
    where = (pc.field("model") == "request") | (pc.field("seq") > 3)
    assert ids(lake.snapshot(), where=where) == ["call-4"]
    assert not lake.audit.openings()
    with pytest.raises(LakeError, match="does not fit a call"):
        lake.snapshot().scan(["seq"], where=pc.field("colour") == 1)
    with pytest.raises(LakeError, match="colour"):
        lake.snapshot().scan(["colour"])


def test_days_and_endpoints_narrow_a_scan(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1, 11, 21) + calls(2, 12, endpoint="other"))
    assert ids(lake.snapshot(), dts={"1970-01-02"}, endpoints={"other"}) == ["call-12"]


def test_take_gives_the_named_calls_in_the_order_asked(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(*range(30)))
    append(lake, calls(*range(30, 60)))
    wanted = ["call-47", "call-3", "call-29"]
    taken = lake.snapshot().take(wanted, ["request", "call_id"], purpose="looking")
    assert taken.column_names == ["request", "call_id"]
    assert taken["call_id"].to_pylist() == wanted
    assert "47" in taken["request"][0].as_py()
    with pytest.raises(LakeError, match="1 of 2 calls are not in this snapshot"):
        lake.snapshot(through=30).take(["call-1", "call-47"], ["seq"])
    assert lake.snapshot().take([], ["request"]).num_rows == 0


def test_the_watermark_follows_the_clock(tmp_path: Path) -> None:
    clock = FakeClock()
    lake = new_lake(tmp_path, clock=clock, visibility_delay=timedelta(minutes=10))
    append(lake, calls(1))
    clock.advance(300)
    append(lake, calls(2))
    assert lake.snapshot().cut == 0
    with pytest.raises(LakeError, match="complete through 0"):
        lake.snapshot(through=1)
    clock.advance(300)
    assert ids(lake.snapshot()) == ["call-1"]
    assert lake.status().visible_seq == 1
    assert lake.status().complete_through == clock.now() - timedelta(minutes=10)
    clock.advance(300)
    assert ids(lake.snapshot()) == ["call-1", "call-2"]
    assert ids(lake.snapshot(through=1)) == ["call-1"]


def test_what_was_complete_stays_so_when_the_clock_is_set_back(tmp_path: Path) -> None:
    clock = FakeClock()
    for name, delay in (("at-once", 0), ("later", 600)):
        lake = new_lake(tmp_path / name, clock=clock, visibility_delay=timedelta(seconds=delay))
        append(lake, calls(1))
        clock.advance(600)
        append(lake, calls(2))
        before = lake.status()
        clock.advance(-86_400)
        assert lake.status().complete_through == before.complete_through
        assert lake.snapshot(through=before.visible_seq).cut == before.visible_seq
        append(lake, calls(3))
        assert lake.status().complete_through == before.complete_through
        clock.advance(86_400)


def test_status_counts_what_is_there(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1, 2, 11))
    status = lake.status()
    assert (status.calls, status.files, status.last_seq) == (3, 2, 3)
    assert [(one.dt, one.endpoint, one.rows) for one in status.partitions] == [
        ("1970-01-01", "chat", 2),
        ("1970-01-02", "chat", 1),
    ]
    assert status.bytes == sum(path.stat().st_size for path in data_files(lake))
    assert set(status.key_ids) == {f"dt=1970-01-0{day}/endpoint=chat" for day in (1, 2)}


def test_every_opening_of_text_is_recorded_before_text_leaves(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1, 2, 3))
    batches = lake.snapshot().scan(["response"], purpose="export", where=pc.field("seq") < 3)
    next(batches)
    assert [(one.purpose, one.rows) for one in lake.audit.openings()] == [("export", None)]
    assert not list(batches)
    (opening,) = lake.audit.openings()
    assert (opening.rows, opening.query["columns"]) == (2, ["response"])
    assert opening.who


def test_a_torn_audit_line_is_named_and_hides_no_other(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1))
    log = tmp_path / "audit" / "opens.jsonl"
    table(lake.snapshot(), ["request"], purpose="one")
    log.write_bytes(log.read_bytes() + b'{"torn')
    table(lake.snapshot(), ["request"], purpose="two")
    assert [(one.purpose, one.rows) for one in lake.audit.openings()] == [("one", 1), ("two", 1)]
    assert lake.verify() == [f"line 3 of {log} is damaged"]


def test_text_that_cannot_be_recorded_is_not_opened(tmp_path: Path) -> None:
    append(new_lake(tmp_path), calls(1))
    (tmp_path / "audit" / "opens.jsonl").mkdir()
    with pytest.raises(LakeError, match=r"opens\.jsonl"):
        table(new_lake(tmp_path).snapshot(), ["request"])


def test_polars_opens_a_file_with_the_unwrapped_keys(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(*range(5)))
    (file,) = lake.manifest.head().files
    keys = lake.data_keys(file)
    assert keys.footer.hex() not in repr(keys)
    frame = pl.read_parquet(
        tmp_path / file.path,
        decryption=pl.ParquetDecryptionProperties(footer_key=keys.footer, column_keys=keys.columns),
    )
    assert sorted(frame["call_id"]) == [f"call-{number}" for number in range(5)]
    assert all(MARKER in text for text in frame["request"])


def flip(path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def swap(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)


def remove(path: Path, other: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [flip, truncate, swap, remove])
def test_a_damaged_file_is_named_by_verify_and_never_skipped_by_a_scan(
    tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(*range(8)))
    append(lake, calls(*range(8, 10)))
    victim, other = sorted(data_files(lake), key=lambda path: -path.stat().st_size)
    damage(victim, other)
    (finding,) = lake.verify()
    assert victim.name in finding
    with pytest.raises(LakeIntegrityError, match=victim.name):
        list(lake.snapshot().scan(COLUMNS))


def test_an_equal_sized_file_of_the_same_lake_is_found_when_opened(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(4))
    append(lake, calls(6))
    one, two = data_files(lake)
    assert one.stat().st_size == two.stat().st_size
    shutil.copyfile(two, one)
    with pytest.raises(LakeIntegrityError, match=f"{one.name}.*swapped"):
        ids(lake.snapshot())


def test_a_failed_read_does_not_hang_the_interpreter_at_exit(tmp_path: Path) -> None:
    """pyarrow's dataset scanner did: it asks for keys from threads of its own."""
    lake = new_lake(tmp_path)
    append(lake, calls(*range(8)))
    flip(data_files(lake)[0], tmp_path)
    script = (
        "import sys; from pathlib import Path\n"
        "from loopwright.lake.keys import MasterKey; from loopwright.lake.store import Lake\n"
        "from loopwright.lake.columns import COLUMNS\n"
        "lake = Lake.open(Path(sys.argv[1]), master=MasterKey(bytes([7]) * 32))\n"
        "list(lake.snapshot().scan(COLUMNS))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, timeout=120, check=False
    )
    assert b"LakeIntegrityError" in done.stderr


def test_a_lake_in_a_read_only_folder_can_be_read(tmp_path: Path) -> None:
    append(new_lake(tmp_path), calls(1, 2))
    nothing_written = CrashingDisk(die_at=1)
    lake = Lake.open(tmp_path, master=MASTER, disk=nothing_written)
    assert ids(lake.snapshot()) == ["call-1", "call-2"]
    assert lake.status().calls == 2
    assert lake.verify() == []


def test_calls_whose_lake_json_is_lost_keep_their_keys(tmp_path: Path) -> None:
    append(new_lake(tmp_path), calls(1))
    keys = (tmp_path / "keys/store.json").read_bytes()
    (tmp_path / "lake.json").unlink()
    with pytest.raises(LakeIntegrityError, match=r"lake\.json is missing, and there are calls"):
        new_lake(tmp_path)
    assert (tmp_path / "keys/store.json").read_bytes() == keys
