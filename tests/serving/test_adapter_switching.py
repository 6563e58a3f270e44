"""Adapters merged into copies, or run by PEFT beside the base: the same logits either way."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from loopwright.errors import ServingError
from loopwright.serving.embedded.adapters import MOST_MERGED, Adapters
from support.tiny_models import make_adapter, make_base

TOKENS = torch.arange(3, 23).unsqueeze(0)
LABELS = ("one@1", "two@1", "dora@1", "tied@1")
MERGED = {"one@1", "two@1"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    base = make_base(folder / "base")
    for number, label in enumerate(LABELS[:2]):
        make_adapter(base, folder / label, seed=number)
    for label, more in (("dora@1", {"use_dora": True}), ("tied@1", {})):
        torch.manual_seed(1)
        targets = ["q_proj", "lm_head"] if label == "tied@1" else ["q_proj", "down_proj"]
        config = LoraConfig(r=4, target_modules=targets, init_lora_weights=False, **more)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
        model.save_pretrained(folder / label, save_embedding_layers=False)
    return folder


def logits(model: Any) -> Any:
    with torch.inference_mode():
        return model(input_ids=TOKENS).logits


@pytest.fixture(scope="module")
def expected(models: Path) -> dict[str | None, Any]:
    """What PEFT makes of each adapter by itself."""

    def fresh() -> Any:
        return AutoModelForCausalLM.from_pretrained(models / "base")

    found = {label: logits(PeftModel.from_pretrained(fresh(), models / label)) for label in LABELS}
    return {None: logits(fresh()), **found}


@pytest.mark.filterwarnings("ignore")  # PEFT on adapters of tied embeddings
@pytest.mark.parametrize("most_merged", [MOST_MERGED, 0])
def test_every_adapter_answers_as_by_itself_whatever_was_used_before(
    models: Path, expected: dict[str | None, Any], most_merged: int
) -> None:
    model = AutoModelForCausalLM.from_pretrained(models / "base")
    adapters = Adapters(model, most_merged=most_merged)
    with torch.inference_mode():
        for label in LABELS:
            adapters.add(label, models / label)
        assert set(adapters._changes) == (MERGED if most_merged else set())
        for label in (*LABELS, None, *reversed(LABELS), "one@1", None):
            adapters.use(label)
            torch.testing.assert_close(logits(model), expected[label], atol=1e-5, rtol=1e-5)
        for label in LABELS:
            adapters.use(label)
            adapters.remove(label)
            torch.testing.assert_close(logits(model), expected[None], atol=0, rtol=0)
        assert adapters.held_bytes == 0


def test_an_adapter_that_does_not_fit_leaves_the_model_as_it_was(
    models: Path, expected: dict[str | None, Any], tmp_path: Path
) -> None:
    model = AutoModelForCausalLM.from_pretrained(models / "base")
    names = [name for name, _ in model.named_modules()]
    adapters = Adapters(model)
    wider = make_adapter(make_base(tmp_path / "wider", hidden=64), tmp_path / "adapter")
    biased = shutil.copytree(models / "one@1", tmp_path / "biased")
    config = orjson.loads((biased / "adapter_config.json").read_bytes())
    (biased / "adapter_config.json").write_bytes(orjson.dumps({**config, "bias": "all"}))

    for folder, words in ((wider, "cannot put"), (biased, "biases"), (tmp_path, "no adapter")):
        with pytest.raises(ServingError, match=words):
            adapters.add("broken", folder)
        assert [name for name, _ in model.named_modules()] == names
        assert torch.equal(logits(model), expected[None])
    adapters.add("one@1", models / "one@1")
    adapters.use("one@1")
    torch.testing.assert_close(logits(model), expected["one@1"], atol=1e-5, rtol=1e-5)
