"""Commands act as the principal whose key is in LOOPWRIGHT_API_KEY, and do what its role allows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loopwright.cli import run
from support.daemons import MANIFESTS
from support.local_worlds import Loopwright, do_jobs_inline, line, write_lines

PROJECT = """
principals:
  - {name: rita, role: reader, key: {file: keys/rita}}
  - {name: stan, role: standard, key: {file: keys/stan}}
"""
IMPORT = """
---
apiVersion: loopwright.dev/v1alpha1
kind: CallImport
metadata: {name: recorded}
spec: {provider: local, lake: main, files: [calls.jsonl]}
"""
COUNTED = """
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: all}
spec: {provider: local, source: {lake: main}, sampling: {count: 3}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Export
metadata: {name: ids}
spec:
  provider: local
  source: {lake: main, query: "SELECT call_id FROM calls"}
  to: {path: ids}
"""


@pytest.fixture
def loopwright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Loopwright:
    """A project with a lake of a few calls, and an endpoint that is declared stopped."""
    do_jobs_inline(monkeypatch)
    (tmp_path / "keys").mkdir()
    for name in ("rita", "stan"):
        (tmp_path / "keys" / name).write_text(f"the-key-of-{name}\n")
    (tmp_path / "loopwright.yaml").write_text(PROJECT)
    stopped = MANIFESTS.replace("  model: {upstream", "  running: false\n  model: {upstream")
    text = stopped.replace("UPSTREAM_URL", "http://127.0.0.1:9/v1")
    (tmp_path / "all.yaml").write_text(text)
    write_lines(tmp_path / "calls.jsonl", [line(n) for n in range(3)])

    def call(*arguments: str, acting: str = "") -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            if acting:
                patch.setenv("LOOPWRIGHT_API_KEY", f"the-key-of-{acting}")
            code = run([*arguments, "--project", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_only_standard_and_above_switch_a_delivery(loopwright: Loopwright, tmp_path: Path) -> None:
    told = "principal rita has the role reader and may not switch the delivery of calls"
    code, out, _ = loopwright("plan", str(tmp_path), acting="rita")
    assert (code, told in " ".join(out.split())) == (0, True)
    code, _, err = loopwright("apply", str(tmp_path), "--yes", acting="rita")
    assert (code, told in err) == (1, True)
    assert not (tmp_path / "lake").exists()
    code, out, _ = loopwright("plan", str(tmp_path), acting="stan")
    assert (code, "may not" in out) == (0, False)
    assert loopwright("apply", str(tmp_path), "--yes", acting="stan")[0] == 0
    assert not (tmp_path / ".loopwright/default/daemon/daemon.json").exists()
    code, out, err = loopwright("destroy", str(tmp_path), "--yes", acting="rita")
    assert code != 0
    assert "may not switch the delivery of calls" in out + err
    assert loopwright("destroy", str(tmp_path), "--yes")[0] == 0


def test_a_reader_neither_changes_nor_stops_what_serves(
    loopwright: Loopwright, tmp_path: Path
) -> None:
    assert loopwright("apply", str(tmp_path), "--yes")[0] == 0
    manifests = tmp_path / "all.yaml"
    manifests.write_text(manifests.read_text().replace("running: false", "running: true"))
    code, out, err = loopwright("apply", str(tmp_path), "--yes", acting="rita")
    assert code != 0
    assert "principal rita has the role reader and may not change an endpoint" in out + err
    for how in (["--stop"], ["--detach"], []):
        code, _, err = loopwright("serve", *how, acting="rita")
        assert code == 1
        assert "may not start or stop the project daemon" in err
    assert not (tmp_path / ".loopwright/default/daemon/daemon.json").exists()
    assert loopwright("serve", "--stop", acting="stan")[0] == 0


def test_only_an_admin_deletes_a_lake(loopwright: Loopwright, tmp_path: Path) -> None:
    assert loopwright("apply", str(tmp_path), "--yes")[0] == 0
    doomed = ("destroy", str(tmp_path), "--delete-data", "--yes")
    code, out, err = loopwright(*doomed, acting="stan")
    assert code != 0
    assert "principal stan has the role standard and may not delete a lake" in out + err
    assert (tmp_path / "lake" / "lake.json").is_file()
    assert loopwright(*doomed)[0] == 0


def test_roles_hold_where_the_project_file_lies_among_the_manifests(
    loopwright: Loopwright, tmp_path: Path
) -> None:
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    for name in ("loopwright.yaml", "all.yaml"):
        (tmp_path / name).rename(manifests / name)
    assert loopwright("apply", str(manifests), "--yes")[0] == 0
    counting = ("sql", "SELECT count(*) AS n FROM calls", "--format", "csv")
    assert loopwright(*counting, acting="rita")[:2] == (0, "n\n0\n")
    assert "may not open the text" in loopwright("lake", "compact", acting="rita")[2]
    assert loopwright("lake", "compact", acting="stan")[0] == 0
    code, _, err = loopwright(*counting, acting="mallory")
    assert (code, "belongs to no principal" in err) == (1, True)


def test_whoever_may_call_may_give_feedback(loopwright: Loopwright, tmp_path: Path) -> None:
    with (tmp_path / "all.yaml").open("a") as manifests:
        manifests.write(IMPORT)
    assert loopwright("apply", str(tmp_path), "--yes", "--wait")[0] == 0
    listed = loopwright("sql", "SELECT min(call_id) FROM calls", "--format", "csv")[1]
    call_id = listed.splitlines()[1]
    code, out, err = loopwright("feedback", call_id, "--correct", "Better so.", acting="rita")
    assert (code, err) == (0, "")
    assert "kept in Lake/main" in out
    kept = loopwright("sql", "SELECT author, text FROM feedback", "--format", "csv")[1]
    assert kept.splitlines()[1].startswith("rita,")


def test_only_standard_and_above_open_text(loopwright: Loopwright, tmp_path: Path) -> None:
    loopwright("apply", str(tmp_path), "--yes")
    assert loopwright("lake", "verify", acting="rita")[0] == 0
    code, _, err = loopwright("lake", "compact", acting="rita")
    assert code == 1
    assert "principal rita has the role reader and may not open the text of calls" in err
    assert loopwright("lake", "compact", acting="stan")[0] == 0

    with (tmp_path / "all.yaml").open("a") as manifests:
        manifests.write(IMPORT)
    code, out, err = loopwright("apply", str(tmp_path), "--yes", "--wait", acting="rita")
    assert code != 0
    assert "may not import calls" in out + err
    assert loopwright("apply", str(tmp_path), "--yes", "--wait")[0] == 0


def test_a_reader_sees_the_whole_plan_with_its_numbers_and_applies_none_of_it(
    loopwright: Loopwright, tmp_path: Path
) -> None:
    """Counted with the metadata key; the plan that a reader saves is for others to apply."""
    with (tmp_path / "all.yaml").open("a") as manifests:
        manifests.write(IMPORT)
    assert loopwright("apply", str(tmp_path), "--yes", "--wait")[0] == 0
    with (tmp_path / "all.yaml").open("a") as manifests:
        manifests.write(COUNTED)
    known = loopwright("plan", str(tmp_path), "--json")[1]
    saved = str(tmp_path / "saved.plan")
    code, out, err = loopwright("plan", str(tmp_path), "--json", "--out", saved, acting="rita")
    assert code == 0, (out[:3000], err)
    ours, theirs = json.loads(known), json.loads(out)
    assert [change["estimate"]["rows"]["likely"] for change in theirs["changes"][-2:]] == [3, 3]
    assert theirs["changes"] == ours["changes"]
    assert ours["cautions"] == []
    assert [caution["address"] for caution in theirs["cautions"]] == ["Dataset/all", "Export/ids"]
    assert all("rita has the role reader" in one["message"] for one in theirs["cautions"])
    for applied in (str(tmp_path), saved):
        code, _, err = loopwright("apply", applied, "--yes", acting="rita")
        assert (code, "may not import calls, or build or export datasets" in err) == (1, True)
    assert not (tmp_path / "ids").exists()
    assert loopwright("apply", saved, "--wait", acting="stan")[0] == 0
    assert (tmp_path / "ids" / "ids.jsonl").is_file()


def test_a_key_of_nobody_opens_nothing(loopwright: Loopwright, tmp_path: Path) -> None:
    loopwright("apply", str(tmp_path), "--yes")
    code, out, err = loopwright("lake", "verify", acting="mallory")
    assert code == 1
    assert "belongs to no principal" in err
    assert "the-key-of-mallory" not in out + err


def test_a_reader_asks_what_opens_no_text(loopwright: Loopwright, tmp_path: Path) -> None:
    loopwright("apply", str(tmp_path), "--yes")
    counting = ("sql", "SELECT count(*) AS n FROM calls", "--format", "csv")
    assert loopwright(*counting, acting="rita")[:2] == (0, "n\n0\n")
    reading = ("sql", "SELECT request FROM calls")
    assert "role reader may not open" in loopwright(*reading, acting="rita")[2]
    code, _, err = loopwright(*reading, "--role", "standard", acting="rita")
    assert (code, "may not open the text of calls" in err) == (1, True)
    assert loopwright(*reading, acting="stan")[0] == 0
