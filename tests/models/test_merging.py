"""Exports that plain transformers and PEFT load: merged answers as the adapter on its base does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from loopwright.models.bases import Base, resolve
from loopwright.models.exporting import export
from loopwright.models.registry import Registry
from loopwright.models.version import BaseFacts, ModelVersion
from support.tiny_models import make_adapter, make_base


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, ModelVersion, Base]:
    folder = tmp_path_factory.mktemp("merging")
    make_base(folder / "base")
    (folder / "base/README.md").write_text("---\nlicense: apache-2.0\n---\n")
    registry = Registry(folder / "registry")
    base = resolve("base", project=folder, environ={}, pins=registry.pins)
    make_adapter(base.folder, registry.staging("router", 1))
    made = registry.commit(
        "router",
        1,
        owner="lineage/FineTuneJob/router",
        base=BaseFacts(base.reference, base.revision, base.digest),
        lineage={"job": "FineTuneJob/router"},
        metrics={},
        created_at="2026-01-01T00:00:00Z",
    )
    return registry, made, base


def test_a_merged_model_answers_as_the_adapter_on_its_base(
    tuned: tuple[Registry, ModelVersion, Base], tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    registry, version, base = tuned
    form = export(version, tmp_path / "merged", registry=registry, base=base, merged=True)
    assert form == "merged"
    export(version, tmp_path / "adapter", registry=registry, base=base, merged=False)

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    asked = [{"role": "user", "content": "my bill is wrong"}]
    tokens = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    bare = AutoModelForCausalLM.from_pretrained(base.folder)
    with torch.no_grad():
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")(**tokens).logits
        before = bare(**tokens).logits
        put_on = PeftModel.from_pretrained(bare, tmp_path / "adapter")(**tokens).logits
    assert (merged - put_on).abs().max() < 1e-4
    assert (merged - before).abs().max() > 1e-2

    card = (tmp_path / "merged" / "README.md").read_text()
    assert f"The adapter router@1 ({version.digest}), merged into the weights of its base." in card
    assert "library_name: transformers" in card
    assert "license: apache-2.0" in card


def test_the_code_on_the_card_of_an_adapter_runs(
    tuned: tuple[Registry, ModelVersion, Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, version, base = tuned
    export(version, tmp_path / "adapter", registry=registry, base=base, merged=False)
    shutil.copytree(base.folder, tmp_path / "adapter/base")
    monkeypatch.chdir(tmp_path / "adapter")
    card = Path("README.md").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    exec(card.partition("```python\n")[2].partition("```")[0], found)
    assert found["model"].peft_config
    assert found["tokenizer"].chat_template


def test_an_adapter_that_does_not_fit_leaves_nothing(
    tuned: tuple[Registry, ModelVersion, Base], tmp_path: Path
) -> None:
    from dataclasses import replace

    from loopwright.errors import ModelError

    registry, version, base = tuned
    wide = make_base(tmp_path / "wide", hidden=64)
    with pytest.raises(ModelError, match="cannot put router@1 on its base"):
        export(
            version,
            tmp_path / "out",
            registry=registry,
            base=replace(base, folder=wide),
            merged=True,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["wide"]


def test_the_same_arguments_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = make_base(tmp_path / "a"), make_base(tmp_path / "b")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
