"""Retention that a manifest asks for is kept: told by `doctor`, done by `lake compact`."""

from __future__ import annotations

import json
from pathlib import Path

from support.local_worlds import Loopwright


def test_what_is_past_its_time_is_told_and_let_go(loopwright: Loopwright, project: Path) -> None:
    manifest = project / "all.yaml"
    kept = "storage: lake, retention: {text: 30d}"
    manifest.write_text(manifest.read_text().replace("storage: lake", kept))
    assert loopwright("apply", str(manifest), "--yes", "--wait")[0] == 0
    assert "past its retention" in loopwright("doctor", str(manifest))[1]

    code, out, _ = loopwright("lake", "compact")
    assert code == 0
    assert "the text of 31 calls and remarks was past its time" in out
    assert "past its retention" not in loopwright("doctor", str(manifest))[1]
    assert json.loads(loopwright("lake", "status", "--json")[1])[0]["calls"] == 31
    assert loopwright("lake", "verify")[0] == 0

    code, out, _ = loopwright("dataset", "verify", "set@v1")
    assert code == 0
    assert "8 lines, 8 of them past the lake's retention and not built again" in out


def test_a_shorter_retention_tells_before_it_is_applied_what_it_would_let_go(
    loopwright: Loopwright, project: Path
) -> None:
    manifest = project / "all.yaml"
    before = manifest.read_text()
    manifest.write_text(before.replace("storage: lake", "storage: lake, retention: {text: 52w}"))
    _, out, _ = loopwright("plan", str(manifest))
    assert "its retention lets go the text of 31 rows, which" in " ".join(out.split())
    assert loopwright("apply", str(manifest), "--yes", "--wait")[0] == 0
    kept = "storage: lake, retention: {text: 52w, metadata: 55w}"
    manifest.write_text(before.replace("storage: lake", kept))
    _, out, _ = loopwright("plan", str(manifest))
    assert "its retention lets go 31 rows, which" in " ".join(out.split())
    assert "nothing brings them back" in out
    (caution,) = json.loads(loopwright("plan", str(manifest), "--json")[1])["cautions"]
    assert caution["address"] == "Lake/main"
    manifest.write_text(before.replace("storage: lake", "storage: lake, retention: {text: 900w}"))
    assert "lets go" not in loopwright("plan", str(manifest))[1]
