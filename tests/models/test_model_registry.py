"""The registry: whole revisions or none, numbers never given twice, tampering found and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from loopwright.disk import Disk
from loopwright.errors import ModelError
from loopwright.models.bases import resolve
from loopwright.models.card import card
from loopwright.models.registry import Registry
from loopwright.models.served import servable
from loopwright.models.version import BaseFacts, ModelVersion
from support.tiny_models import make_light_adapter, make_light_base

OWNER = "lineage/FineTuneJob/router"


class Killed(BaseException):
    """The process died here."""


@dataclass
class MortalDisk(Disk):
    """A disk whose process dies before its n-th system call."""

    lives: int
    calls: int = field(default=0)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in {
            "create",
            "sync_file",
            "sync_folder",
            "rename",
            "link",
            "remove",
            "make_folder",
        }:
            return self._mortal(found)
        return found

    def _mortal(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def done(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls > self.lives:
                raise Killed
            return call(*args, **kwargs)

        return done


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def committed(
    registry: Registry,
    *,
    content: bytes = b"tuned",
    run: str = "",
    owner: str = OWNER,
    base: BaseFacts | None = None,
    version: int | None = None,
    **facts: Any,
) -> ModelVersion:
    number = version or registry.next_version("router")
    staged = make_light_base(registry.staging("router", number), content=content)
    (staged / "training_args.bin").write_bytes(b"a pickle")
    (staged / "checkpoint-10").mkdir()
    (staged / "checkpoint-10" / "optimizer.pt").write_bytes(b"state")
    (staged / "loss.svg").write_text("<svg/>")
    return registry.commit(
        "router",
        number,
        owner=owner,
        base=base,
        lineage={"job": "FineTuneJob/router", "dataset": "set@v3", "seed": 0, **facts},
        metrics={"loss": 0.25, "steps": 40, "seconds": 12.5, "rows": 320},
        created_at="2026-01-01T00:00:00Z",
        run=run,
    )


def test_a_revision_is_read_back_as_it_was_committed(registry: Registry) -> None:
    made = committed(registry)
    assert registry.get("router") == registry.get("router", 1) == made
    assert made.label == "router@1"
    assert registry.names() == ("router",)
    registry.verify(made)


def test_nothing_but_the_model_gets_in(registry: Registry) -> None:
    made = committed(registry)
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "README.md",
        "config.json",
        "loss.svg",
        "model.json",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_the_card_says_where_it_comes_from_in_the_hubs_form(registry: Registry) -> None:
    base = BaseFacts("org/base", "1" * 40, "sha256:base")
    made = committed(registry, base=base, hyperparameters={"epochs": 3})
    text = (made.folder / "README.md").read_text()
    matter = yaml.safe_load(text.split("---\n")[1])
    assert matter["base_model"] == "org/base"
    assert matter["library_name"] == "transformers"
    assert matter["datasets"] == ["set@v3"]
    assert matter["model-index"][0]["results"][0]["metrics"] == [{"type": "loss", "value": 0.25}]
    for said in ("router@1", made.digest, "org/base at 1111", "| epochs | 3 |", "loss.svg"):
        assert said in text
    assert "| made by | FineTuneJob/router |" in text
    assert "| steps | 40 |" in text


@pytest.mark.parametrize(
    ("reference", "revision", "said"),
    [
        ("org/base@main", "1" * 40, f'from_pretrained("org/base", revision="{"1" * 40}")'),
        ("builtin:tiny-chat", "", "# base: loopwright models export builtin:tiny-chat --to base"),
        ("chat@2", "", "# base: loopwright models export chat@2 --to base"),
        ("./models/chat", "", "# base: a copy of the folder ./models/chat"),
    ],
)
def test_the_card_of_an_adapter_says_where_its_base_comes_from(
    registry: Registry, reference: str, revision: str, said: str
) -> None:
    base = BaseFacts(reference, revision, "sha256:base")
    text = card(replace(committed(registry, base=base), kind="adapter"))
    assert said in text


def test_equal_content_has_an_equal_digest_and_another_number(registry: Registry) -> None:
    first, second = committed(registry), committed(registry)
    assert (first.digest, first.version, second.version) == (second.digest, 1, 2)
    assert committed(registry, content=b"other").digest != first.digest


def test_the_same_run_never_makes_a_second_revision(registry: Registry) -> None:
    first = committed(registry, run="key-1")
    assert committed(registry, run="key-1", content=b"again") == first
    assert registry.versions("router") == (1,)
    assert registry.made_by("router", "key-1") == first


def test_a_number_that_another_run_took_is_followed_by_the_next(registry: Registry) -> None:
    committed(registry, run="key-1", version=1)
    assert committed(registry, run="key-2", version=1).version == 2


def test_a_name_belongs_to_who_began_it(registry: Registry) -> None:
    committed(registry)
    with pytest.raises(ModelError, match="belongs to lineage/FineTuneJob/router"):
        committed(registry, owner="lineage/Model/router")


def test_numbers_stay_used(registry: Registry) -> None:
    committed(registry)
    registry.remove("router", 1, owner=OWNER)
    assert registry.versions("router") == ()
    assert committed(registry).version == 2


def test_killed_at_any_step_there_is_no_revision_or_a_whole_one(tmp_path: Path) -> None:
    survived = False
    lives = 0
    while not survived:
        registry = Registry(tmp_path / str(lives), MortalDisk(lives))
        try:
            committed(registry, run="key")
            survived = True
        except Killed:
            pass
        again = Registry(registry.root)
        for number in again.versions("router"):
            again.verify(again.get("router", number))
        made = committed(again, run="key")
        again.verify(made)
        assert again.versions("router") == (made.version,)
        assert made.version == 1
        assert not list((registry.root / "router").glob(".staging*"))
        lives += 1
    assert lives > 15


@pytest.mark.parametrize("thorough", [True, False])
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_changed_file_is_named(registry: Registry, name: str, thorough: bool) -> None:
    made = committed(registry)
    path = made.folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=f"router@1 cannot be used: its file {name} is not"):
        registry.verify(made, thorough=thorough)


def test_a_missing_file_one_put_beside_and_a_changed_record_are_found(registry: Registry) -> None:
    made = committed(registry)
    (made.folder / "generation_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"generation_config\.json was put beside"):
        registry.verify(made)
    (made.folder / "generation_config.json").unlink()
    (made.folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        registry.verify(made)


def test_a_record_that_was_changed_is_found(registry: Registry) -> None:
    made = committed(registry)
    path = made.folder / "model.json"
    record = orjson.loads(path.read_bytes())
    (made.folder / "tokenizer.json").write_text("{}")
    again = registry.digests.files(made.folder, ["tokenizer.json"])["tokenizer.json"]
    record["files"]["tokenizer.json"] = {"sha256": again.sha256, "bytes": again.bytes}
    path.write_bytes(orjson.dumps(record))
    with pytest.raises(ModelError, match="its record was changed"):
        registry.verify(registry.get("router"))
    path.write_text("{")
    with pytest.raises(ModelError, match=r"model\.json: it is not the record"):
        registry.get("router")


def test_aliases_move_and_never_look_like_numbers(registry: Registry) -> None:
    committed(registry)
    committed(registry)
    registry.alias("router", 1, "champion")
    registry.alias("router", 2, "champion")
    registry.alias("router", 2, "stable")
    assert registry.get("router", "champion").version == 2
    assert registry.aliases_of(registry.get("router", 2)) == ["champion", "stable"]
    assert registry.aliases_of(registry.get("router", 1)) == []
    registry.remove_alias("router", "stable")
    assert registry.aliases("router") == {"champion": 2}
    for bad in ("3", "v3", "latest", "", "a/b", "Champion"):
        with pytest.raises(ModelError, match="cannot be an alias"):
            registry.alias("router", 1, bad)
    with pytest.raises(ModelError, match="no router@9"):
        registry.alias("router", 9, "champion")
    with pytest.raises(ModelError, match="has no alias 'stable'"):
        registry.remove_alias("router", "stable")


def test_pruning_keeps_the_newest_and_whatever_is_in_use(registry: Registry) -> None:
    first = committed(registry, content=b"1")
    for content in (b"2", b"3", b"4", b"5"):
        committed(registry, content=content)
    registry.alias("router", 2, "champion")
    base = BaseFacts(first.label, "", first.digest)
    committed(registry, content=b"6", base=base)
    gone = registry.prune("router", 2, protected={"router@3"})
    assert [found.version for found in gone] == [4]
    assert registry.versions("router") == (1, 2, 3, 5, 6)
    assert registry.next_version("router") == 7


def test_an_adapter_is_served_on_the_base_it_was_made_on_and_on_no_other(
    registry: Registry, tmp_path: Path
) -> None:
    folder = make_light_base(tmp_path / "base")
    base = resolve("base", project=tmp_path, environ={}, pins=registry.pins)
    make_light_adapter(registry.staging("router", 1), base="/elsewhere/base")
    made = registry.commit(
        "router",
        1,
        owner=OWNER,
        base=BaseFacts(base.reference, base.revision, base.digest),
        lineage={},
        metrics={},
        created_at="",
    )
    served = servable(made, registry=registry, project=tmp_path, environ={})
    assert (served.label, served.digest) == ("router@1", made.digest)
    assert (served.weights, served.adapter) == (folder, made.folder)
    assert served.weights_digest == base.digest
    config = orjson.loads((made.folder / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == "base"
    make_light_base(folder, content=b"other weights")
    with pytest.raises(ModelError, match=r"was made on base .* but that is"):
        servable(made, registry=registry, project=tmp_path, environ={})


def test_a_full_model_and_a_base_serve_themselves(registry: Registry, tmp_path: Path) -> None:
    made = committed(registry)
    served = servable(made, registry=registry, project=tmp_path, environ={})
    assert (served.weights, served.adapter) == (made.folder, None)
    assert served.weights_digest == served.digest == made.digest
    make_light_base(tmp_path / "base")
    base = resolve("base", project=tmp_path, environ={}, pins=registry.pins)
    plain = servable(base, registry=registry, project=tmp_path, environ={})
    assert (plain.label, plain.digest) == ("base", base.digest)


def test_the_same_weights_on_another_base_are_another_model(
    registry: Registry, tmp_path: Path
) -> None:
    digests = set()
    for number, base in enumerate(("sha256:one", "sha256:two"), 1):
        make_light_adapter(registry.staging("router", number), base="b")
        made = registry.commit(
            "router",
            number,
            owner=OWNER,
            base=BaseFacts("b", "", base),
            lineage={},
            metrics={},
            created_at="",
        )
        digests.add(made.digest)
    assert len(digests) == 2
