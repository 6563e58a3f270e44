"""`loopwright lake rotate`: another master key, the same data files, and nobody is locked out."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from loopwright.errors import LakeKeyError
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake
from loopwright.providers.local.provider import LocalProvider
from loopwright.providers.local.receipts import Receipt, exports_of
from support.local_worlds import LocalWorld, Loopwright


def parquet(project: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (project / "lake").rglob("*.parquet")}


def test_no_data_file_changes_and_every_command_has_the_new_key(
    loopwright: Loopwright, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, old = parquet(project), MasterKey.from_file(project / ".loopwright/keys/main.key")
    monkeypatch.setenv("NEW_KEY", secrets.token_hex(32))
    code, out, err = loopwright("lake", "rotate", "--new-key", "env:NEW_KEY")
    assert (code, out) == (0, "Lake/main is under the master key in env NEW_KEY.\n")
    assert "masterKey: {env: NEW_KEY}" in err
    assert parquet(project) == before
    with pytest.raises(LakeKeyError, match="wrong master key"):
        Lake.open(project / "lake", master=old)
    assert loopwright("lake", "verify")[0] == 0
    assert loopwright("dataset", "verify", "set@v1")[0] == 0
    code, out, _ = loopwright("plan", str(project / "all.yaml"), "--detailed-exitcode")
    assert code == 0, out
    manifest = (project / "all.yaml").read_text()
    named = manifest.replace("storage: lake", "storage: lake, masterKey: {env: NEW_KEY}")
    (project / "all.yaml").write_text(named)
    assert loopwright("apply", str(project / "all.yaml"), "--yes", "--wait")[0] == 0
    assert loopwright("lake", "verify")[0] == 0


def test_a_key_file_is_made_where_there_is_none(loopwright: Loopwright, project: Path) -> None:
    code, _, err = loopwright("lake", "rotate", "--new-key", "file:secret/lake.key")
    assert (code, "back it up" in err) == (0, True)
    assert (project / "secret/lake.key").stat().st_mode & 0o777 == 0o600
    assert loopwright("lake", "verify")[0] == 0


@pytest.mark.parametrize(
    ("key", "code", "says"),
    [("env:NO_SUCH", 1, "NO_SUCH"), ("vault:x", 2, "neither env:NAME nor file:PATH")],
)
def test_a_key_that_is_not_there_changes_nothing(
    loopwright: Loopwright, key: str, code: int, says: str
) -> None:
    found, _, err = loopwright("lake", "rotate", "--new-key", key)
    assert (found, says in err) == (code, True)
    assert loopwright("lake", "verify")[0] == 0


def test_inference_datasets_under_the_same_key_move_with_it(tmp_path: Path) -> None:
    world = LocalWorld(tmp_path, environ={"NEW": "22" * 32})
    world.made(world.target("Lake", "main", storage="lake"))
    old = {"file": ".loopwright/keys/main.key"}
    master = MasterKey.from_file(tmp_path / old["file"])
    for name in ("good", "other"):
        Lake.create(tmp_path / name, master=master)
        outputs = {"path": name, "masterKey": old if name == "good" else {"env": "ELSE"}}
        receipt = Receipt(f"{name}@1", "me", outputs=outputs, place=name)
        exports_of(world.provider.places).put(receipt)
    provider: LocalProvider = world.provider
    for _ in range(2):  # again, as after a crash
        done = provider.rotate_lake("lake", old=old, new={"env": "NEW"})
        assert (done.storages, done.reference) == (("lake", "good"), {"env": "NEW"})
    fresh = MasterKey.from_text("22" * 32, source="test")
    for name in ("lake", "good"):
        assert Lake.open(tmp_path / name, master=fresh).status().calls == 0
    assert Lake.open(tmp_path / "other", master=master).status().calls == 0
    told = exports_of(provider.places).get("good")
    assert told is not None
    assert told.outputs["masterKey"] == {"env": "NEW"}
