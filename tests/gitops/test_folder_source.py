"""A folder's revision follows its content; events of the real file system wake the loop."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.gitops.folder import FolderSource
from loopwright.gitops.pace import SystemPace


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "m.yaml").write_text("one")
    return folder


def revision(*paths: Path, beside: tuple[Path, ...] = ()) -> str:
    found = FolderSource([str(path) for path in paths], beside=beside).look().revision
    assert found is not None
    return found.id


def test_the_revision_follows_manifests_and_nothing_else(flows: Path, tmp_path: Path) -> None:
    before = revision(flows)
    for name in ("calls.jsonl", ".hidden.yaml", ".loopwright/state.yaml", ".git/config.yaml"):
        (flows / name).parent.mkdir(exist_ok=True)
        (flows / name).write_text("x")
    (flows / "a" / "m.yaml").touch()
    assert revision(flows) == before
    seen = {before}
    for text, name in [("two", "a/m.yaml"), ("one", "b.yml"), ("one", "c.yaml")]:
        (flows / name).write_text(text)
        seen.add(revision(flows))
    project = tmp_path / "loopwright.yaml"
    seen.add(revision(flows, beside=(project,)))
    project.write_text("parallelism: 2")
    seen.add(revision(flows, beside=(project,)))
    shutil.rmtree(flows)
    seen.add(revision(flows))
    assert len(seen) == 7


def test_a_revision_seen_before_is_found_again_while_it_lies_there(flows: Path) -> None:
    source = FolderSource([str(flows)])
    now = source.look().revision
    assert now
    assert source.earlier(now.id) == now
    (flows / "a" / "m.yaml").write_text("two")
    assert source.earlier(now.id) is None


@pytest.fixture
def woken(flows: Path) -> Iterator[threading.Event]:
    event = threading.Event()
    source = FolderSource([str(flows)])
    source.begin(event.set)
    # The watch begins in its own thread: write until it is heard.
    for number in range(200):
        (flows / "a" / "m.yaml").write_text(str(number))
        if event.wait(0.1):
            break
    yield event
    source.close()


def settled(event: threading.Event) -> None:
    """Wait until the events of what was written before have all come."""
    while event.wait(1.0):
        event.clear()


def test_writes_new_folders_and_swapped_folders_wake_the_loop(
    flows: Path, woken: threading.Event, tmp_path: Path
) -> None:
    settled(woken)
    (flows / "calls.jsonl").write_text("captured")
    assert not woken.wait(1.0)
    (flows / "deep" / "er").mkdir(parents=True)
    (flows / "deep" / "er" / "n.yaml").write_text("new")
    assert woken.wait(20)
    settled(woken)
    shutil.copytree(flows, tmp_path / "next")
    flows.rename(tmp_path / "old")
    (tmp_path / "next").rename(flows)
    assert woken.wait(20)
    settled(woken)
    (flows / "a" / "m.yaml").write_text("after the swap")
    assert woken.wait(20)


def test_a_wait_ends_when_somebody_wakes_it_even_beforehand() -> None:
    pace = SystemPace()
    for _ in range(100_000):  # more than a pipe holds: waking never blocks
        pace.wake()
    assert pace.wait(60)
    assert not pace.wait(0.01)
    pace.close()


def test_a_wait_takes_any_descriptor(tmp_path: Path) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(1100):  # past what select() can name
            held.enter_context((tmp_path / "file").open("w"))
        pace = SystemPace()
    pace.wake()
    assert pace.wait(60)
    pace.close()
