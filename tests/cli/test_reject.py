"""A person's word on a takeover that is under way counts at once, whoever holds the state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.cli import run
from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.stages import Stages
from loopwright.engine.workspace import Workspace
from loopwright.resources.address import Address
from loopwright.state.records import Pending
from support.daemons import MANIFESTS

_RULES = {"steps": [5], "interval": "1h", "minCalls": 1, "maxErrorRate": 0.1}


def test_reject_ends_a_takeover_that_an_apply_waits_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = MANIFESTS.replace("  model: {upstream", "  running: false\n  model: {upstream")
    (tmp_path / "all.yaml").write_text(endpoint.replace("UPSTREAM_URL", "http://127.0.0.1:9/v1"))
    assert run(["apply", str(tmp_path), "--yes", "--project", str(tmp_path)]) == 0
    workspace, address = Workspace(tmp_path), Address("Endpoint", "support")
    folder = DaemonFolder(workspace.state_dir)
    shelved = folder.endpoints.get("support")
    assert shelved is not None
    canary = {"key": "k", "rules": _RULES, "before": {"spec": shelved.spec, "serves": None}}
    folder.endpoints.put(replace(shelved, canary=canary))

    def rejected(word: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(
            [word, str(address), str(tmp_path), "--reason", "odd", "--project", str(tmp_path)]
        )
        said = capsys.readouterr()
        return code, said.out + said.err

    with workspace.session(holder="ann", command="apply") as session:
        record = session.record(address)
        assert record is not None
        operation = {"key": "k", "status": "running", "external_id": "support"}
        promotes = {"value": {"model": "Model/m@2"}, "digest": "sha256:2", "evidence": {}}
        pending = Pending("promote", "k", sent=True, operation=operation, promotes=promotes)
        session.commit([], {address: replace(record, pending=pending)})
        assert rejected("approve")[0] == 1
        assert Stages(folder.canaries).read("support", "k") is None
        code, told = rejected("reject")
    assert (code, told) == (
        0,
        "Endpoint/support: what served before answers every call again; the apply that waits for "
        "it takes note.\n",
    )
    stage = Stages(folder.canaries).read("support", "k")
    assert stage is not None
    assert stage.outcome == "refused"
    assert stage.why.endswith(": odd")
