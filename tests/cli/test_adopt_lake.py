"""`loopwright adopt` of a lake that somebody else made: it opens with the key that is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from loopwright.cli import run
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake

MANIFESTS = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: main}
spec: {provider: local, storage: lake, masterKey: {file: mk}}
"""


@pytest.mark.parametrize("owner", ["nobody", "another state"])
def test_a_lake_that_was_adopted_opens_with_the_key_of_its_manifest(
    owner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mk").write_text("6b" * 32)
    (tmp_path / "all.yaml").write_text(MANIFESTS)

    def loopwright(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments, "--project", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    if owner == "nobody":
        key = MasterKey.from_file(tmp_path / "mk")
        Lake.create(tmp_path / "lake", master=key, visibility_delay=timedelta())
    else:
        own_key = MANIFESTS.replace(", masterKey: {file: mk}", "")
        (tmp_path / "all.yaml").write_text(own_key)
        assert loopwright("apply", str(tmp_path), "--yes")[0] == 0
        (tmp_path / "mk").write_text((tmp_path / ".loopwright/keys/main.key").read_text())
        (tmp_path / ".loopwright").rename(tmp_path / "lost")
        (tmp_path / "all.yaml").write_text(MANIFESTS)
    code, out, err = loopwright("apply", str(tmp_path), "--yes")
    assert code != 0
    assert "loopwright adopt Lake/main" in out + err
    code, _, err = loopwright("adopt", "Lake/main", str(tmp_path))
    assert (code, err) == (0, "")
    code, out, err = loopwright("sql", "SELECT count(*) AS n FROM calls", "--format", "csv")
    assert (code, out) == (0, "n\n0\n"), err
    assert loopwright("plan", str(tmp_path), "--detailed-exitcode")[0] == 0
