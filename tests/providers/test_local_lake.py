"""Lakes in folders: whose they are, under which key, and what is never done to them."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from loopwright.errors import PermanentError, ProviderError
from loopwright.lake.ingest import append
from loopwright.lake.keys import MasterKey, Role
from loopwright.lake.settings import Retention
from loopwright.lake.store import Lake
from loopwright.providers.base import FieldChange, Observed, Severity, Target
from loopwright.providers.local.preflight import findings
from support.local_worlds import LocalWorld, succeeded

FIRST, SECOND = "11" * 32, "22" * 32
CALL = {"call_id": "a", "ts": 0, "endpoint": "chat", "request": "{}", "response": "{}"}


@pytest.fixture
def world(tmp_path: Path) -> LocalWorld:
    return LocalWorld(tmp_path, environ={"FIRST_KEY": FIRST, "SECOND_KEY": SECOND})


def _lake(world: LocalWorld, **spec: object) -> Target:
    return world.target("Lake", "main", **{"storage": "lake", **spec})


def test_a_new_lake_has_a_private_key_that_one_is_told_to_back_up(world: LocalWorld) -> None:
    made = succeeded(world.made(_lake(world)))
    key = world.folder / ".loopwright/keys/main.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert made.message == "its master key was made in .loopwright/keys/main.key: back it up"
    assert made.outputs["masterKey"] == {"file": ".loopwright/keys/main.key"}
    assert world.provider.open_lake("lake", made.outputs, role=Role.READER).status().calls == 0


def test_somebody_elses_lake_is_left_alone_until_it_is_taken_over(world: LocalWorld) -> None:
    theirs = LocalWorld(world.folder, lineage="lineage-2")
    theirs.made(_lake(theirs))
    target, adapter = _lake(world), world.adapter("Lake")
    with pytest.raises(PermanentError, match="a lake of lineage-2/Lake/main lies there") as caught:
        adapter.create(target, "key")
    assert "loopwright adopt Lake/main" in (caught.value.hint or "")
    with pytest.raises(PermanentError, match="belongs to lineage-2"):
        adapter.delete(target, Observed("lake"), "key")

    assert adapter.observe(target, None) is None
    (found,) = adapter.find(target)
    succeeded(adapter.adopt(target, found, "key"))
    assert adapter.observe(target, None).owner == target.owner
    succeeded(world.made(target))


def test_a_folder_that_holds_something_else_is_not_touched(world: LocalWorld) -> None:
    (world.folder / "lake").mkdir()
    (world.folder / "lake/thesis.txt").write_text("years of work")
    with pytest.raises(PermanentError, match="holds something else"):
        world.made(_lake(world))
    with pytest.raises(PermanentError, match="is not a lake that we made"):
        world.adapter("Lake").delete(_lake(world), Observed("lake"), "key")
    assert [path.name for path in (world.folder / "lake").iterdir()] == ["thesis.txt"]


def test_a_lost_key_is_named_and_never_replaced_by_a_new_one(world: LocalWorld) -> None:
    made = succeeded(world.made(_lake(world)))
    key = world.folder / ".loopwright/keys/main.key"
    key.unlink()
    for attempt in (
        lambda: world.made(_lake(world)),
        lambda: world.provider.open_lake("lake", made.outputs, role=Role.READER),
    ):
        with pytest.raises(Exception, match=r"key file \.loopwright/keys/main\.key is missing"):
            attempt()
    assert not key.exists()
    told = [found.message for found in findings("here", world.provider.places)]
    assert any("keys/main.key is missing" in message for message in told)


@pytest.mark.parametrize("lost", [".loopwright/keys/main.key", "lake/manifest/000000000001.json"])
def test_a_lake_that_lost_what_it_cannot_be_read_without_is_no_lake_as_before(
    world: LocalWorld, lost: str
) -> None:
    made = succeeded(world.made(_lake(world)))
    lake = world.provider.open_lake("lake", made.outputs, role=Role.STANDARD)
    append(lake, [CALL])
    assert world.adapter("Lake").observe(_lake(world), "lake") is not None
    (world.folder / lost).unlink()
    with pytest.raises(PermanentError, match=f"{lost} is missing"):
        world.adapter("Lake").observe(_lake(world), "lake")


def test_a_wrong_key_is_told_as_one(world: LocalWorld) -> None:
    target = _lake(world, masterKey={"env": "FIRST_KEY"})
    succeeded(world.made(target))
    world.environ["FIRST_KEY"] = SECOND
    with pytest.raises(PermanentError, match="wrong master key") as caught:
        world.made(target)
    assert FIRST not in str(caught.value)
    assert SECOND not in str(caught.value)


def test_another_master_key_in_the_manifest_rewraps_the_lake(world: LocalWorld) -> None:
    before = _lake(world, masterKey={"env": "FIRST_KEY"})
    succeeded(world.made(before))
    after = _lake(world, masterKey={"env": "SECOND_KEY"})
    changes = [FieldChange("masterKey.env", "FIRST_KEY", "SECOND_KEY")]
    for _ in range(2):  # again, as after a crash before the verdict
        done = world.adapter("Lake").update(after, Observed("lake"), changes, "key")
        assert succeeded(done).outputs["masterKey"] == {"env": "SECOND_KEY"}
    root = world.folder / "lake"
    Lake.open(root, master=MasterKey.from_text(SECOND, source="test"))
    with pytest.raises(Exception, match="wrong master key"):
        Lake.open(root, master=MasterKey.from_text(FIRST, source="test"))


def test_only_named_fields_change_and_are_told_in_the_manifests_words(world: LocalWorld) -> None:
    target = _lake(world, visibilityDelay="60s", retention={"text": "90d", "metadata": "52w"})
    adapter = world.adapter("Lake")
    succeeded(world.made(target))
    changes = [FieldChange("visibilityDelay", "60s", "1m"), FieldChange("retention.text", "90d")]
    adapter.update(target, Observed("lake"), changes, "key")
    spec = adapter.observe(target, "lake").spec
    assert spec == {
        "storage": "lake",
        "visibilityDelay": "1m",
        "retention": {"metadata": "52w"},
    }
    key = MasterKey.from_file(world.folder / ".loopwright/keys/main.key")
    kept = Retention(text=timedelta(hours=1), metadata=timedelta(weeks=52))
    lake = Lake.create(
        world.folder / "lake", master=key, visibility_delay=timedelta(minutes=5), retention=kept
    )
    assert adapter.observe(target, "lake").spec == {
        "storage": "lake",
        "visibilityDelay": "300s",
        "retention": {"text": "3600s", "metadata": "52w"},
    }
    adapter.update(target, Observed("lake"), [FieldChange("retention.text", None, "30d")], "key")
    assert adapter.observe(target, "lake").spec == {
        "storage": "lake",
        "visibilityDelay": "300s",
        "retention": {"metadata": "52w", "text": "30d"},
    }
    assert lake.retention == replace(kept, text=timedelta(days=30))


def test_a_deleted_lake_leaves_its_key_and_nothing_else(world: LocalWorld) -> None:
    target, adapter = _lake(world), world.adapter("Lake")
    succeeded(world.made(target))
    found = adapter.observe(target, "lake")
    for _ in range(2):
        succeeded(adapter.delete(target, found, "key"))
    assert sorted(path.name for path in world.folder.iterdir()) == [".loopwright"]
    assert (world.folder / ".loopwright/keys/main.key").exists()


def test_a_lake_that_was_made_without_us_can_be_taken_over(world: LocalWorld) -> None:
    key = MasterKey.from_text(FIRST, source="test")
    Lake.create(world.folder / "lake", master=key, visibility_delay=timedelta(minutes=2))
    target, adapter = _lake(world, masterKey={"env": "FIRST_KEY"}), world.adapter("Lake")
    (found,) = adapter.find(target)
    wrong = _lake(world, masterKey={"env": "SECOND_KEY"})
    with pytest.raises(PermanentError, match="wrong master key"):
        adapter.adopt(wrong, found, "key")
    assert adapter.observe(target, None) is None
    succeeded(adapter.adopt(target, found, "key"))
    assert adapter.observe(target, None).spec["visibilityDelay"] == "120s"


@pytest.mark.parametrize("file", ["lake.json", "loopwright/settings.json"])
def test_a_damaged_lake_is_a_failure_and_never_absence(world: LocalWorld, file: str) -> None:
    succeeded(world.made(_lake(world)))
    (world.folder / "lake" / file).write_text("{")
    with pytest.raises(ProviderError, match="is damaged"):
        world.adapter("Lake").observe(_lake(world), "lake")


def test_a_half_made_lake_is_finished_by_the_next_create(world: LocalWorld) -> None:
    target = _lake(world)
    succeeded(world.made(target))
    (world.folder / "lake/lake.json").unlink()  # it is written last
    assert world.adapter("Lake").observe(target, "lake") is None
    succeeded(world.made(target))


def test_an_object_store_is_refused_before_anything_is_done(world: LocalWorld) -> None:
    (opinion,) = world.adapter("Lake").check(_lake(world, storage="s3://calls/prod"))
    assert opinion.severity is Severity.ERROR
    assert "keeps a lake in a folder, not at s3://calls/prod" in opinion.message
    assert list(world.adapter("Lake").check(_lake(world))) == []


def test_doctor_warns_of_a_key_that_others_may_read(world: LocalWorld) -> None:
    succeeded(world.made(_lake(world)))
    good = list(findings("here", world.provider.places))
    assert {found.severity for found in good} == {Severity.OK}
    (world.folder / ".loopwright/keys/main.key").chmod(0o644)
    warned = [found for found in findings("here", world.provider.places) if found not in good]
    assert [(found.severity, found.hint) for found in warned] == [
        (Severity.WARNING, "chmod 600 .loopwright/keys/main.key")
    ]


def test_a_key_file_beside_the_manifest_must_be_there(world: LocalWorld) -> None:
    target = replace(
        _lake(world, masterKey={"file": "own.key"}), base_dir=world.folder / "manifests"
    )
    with pytest.raises(PermanentError, match=r"manifests/own\.key is missing"):
        world.made(target)
    (world.folder / "manifests").mkdir()
    (world.folder / "manifests/own.key").write_text(FIRST)
    assert succeeded(world.made(target)).outputs["masterKey"] == {"file": "manifests/own.key"}
