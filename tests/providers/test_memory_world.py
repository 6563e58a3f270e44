"""The fake cloud's file survives kills, torn tails and company, and folds to the same world."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import PermanentError
from loopwright.providers.memory import world as world_module
from loopwright.providers.memory.contents import RemoteObject, Write
from loopwright.providers.memory.world import World

MAKER = """
import sys
from pathlib import Path
from loopwright.providers.memory.contents import RemoteObject, Write
from loopwright.providers.memory.world import World

path, count = Path(sys.argv[1]), int(sys.argv[2])
world = World(path)
print("ready", flush=True)
for number in range(count):
    key = f"key-{number}"
    with world.changing() as contents:
        if key not in contents.by_key:
            made = RemoteObject(f"id-{number}", "Lake", f"lake-{number}", key=key)
            world.put(made, Write("create", f"Lake/lake-{number}", key, made.id))
    print(key, flush=True)
"""


@pytest.fixture(autouse=True)
def _worlds_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A world holds its file until it is closed, and a test here may open hundreds."""
    opened: list[World] = []
    begin = World.__init__

    def remembered(world: World, *where: Path) -> None:
        opened.append(world)
        begin(world, *where)

    monkeypatch.setattr(World, "__init__", remembered)
    yield
    for world in opened:
        world.close()


def _maker(path: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAKER, str(path), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _lake(number: int, **changes: object) -> RemoteObject:
    lake = RemoteObject(f"id-{number}", "Lake", f"lake-{number}", key=f"key-{number}")
    return replace(lake, **changes)


def _write(action: str, number: int) -> Write:
    return Write(action, f"Lake/lake-{number}", f"key-{number}", f"id-{number}")


def test_what_a_killed_process_reported_is_there_and_is_made_once(tmp_path: Path) -> None:
    path, reported = tmp_path / "world.jsonl", 0
    for kill_after in (1, 7, 40, 41, 90):
        child = _maker(path, 100)
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(kill_after + 1)]
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        reported = max(reported, len(lines) - 1)
        keys = [write.key for write in World(path).writes]
        assert {f"key-{number}" for number in range(reported)} <= set(keys)
        assert len(keys) == len(set(keys))


def test_processes_that_share_a_world_make_each_object_once(tmp_path: Path) -> None:
    path = tmp_path / "world.jsonl"
    watching = World(path)
    makers = [_maker(path, 60) for _ in range(3)]
    assert all(maker.communicate()[0].splitlines()[-1] == "key-59" for maker in makers)
    assert [f"key-{number}" for number in range(60)] == [write.key for write in watching.writes]
    assert len(watching.objects("Lake")) == 60


def test_who_changes_the_world_keeps_all_others_out_until_done(tmp_path: Path) -> None:
    path = tmp_path / "world.jsonl"
    ours, theirs = World(path), World(path)
    other = Thread(target=lambda: theirs.make("Lake", "theirs"))
    with ours.changing():
        other.start()
        other.join(0.2)
        assert other.is_alive()
        ours.make("Lake", "ours")
    other.join()
    assert [found.name for found in World(path).objects()] == ["ours", "theirs"]


def test_a_torn_last_line_is_as_if_it_was_never_written(tmp_path: Path) -> None:
    path = tmp_path / "world.jsonl"
    world = World(path)
    for number in range(2):
        world.put(_lake(number), _write("create", number))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        torn = World(path)
        assert [found.id for found in torn.objects()] == ["id-0"]
        torn.put(_lake(5), _write("create", 5))
        torn.close()
        assert [found.id for found in World(path).objects()] == ["id-0", "id-5"]


def test_looking_makes_no_file(tmp_path: Path) -> None:
    world = World(tmp_path / "deep" / "world.jsonl")
    assert (world.objects(), world.writes) == ([], [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["not json\n", "[1]\n", '{"put": {"colour": 1}}\n', "5\n"])
def test_a_file_that_holds_no_world_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(PermanentError, match=r"notes\.txt"):
        World(path).objects()


def test_a_world_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PermanentError, match="cannot use the world file"):
        World(tmp_path / "file" / "world.jsonl").make("Lake", "main")


def test_a_full_disk_loses_only_the_change_that_did_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "world.jsonl")
    world.make("Lake", "first")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", _half_a_write(os.write))
        with pytest.raises(PermanentError, match="No space left"):
            world.make("Lake", "second")
    world.make("Lake", "third")
    for seen in (world, World(tmp_path / "world.jsonl")):
        assert [found.name for found in seen.objects()] == ["first", "third"]


def _half_a_write(write):
    return lambda handle, data: write(handle, data[: len(data) // 2])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "rename", "disown", "drop", "note", "fire", "reopen", "other"]),
        st.integers(0, 4),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_a_world_in_a_file_is_the_world_in_memory(
    steps: list[tuple[str, int]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(world_module, "_MANY_DEAD", 3)
    path = tmp_path_factory.mktemp("world") / "world.jsonl"
    plain, filed, other = World(), World(path), World(path)
    for step, number in steps:
        if step == "reopen":
            filed = World(path)
        for world in (plain, other if step == "other" else filed):
            _take(world, step, number)
        assert _told(plain) == _told(filed) == _told(other) == _told(World(path))


def _take(world: World, step: str, number: int) -> None:
    with world.changing() as contents:
        there = f"id-{number}" in contents.objects
        if step in ("put", "other") and not there:
            world.put(_lake(number, owner="us"), _write("create", number))
        elif step == "rename" and there:
            world.put(_lake(number, name="else", owner="us"), _write("update", number))
        elif step == "disown" and there:
            world.put(_lake(number), _write("adopt", number))
        elif step == "drop" and there:
            world.drop(f"id-{number}", _write("delete", number))
        elif step == "note":
            world.note(_write("delete", number))
        elif step == "fire":
            world.fire(f"rule {number}")


def _told(world: World) -> object:
    """All that adapters can ask, the log apart: compaction shortens that."""
    with world.looking() as contents:
        by = (contents.by_kind, contents.by_owner, contents.by_name)
        found = [{key: set(held) for key, held in index.items() if held} for index in by]
        return dict(contents.objects), found, dict(contents.by_key), dict(contents.fired)


def test_a_compacted_world_keeps_the_keys_of_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_module, "_MANY_DEAD", 100)
    path = tmp_path / "world.jsonl"
    world, watching = World(path), World(path)
    for number in range(300):
        world.put(_lake(number), _write("create", number))
        world.drop(f"id-{number}", _write("delete", number))
    world.put(_lake(7000), _write("create", 7000))
    world.fire("a rule")
    before = path.stat().st_size
    reopened = World(path)
    assert path.stat().st_size < before / 4
    for seen in (reopened, watching, world):
        assert [found.id for found in seen.objects()] == ["id-7000"]
        with seen.looking() as contents:
            assert contents.by_key["key-3"] == "id-3"
            assert contents.fired == {"a rule": 1}


def test_people_change_the_world_behind_our_back() -> None:
    world = World()
    made = world.make("Endpoint", "chat", running=True, description="theirs")
    world.edit(made.id, running=False, description=None)
    assert dict(world.objects()[0].spec) == {"running": False}
    world.calls("main", 5)
    world.remove(made.id)
    assert world.objects() == []
    assert [write.action for write in world.writes] == ["make", "edit", "remove"]
