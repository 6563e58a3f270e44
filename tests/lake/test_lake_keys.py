"""Keys: made once and privately, told apart, rotated at once; a role opens no more than it may."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lake_world import MARKER, MASTER, QuickDisk, all_bytes, calls, data_files, ids, new_lake, table

from loopwright.errors import LakeError, LakeIntegrityError, LakeKeyError
from loopwright.lake.ingest import append
from loopwright.lake.keys import MasterKey, Role
from loopwright.lake.store import Lake

OTHER = MasterKey(b"\x09" * 32)


def test_a_master_key_is_made_on_first_use_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master"
    made = MasterKey.from_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert MasterKey.from_file(path) == made
    assert made.secret.hex() not in repr(made)


def test_of_processes_that_make_a_key_at_once_all_use_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: MasterKey.from_file(tmp_path / "master"), range(16)))
    assert len({key.id for key in keys}) == 1


def test_a_key_file_is_not_made_where_that_is_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(LakeKeyError, match="cannot read the master key"):
        MasterKey.from_file(tmp_path / "master", create=False)


@pytest.mark.parametrize("text", ["07" * 32, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="])
def test_a_master_key_comes_from_the_environment_as_hex_or_base64(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", text + "\n")
    assert MasterKey.from_env("THE_KEY") == MASTER


@pytest.mark.parametrize("text", ["", "short", "zz" * 32])
def test_what_is_no_key_is_named_but_not_quoted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", text)
    with pytest.raises(LakeKeyError, match="THE_KEY") as refusal:
        MasterKey.from_env("THE_KEY")
    assert not text or text not in str(refusal.value)


def test_a_wrong_master_key_is_called_that(tmp_path: Path) -> None:
    new_lake(tmp_path)
    for attempt in (Lake.open, Lake.create):
        with pytest.raises(LakeKeyError, match="wrong master key") as refusal:
            attempt(tmp_path, master=OTHER)
        assert MASTER.id in refusal.value.message
        assert OTHER.id in refusal.value.message


def test_a_reader_filters_metadata_and_opens_no_text(tmp_path: Path) -> None:
    append(new_lake(tmp_path), calls(1, 2, 3))
    snapshot = Lake.open(tmp_path, master=MASTER, role=Role.READER).snapshot()
    assert ids(snapshot) == ["call-1", "call-2", "call-3"]
    for attempt in (
        lambda: snapshot.scan(["response"]),
        lambda: snapshot.take(["call-1"], ["request"]),
    ):
        with pytest.raises(LakeKeyError, match="role reader") as refusal:
            attempt()
        assert "standard" in (refusal.value.hint or "")


def test_a_reader_cannot_open_text_past_the_snapshot_either(tmp_path: Path) -> None:
    append(new_lake(tmp_path), calls(1))
    lake = Lake.open(tmp_path, master=MASTER, role=Role.READER)
    parquet = lake.encryption.open(str(data_files(lake)[0]))
    with pytest.raises(LakeKeyError, match="role reader"):
        parquet.read(columns=["request"], use_threads=False)
    assert "request" not in lake.data_keys(lake.manifest.head().files[0]).columns


def test_rotation_changes_the_key_store_and_no_data_file(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1, 2))
    before = dict(all_bytes(tmp_path / "calls"))
    lake.rotate_master(OTHER)
    assert dict(all_bytes(tmp_path / "calls")) == before
    with pytest.raises(LakeKeyError, match="wrong master key"):
        Lake.open(tmp_path, master=MASTER)
    reopened = Lake.open(tmp_path, master=OTHER)
    append(reopened, calls(3))
    assert MARKER in table(reopened.snapshot(), ["request"])["request"][2].as_py()
    append(lake, calls(4))
    assert ids(reopened.snapshot()) == [f"call-{number}" for number in (1, 2, 3, 4)]


def test_who_still_holds_the_old_master_key_is_told_at_the_next_write(tmp_path: Path) -> None:
    lake, late = new_lake(tmp_path), new_lake(tmp_path)
    lake.rotate_master(OTHER)
    with pytest.raises(LakeKeyError, match="wrong master key"):
        append(late, calls(1))


def test_only_an_admin_rotates(tmp_path: Path) -> None:
    new_lake(tmp_path)
    with pytest.raises(LakeKeyError, match="may not rotate"):
        Lake.open(tmp_path, master=MASTER, disk=QuickDisk()).rotate_master(OTHER)


def test_swapped_keys_do_not_open(tmp_path: Path) -> None:
    """A key is bound to its lake, its partition and its kind: moving it in the store breaks it."""
    append(new_lake(tmp_path), calls(1))
    store = tmp_path / "keys" / "store.json"
    partition = next(iter(Lake.open(tmp_path, master=MASTER).keys.key_ids().values()))
    content = store.read_text()
    metadata = content.split('"metadata": "')[1].split('"')[0]
    text = content.split('"text": "')[1].split('"')[0]
    store.write_text(content.replace(metadata, text))
    with pytest.raises(LakeKeyError, match=f"{partition}.*cannot be unwrapped"):
        ids(Lake.open(tmp_path, master=MASTER).snapshot())


@pytest.mark.parametrize(("damage", "says"), [("", "damaged"), (None, "missing")])
def test_a_lost_key_store_is_named(tmp_path: Path, damage: str | None, says: str) -> None:
    new_lake(tmp_path)
    store = tmp_path / "keys" / "store.json"
    store.unlink() if damage is None else store.write_text(damage)
    with pytest.raises(LakeIntegrityError, match=f"{store}.*{says}"):
        Lake.open(tmp_path, master=MASTER)


def test_there_is_no_lake_where_none_was_made(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="there is no lake in"):
        Lake.open(tmp_path / "nowhere", master=MASTER)
