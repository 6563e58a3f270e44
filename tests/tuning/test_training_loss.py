"""What the trainer minimises, against the same loss worked out with bare torch."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from torch.nn.functional import cross_entropy

from loopwright.errors import TuningError
from loopwright.tuning.hyperparameters import Method, parse
from loopwright.tuning.outcome import RESULT, Tuned
from loopwright.tuning.progress import METRICS, MetricsFile, read_points
from loopwright.tuning.settings import RunSettings
from loopwright.tuning.training.preparing import prepare
from loopwright.tuning.training.reporting import Reporting
from loopwright.tuning.training.running import Place, load, make_trainer, train
from support.tiny_models import make_base

TALKS = [
    [
        {"role": "user", "content": "the parcel never came"},
        {"role": "assistant", "content": "which parcel?", "loss_weight": 0.25},
        {"role": "user", "content": "the robot vacuum"},
        {"role": "assistant", "content": "shipping"},
    ],
    [{"role": "user", "content": "my bill"}, {"role": "assistant", "content": "billing, high"}],
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def _settings(
    base: Path, folder: Path, talks: list[Any], written: dict[str, Any], method: Method = "full"
) -> RunSettings:
    rows = folder / "train.jsonl"
    rows.write_bytes(b"".join(orjson.dumps({"messages": talk}) + b"\n" for talk in talks))
    settings = RunSettings(
        base=base,
        base_name="tiny",
        method=method,
        hyperparameters=parse(written, method),
        train=(rows,),
        run_folder=folder / "run",
        output_folder=folder / "model",
        device="cpu",
    )
    settings.run_folder.mkdir()
    settings.write(settings.run_folder / "settings.json")
    assert RunSettings.read(settings.run_folder / "settings.json") == settings
    return settings


@pytest.mark.parametrize("packing", ["lengthBuckets", "packed"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_token_counts_by_its_weight(
    base: Path, tmp_path: Path, packing: str, method: Method
) -> None:
    settings = _settings(
        base, tmp_path, TALKS, {"packing": packing, "maxSteps": 1, "batchSize": 2}, method
    )
    loaded = load(settings, None)
    prepared = prepare(settings, loaded.tokenizer, loaded.template, longest=256)
    reporting = Reporting(
        MetricsFile(tmp_path / METRICS),
        settings.hyperparameters,
        resumed=None,
        stop=threading.Event(),
        writes=False,
    )
    trainer = make_trainer(settings, loaded, prepared, reporting, Place(), 256)
    batch = next(iter(trainer.get_train_dataloader()))
    trainer.model.train()
    ours = trainer.compute_loss(trainer.model, batch)

    weighted, learnt = 0.0, 0
    for sample in prepared.train.samples:
        ids, labels = (torch.from_numpy(each)[None] for each in (sample.input_ids, sample.labels))
        logits = trainer.model(input_ids=ids).logits
        each = cross_entropy(logits[0, :-1], labels[0, 1:], reduction="none", ignore_index=-100)
        shares = torch.ones(len(sample)) if sample.weights is None else torch.tensor(sample.weights)
        weighted += float((each.detach() * shares[1:]).sum())
        learnt += int((labels[0, 1:] != -100).sum())
    assert ours.item() == pytest.approx(weighted / learnt, rel=1e-4)


def test_a_loss_that_is_no_number_ends_the_run_with_what_to_do(base: Path, tmp_path: Path) -> None:
    written = {"maxSteps": 40, "learningRate": 1.0, "maxGradNorm": 0, "warmupSteps": 0}
    settings = _settings(base, tmp_path, TALKS, written)
    loaded = load(settings, None)
    model = loaded.model
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(float("inf"))
    model.save_pretrained(tmp_path / "broken")
    loaded.tokenizer.save_pretrained(tmp_path / "broken")
    broken = RunSettings(**{**_fields(settings), "base": tmp_path / "broken"})
    with pytest.raises(TuningError, match="diverged") as caught:
        train(broken, Place(), threading.Event())
    assert "learningRate" in str(caught.value.hint)


def _fields(settings: RunSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in RunSettings.__dataclass_fields__}


def test_a_run_gives_a_plain_folder_without_pickles(base: Path, tmp_path: Path) -> None:
    settings = _settings(base, tmp_path, TALKS, {"maxSteps": 2, "batchSize": 1})
    assert train(settings, Place(), threading.Event())
    tuned = Tuned.read(settings.run_folder / RESULT)
    assert tuned is not None
    assert tuned.rows == {
        "read": 2,
        "trained": 2,
        "validation": 0,
        "tooLong": 0,
        "nothingToLearn": 0,
    }
    assert sorted(path.name for path in tuned.folder.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    last = read_points(settings.run_folder / METRICS)[-1]
    assert (last.step, last.steps, last.tokens) == (2, 2, tuned.tokens)


def test_a_tuned_model_ends_its_turn_and_pads_with_tokens_that_it_has(
    base: Path, tmp_path: Path
) -> None:
    """A base that knows neither: as those that were made to go on and on."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    turn_end = tokenizer.eos_token_id
    tokenizer.eos_token, tokenizer.pad_token = "<|im_start|>", None
    model = AutoModelForCausalLM.from_pretrained(base)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = None
    model.save_pretrained(tmp_path / "endless")
    tokenizer.save_pretrained(tmp_path / "endless")
    plain = _settings(base, tmp_path, TALKS, {"maxSteps": 1})
    loaded = load(RunSettings(**{**_fields(plain), "base": tmp_path / "endless"}), None)
    assert loaded.tokenizer.eos_token_id == turn_end
    assert loaded.model.generation_config.eos_token_id == [turn_end, tokenizer.eos_token_id]
    assert loaded.tokenizer.pad_token_id == loaded.model.generation_config.pad_token_id
    assert loaded.tokenizer.pad_token_id is not None
    assert len(loaded.tokenizer) == loaded.model.get_input_embeddings().weight.shape[0]
