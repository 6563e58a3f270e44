"""Where a gateway may listen: nobody nameless reaches it from another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.manifests.diagnostics import Diagnostic
from loopwright.manifests.project import Gateway, Project
from loopwright.manifests.project_file import read_project
from loopwright.manifests.source import Source
from loopwright.manifests.variables import Variables

ALICE = "principals: [{name: alice, role: reader, key: {env: ALICE_KEY}}]\n"


def read(text: str) -> tuple[Project, list[Diagnostic]]:
    found = read_project([Source("loopwright.yaml", text, Path())], Variables(), "default")
    return found.project, found.diagnostics


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "10.0.0.7:1", "gateway.lan:80"])
def test_other_machines_reach_it_only_as_somebody(listen: str) -> None:
    said = f"gateway: {{listen: '{listen}'}}\n"
    for nobody in (said, said + "principals: []\n"):
        (found,) = read(nobody)[1]
        assert found.field == "principals"
        assert f"the gateway listens on {listen}, which other machines reach" in found.message
    project, diagnostics = read(said + ALICE)
    assert diagnostics == []
    assert project.gateway.listen == listen
    assert not project.gateway.is_private


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.1.2.3:8080", "[::1]:8080", "localhost:80"])
def test_this_machine_reaches_it_as_anybody(listen: str) -> None:
    project, diagnostics = read(f"gateway: {{listen: '{listen}'}}\n")
    assert diagnostics == []
    assert project.gateway.is_private


def test_host_and_port_are_told_apart() -> None:
    assert (Gateway(listen="[::1]:9000").host, Gateway(listen="[::1]:9000").port) == ("::1", 9000)
    assert (Gateway().host, Gateway().port) == ("127.0.0.1", 8080)
