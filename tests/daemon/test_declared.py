"""Declarations on disk, and the file and lock that tell where a daemon is."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from loopwright.daemon.declared import DaemonFolder, Declared
from loopwright.daemon.presence import Facts, Presence
from loopwright.daemon.project import DaemonProject, write_project
from loopwright.errors import DaemonError
from loopwright.manifests.project import Gateway, Project

HOLDER = """
import sys, time
from pathlib import Path
from loopwright.daemon.presence import Presence
assert Presence(Path(sys.argv[1])).hold() is not None
print("held", flush=True)
time.sleep(600)
"""


def some_facts() -> Facts:
    return Facts(
        pid=1, started_at="", version="1", port=1, token="t", gateway="http://x", detached=True
    )


def test_what_is_put_is_there_until_it_is_removed(tmp_path: Path) -> None:
    folder = DaemonFolder(tmp_path)
    assert folder.is_idle
    one = Declared("support", "owner", {"model": {"upstream": {"url": "http://x"}}}, "manifests")
    folder.endpoints.put(one)
    folder.endpoints.put(Declared("a", "owner", {}))
    assert folder.endpoints.get("support") == one
    assert [found.name for found in folder.endpoints.all()] == ["a", "support"]
    assert not folder.is_idle
    for name in ("support", "support", "a"):
        folder.endpoints.remove(name)
    assert folder.is_idle


@pytest.mark.parametrize("name", ["", "../project", "a/b", "A", "x" * 80, "a\n"])
def test_a_name_that_no_resource_can_have_leads_nowhere(name: str, tmp_path: Path) -> None:
    folder = DaemonFolder(tmp_path)
    folder.path.mkdir()
    (folder.path / "project.json").write_text("{}")
    assert folder.endpoints.get(name) is None
    folder.endpoints.remove(name)
    assert (folder.path / "project.json").exists()


def test_a_damaged_declaration_says_which_file(tmp_path: Path) -> None:
    folder = DaemonFolder(tmp_path)
    folder.endpoints.put(Declared("a", "owner", {}))
    (folder.endpoints.folder / "a.json").write_text('{"name": 1, "colour": ""}')
    with pytest.raises(DaemonError, match=r"endpoints/a\.json is damaged"):
        list(folder.endpoints.all())


def test_a_killed_daemon_is_dead_though_it_never_said_so(tmp_path: Path) -> None:
    presence = Presence(tmp_path)
    assert not presence.is_alive
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            assert presence.is_alive
            assert presence.facts() is None
            presence.tell(some_facts())
            assert presence.facts() == some_facts()
            assert presence.hold() is None
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while presence.is_alive:
        assert time.monotonic() < until
    assert presence.facts() is None


def test_somebody_who_looks_does_not_keep_a_daemon_from_starting(tmp_path: Path) -> None:
    looking = os.open(tmp_path / "lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    looked = threading.Timer(0.05, os.close, [looking])
    looked.start()
    held = Presence(tmp_path).hold()
    looked.join()
    assert held is not None
    os.close(held)


def test_the_next_holder_finds_nothing_of_the_last(tmp_path: Path) -> None:
    presence = Presence(tmp_path)
    presence.tell_failure("the address is taken", None)
    presence.tell(some_facts())
    assert stat.S_IMODE((tmp_path / "daemon.json").stat().st_mode) == 0o600
    assert presence.failure() == ("the address is taken", "")
    held = presence.hold()
    assert held is not None
    try:
        assert presence.failure() is None
        assert presence.facts() is None
    finally:
        os.close(held)


def test_what_an_apply_understood_holds_until_the_project_file_changes(tmp_path: Path) -> None:
    folder = tmp_path / ".loopwright" / "default" / "daemon"
    project_file = tmp_path / "loopwright.yaml"
    with pytest.raises(DaemonError, match="no apply"):
        DaemonProject.read(folder, {})
    project_file.write_text("gateway: {listen: '127.0.0.1:${PORT}'}\n")
    applied = Project(gateway=Gateway(listen="127.0.0.1:1111"))
    write_project(folder, tmp_path, applied, {"PORT": "1111"})
    found = DaemonProject.read(folder, {"PORT": "9999"})
    assert (found.gateway.port, found.folder) == (1111, tmp_path.resolve())

    project_file.write_text("gateway: {listen: '127.0.0.2:${PORT}'}\n")
    assert DaemonProject.read(folder, {"PORT": "9999"}).gateway.listen == "127.0.0.2:1111"
    for broken in ("gateway: {listen: '127.0.0.2:${HOST_PORT}'}\n", "gateway: ["):
        project_file.write_text(broken)
        assert DaemonProject.read(folder, {}).gateway == applied.gateway
    project_file.unlink()
    assert DaemonProject.read(folder, {}).gateway == applied.gateway


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"folder": "..", "project": {"gateway": 1}}'])
def test_a_damaged_project_says_which_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "project.json").write_text(text)
    with pytest.raises(DaemonError, match=r"project\.json is damaged"):
        DaemonProject.read(tmp_path, {})


def test_a_project_may_be_moved(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    state = Path(".loopwright") / "default" / "daemon"
    write_project(before / state, before, Project(), {})
    before.rename(after)
    assert DaemonProject.read(after / state, {}).folder == after.resolve()
