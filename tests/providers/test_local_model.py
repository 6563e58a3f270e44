"""Imported models of the local provider: whole in the registry, told truly, refused early."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from loopwright.errors import ModelError, ProviderError
from loopwright.models.registry import Registry
from loopwright.providers.base import OperationStatus, Severity, Target
from loopwright.providers.local.model import CONTENT
from loopwright.providers.local.receipts import Receipts
from loopwright.providers.local.servables import Servables
from loopwright.providers.local.worker import Stopped
from support.local_worlds import LocalWorld, do_jobs_inline, succeeded
from support.tiny_models import make_light_adapter, make_light_base


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalWorld:
    do_jobs_inline(monkeypatch)
    return LocalWorld(tmp_path)


def imported(world: LocalWorld, **spec: object) -> Target:
    spec.setdefault("weights", {"path": "theirs"})
    return world.target("Model", "router", **spec)


def registry(world: LocalWorld) -> Registry:
    return Registry(world.provider.places.models)


def test_a_folder_becomes_a_revision_with_its_licence_and_nothing_else(world: LocalWorld) -> None:
    folder = make_light_base(world.folder / "theirs")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\ntheirs")
    (folder / "optimizer.pt").write_bytes(b"state")
    made = succeeded(world.made(imported(world)))
    version = registry(world).get("router")
    registry(world).verify(version)
    assert made.external_id == "router@1" == version.label
    assert made.outputs["digest"] == version.digest
    assert made.outputs["path"] == ".loopwright/default/models/router/v1"
    assert made.outputs["kind"] == "full"
    assert not (version.folder / "optimizer.pt").exists()
    assert "license: apache-2.0" in (version.folder / "README.md").read_text()


def test_an_adapter_brings_its_base_or_is_told_one(world: LocalWorld) -> None:
    make_light_base(world.folder / "base")
    make_light_adapter(world.folder / "theirs", base="base")
    made = succeeded(world.made(imported(world)))
    assert (made.outputs["kind"], made.outputs["base"]) == ("adapter", "base")
    assert made.outputs["baseDigest"].startswith("sha256:")
    make_light_adapter(world.folder / "theirs", base="/elsewhere/gone")
    opinions = list(world.adapter("Model").check(imported(world)))
    assert [(found.severity, "/elsewhere/gone" in found.message) for found in opinions] == [
        (Severity.ERROR, True)
    ]
    assert list(world.adapter("Model").check(imported(world, base="base"))) == []


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"providerId": "cm-1"}, "knows no model by an id"),
        ({"path": "s3://bucket/model"}, "imports folders"),
        ({"path": "gone"}, "there is no folder"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_the_plan(
    world: LocalWorld, weights: dict[str, str], said: str
) -> None:
    (found,) = world.adapter("Model").check(imported(world, weights=weights))
    assert said in found.message
    assert found.hint
    with pytest.raises(ProviderError):
        world.adapter("Model").create(imported(world, weights=weights), "key")


def test_a_source_that_changed_is_imported_again_and_one_that_went_is_not_missed(
    world: LocalWorld,
) -> None:
    folder, target = make_light_base(world.folder / "theirs"), imported(world)
    adapter, made = world.adapter("Model"), world.made(target)
    assert adapter.observe(target, made.external_id).beside == ()
    pins = adapter.pins(target)
    make_light_base(folder, content=b"better weights")
    seen = adapter.observe(target, made.external_id)
    assert [change.path for change in seen.beside] == [CONTENT]
    assert adapter.pins(target) != pins
    again = succeeded(adapter.update(target, seen, seen.beside, world.key()))
    again = succeeded(adapter.poll(target, again))
    assert again.external_id == "router@2"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert adapter.observe(target, "router@2").beside == ()
    assert list(adapter.check(target)) == []
    assert adapter.pins(target)["weights.path"]


def test_tampering_shows_in_the_plan(world: LocalWorld) -> None:
    make_light_base(world.folder / "theirs")
    target = imported(world)
    world.made(target)
    weights = registry(world).get("router").folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    found = world.adapter("Model").observe(target, "router@1")
    assert not found.ready
    assert "model.safetensors is not what was registered" in found.status


def test_an_alias_that_people_set_is_told(world: LocalWorld) -> None:
    make_light_base(world.folder / "theirs")
    target = imported(world)
    assert world.made(target).outputs["aliases"] == []
    registry(world).alias("router", 1, "champion")
    found = world.adapter("Model").observe(target, "router@1")
    assert (found.outputs["aliases"], found.outputs["aliased"]) == (["champion"], {"champion": 1})


def test_a_name_that_a_job_began_is_not_taken(world: LocalWorld) -> None:
    make_light_base(world.folder / "theirs")
    there = registry(world)
    make_light_base(there.staging("router", 1))
    there.commit(
        "router",
        1,
        owner="lineage-1/FineTuneJob/router",
        base=None,
        lineage={},
        metrics={},
        created_at="",
    )
    operation = world.made(imported(world))
    assert operation.status is OperationStatus.FAILED
    assert "belongs to lineage-1/FineTuneJob/router" in operation.message


def test_deleting_takes_the_imports_and_leaves_the_numbers(world: LocalWorld) -> None:
    make_light_base(world.folder / "theirs")
    target, adapter = imported(world), world.adapter("Model")
    world.made(target)
    seen = adapter.observe(target, None)
    adapter.delete(target, seen, world.key())
    assert adapter.observe(target, None) is None
    assert registry(world).versions("router") == ()
    assert world.made(target).external_id == "router@2"


def test_code_of_its_own_is_refused_until_it_is_declared(world: LocalWorld) -> None:
    folder = make_light_base(world.folder / "theirs")
    config = {"auto_map": {"AutoModelForCausalLM": "modeling.Own"}}
    (folder / "config.json").write_bytes(orjson.dumps(config))
    (folder / "modeling.py").write_text("class Own: ...")
    (found,) = world.adapter("Model").check(imported(world))
    assert "Python code of its own" in found.message
    succeeded(world.made(imported(world, trustRemoteCode=True)))
    version = registry(world).get("router")
    assert version.trust_remote_code
    assert "modeling.py" in version.files


@pytest.mark.parametrize("step", ["before it is registered", "before it is told"])
def test_an_import_that_is_killed_is_finished_once(
    world: LocalWorld, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    make_light_base(world.folder / "theirs")
    target, key = imported(world), world.key()
    whose, what = {
        "before it is registered": (Registry, "commit"),
        "before it is told": (Receipts, "put"),
    }[step]

    def killed(*arguments: object, **options: object) -> None:
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(whose, what, killed)
        begun = world.adapter("Model").create(target, key)
    assert begun.status is OperationStatus.RUNNING
    assert world.adapter("Model").observe(target, None) is None
    ended = succeeded(world.adapter("Model").poll(target, begun))
    assert ended.external_id == "router@1"
    assert registry(world).versions("router") == (1,)
    assert sorted(path.name for path in (registry(world).root / "router").iterdir()) == [
        "registry.json",
        "v1",
    ]


def test_an_endpoint_serves_a_base_with_code_only_where_it_is_declared(world: LocalWorld) -> None:
    folder = make_light_base(world.folder / "theirs")
    config = {"auto_map": {"AutoModelForCausalLM": "modeling.Own"}}
    (folder / "config.json").write_bytes(orjson.dumps(config))
    (folder / "modeling.py").write_text("class Own: ...")
    servables = Servables(world.provider.places)
    with pytest.raises(ModelError, match="Python code of its own"):
        servables.of(world.target("Endpoint", "chat", model={"base": "theirs"}))
    trusting = {"base": "theirs", "trustRemoteCode": True}
    assert servables.of(world.target("Endpoint", "chat", model=trusting)).trust_remote_code
