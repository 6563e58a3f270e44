"""Training: our child against a plain TRL script with the same arguments, and length buckets.

CPU seconds of whole child processes (user and system, from the kernel), as the difference between
a long run and a short one, so that imports and loading fall out; interleaved, the least of the
rounds. Tokens are the same on both sides: runs are whole epochs of the same rows.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.tuning.hyperparameters import Method, parse
from loopwright.tuning.settings import RunSettings
from support.tiny_models import TEXTS, make_base, make_tokenizer

pytestmark = pytest.mark.bench

_PLAIN = Path(__file__).parent.parent / "support" / "plain_trl.py"
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}


@dataclass(frozen=True)
class Case:
    """A model, rows, and two lengths of run, in whole epochs of `rows / batch` steps."""

    base: Path
    rows: Path
    steps: int
    short: int
    batch: int
    tokens: int
    """Of all rows."""

    def settings(self, folder: Path, steps: int, method: Method, packing: str) -> RunSettings:
        written = {
            "maxSteps": steps,
            "batchSize": self.batch,
            "learningRate": 1e-3,
            "warmupSteps": 3,
            "packing": packing,
            "checkpointSteps": 10**6,
        }
        return RunSettings(
            base=self.base,
            base_name="bench",
            method=method,
            hyperparameters=parse(written, method),
            train=(self.rows,),
            run_folder=folder / "run",
            output_folder=folder / "model",
            device="cpu",
        )


def _rows(path: Path, base: Path, lengths: Iterator[int]) -> int:
    """Rows whose user says so many words; the tokens of all."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    chance = random.Random(0)
    words = " ".join(TEXTS).split()
    tokens = 0
    with path.open("wb") as file:
        for length in lengths:
            talk = [
                {"role": "user", "content": " ".join(chance.choices(words, k=length))},
                {"role": "assistant", "content": TEXTS[4 + length % 2]},
            ]
            file.write(orjson.dumps({"messages": talk}) + b"\n")
            tokens += len(tokenizer.apply_chat_template(talk)["input_ids"])
    return tokens


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """2 layers of 128; 300 steps of 16 rows of about 60 tokens."""
    folder = tmp_path_factory.mktemp("tiny")
    base = make_base(folder / "base", hidden=128, layers=2)
    chance = random.Random(1)
    tokens = _rows(folder / "rows.jsonl", base, (chance.randint(8, 16) for _ in range(480)))
    return Case(base, folder / "rows.jsonl", steps=300, short=30, batch=16, tokens=tokens)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """About 100 million parameters: 12 layers of 768; 10 steps of 4 rows."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("large")
    tokenizer = make_tokenizer()
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=768,
        intermediate_size=2_560,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_key_value_heads=12,
        head_dim=64,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config)
    print(f"\nlarge model: {model.num_parameters() / 1e6:.0f} M parameters")
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    tokens = _rows(folder / "rows.jsonl", folder / "base", (12 for _ in range(8)))
    return Case(folder / "base", folder / "rows.jsonl", steps=12, short=2, batch=4, tokens=tokens)


def _cpu_seconds(command: list[str]) -> float:
    """Run a child to its end; its CPU time."""
    process = os.posix_spawn(sys.executable, [sys.executable, *command], os.environ | _ENVIRONMENT)
    _, status, usage = os.wait4(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, command
    return usage.ru_utime + usage.ru_stime


def _ours(settings: RunSettings, folder: Path) -> float:
    settings.run_folder.mkdir(parents=True)
    settings.write(folder / "told.json")
    return _cpu_seconds(["-P", "-m", "loopwright.tuning", str(folder / "told.json")])


def _plain(settings: RunSettings, folder: Path) -> float:
    folder.mkdir(parents=True)
    settings.write(folder / "told.json")
    return _cpu_seconds([str(_PLAIN), str(folder / "told.json"), str(folder / "model")])


Runner = Callable[[RunSettings, Path], float]


def _per_thousand(
    case: Case, runner: Runner, folder: Path, method: Method, packing: str = "none"
) -> float:
    """CPU seconds per 1,000 tokens of training proper."""
    spent = [
        runner(case.settings(folder / str(steps), steps, method, packing), folder / str(steps))
        for steps in (case.short, case.steps)
    ]
    rows = case.rows.read_bytes().count(b"\n")
    epochs = (case.steps - case.short) * case.batch / rows
    return (spent[1] - spent[0]) / (case.tokens * epochs) * 1_000


def _compare(
    case: Case, folder: Path, rounds: int, sides: dict[str, tuple[Runner, Method, str]]
) -> dict[str, float]:
    least: dict[str, float] = {}
    for at in range(rounds):
        names = list(sides) if at % 2 == 0 else list(reversed(sides))
        for name in names:
            runner, method, packing = sides[name]
            spent = _per_thousand(case, runner, folder / f"{name}-{at}", method, packing)
            print(f"\n  round {at + 1}, {name}: {spent:.3f} CPU s per 1,000 tokens", end="")
            least[name] = min(spent, least.get(name, spent))
    return least


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize(("size", "rounds"), [("tiny", 2), ("large", 2)])
def test_our_child_costs_no_more_than_a_plain_script(
    request: pytest.FixtureRequest, tmp_path: Path, size: str, rounds: int, method: Method
) -> None:
    case: Case = request.getfixturevalue(size)
    sides: dict[str, tuple[Runner, Any, str]] = {
        "ours": (_ours, method, "none"),
        "plain": (_plain, method, "none"),
    }
    least = _compare(case, tmp_path, rounds, sides)
    ratio = least["ours"] / least["plain"]
    print(
        f"\n{size} {method}: ours {least['ours']:.3f}, plain TRL {least['plain']:.3f} CPU s per "
        f"1,000 tokens, ratio {ratio:.2f} (bound 1.05)"
    )
    assert ratio <= 1.05


def test_length_buckets_save_a_fifth_on_a_mix_of_lengths(tmp_path: Path) -> None:
    """Log-normal lengths, median 25 words, sigma 0.8: many short rows, few long ones."""
    base = make_base(tmp_path / "base", hidden=128, layers=2, context=1_024)
    chance = random.Random(2)
    lengths = (min(150, max(3, round(25 * chance.lognormvariate(0, 0.8)))) for _ in range(480))
    tokens = _rows(tmp_path / "rows.jsonl", base, lengths)
    case = Case(base, tmp_path / "rows.jsonl", steps=210, short=30, batch=16, tokens=tokens)
    sides: dict[str, tuple[Runner, Any, str]] = {
        "buckets": (_ours, "full", "lengthBuckets"),
        "none": (_ours, "full", "none"),
    }
    least = _compare(case, tmp_path, 2, sides)
    ratio = least["buckets"] / least["none"]
    print(
        f"\nlength buckets {least['buckets']:.3f}, without {least['none']:.3f} CPU s per 1,000 "
        f"tokens, ratio {ratio:.2f} (bound 0.8)"
    )
    assert ratio <= 0.8
