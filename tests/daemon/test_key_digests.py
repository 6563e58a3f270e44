"""Principals' keys: several a file, digests only on disk, and nobody let in by mistake."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from loopwright.daemon.acting import NotAllowedError, acting
from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.principals import KeyDigests, bearer
from loopwright.daemon.secrets import Secrets
from loopwright.gateway.settings import Principal, Role
from loopwright.manifests import project
from loopwright.manifests.secrets import SecretRef

ALICE = project.Principal(name="alice", role="standard", key=SecretRef(env="ALICE"))
BOB = project.Principal(name="bob", role="reader", key=SecretRef(file="keys/bob"))


def known(
    folder: Path, environ: Mapping[str, str], *declared: project.Principal
) -> tuple[tuple[Principal, ...], dict[str, str]]:
    """As a daemon that starts now would know them."""
    digests = KeyDigests(folder / "daemon")
    found = digests.principals(declared, Secrets(folder, environ).resolve)
    digests.save()
    return found


def test_keys_are_known_again_without_the_variable_they_came_from(tmp_path: Path) -> None:
    known(tmp_path, {"ALICE": "key-one"}, ALICE)
    principals, problems = known(tmp_path, {}, ALICE)
    assert problems == {}
    assert bearer(principals, "key-one") == principals[0]
    assert bearer(principals, "key-two") is None
    kept = tmp_path / "daemon" / "principals.json"
    assert b"key-one" not in kept.read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_rotated_key_replaces_the_one_before(tmp_path: Path) -> None:
    known(tmp_path, {"ALICE": "key-one"}, ALICE)
    principals, _ = known(tmp_path, {"ALICE": "key-two"}, ALICE)
    assert bearer(principals, "key-one") is None
    assert known(tmp_path, {}, ALICE)[0] == principals
    assert bearer(principals, "key-two") is not None


def test_another_reference_is_another_key(tmp_path: Path) -> None:
    known(tmp_path, {"ALICE": "key-one"}, ALICE)
    other = ALICE.model_copy(update={"key": SecretRef(env="ALICES_NEW_KEY")})
    principals, problems = known(tmp_path, {}, other)
    assert bearer(principals, "key-one") is None
    assert "ALICES_NEW_KEY" in problems["principal alice"]


def test_a_file_may_hold_an_old_and_a_new_key_and_without_it_nobody_calls(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "bob"
    file.parent.mkdir()
    file.write_text("old\n\n  new  \n")
    principals, _ = known(tmp_path, {}, BOB)
    assert all(bearer(principals, key) for key in ("old", "new"))
    assert bearer(principals, "") is None
    file.unlink()
    principals, problems = known(tmp_path, {}, BOB)
    assert not any(bearer(principals, key) for key in ("old", "new"))
    assert "principal bob" in problems


def test_the_same_keys_give_the_same_digests(tmp_path: Path) -> None:
    first = known(tmp_path, {"ALICE": "a\nb"}, ALICE)
    assert known(tmp_path, {"ALICE": "a\nb"}, ALICE) == first


@pytest.mark.parametrize(
    ("key", "allowed"),
    [(None, {*Role}), ("a", {Role.READER, Role.STANDARD}), ("b", {Role.READER})],
)
def test_a_command_may_do_what_the_role_of_its_key_allows(
    key: str | None, allowed: set[Role], tmp_path: Path
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "bob").write_text("b")
    environ = {"ALICE": "a"} | ({"LOOPWRIGHT_API_KEY": key} if key else {})
    said = project.Project(principals=[ALICE, BOB])
    who = acting(said, tmp_path, DaemonFolder(tmp_path / "state"), environ)
    for role in Role:
        if role in allowed:
            who.must_be(role, "do it")
        else:
            with pytest.raises(NotAllowedError, match=f"{who.name} has the role .* may not do it"):
                who.must_be(role, "do it")
    assert not (tmp_path / "state").exists()


def test_a_key_of_nobody_acts_as_nobody(tmp_path: Path) -> None:
    environ = {"LOOPWRIGHT_API_KEY": "stolen-or-mistyped"}
    with pytest.raises(NotAllowedError, match="belongs to no principal") as error:
        acting(project.Project(), tmp_path, DaemonFolder(tmp_path), environ)
    assert "stolen" not in error.value.message
