"""Sequences that join and leave at random times get the tokens that each would get alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers as hf

from loopwright.serving.embedded.joined_rows import JoinedRows, can_join
from loopwright.serving.embedded.rows import Rows
from loopwright.serving.embedded.separate_rows import SeparateRows

VOCABULARY, WINDOW, MOST = 97, 8, 6
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "initializer_range": 0.3, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0,
}  # fmt: skip
OLDER = {
    "vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256,
    "initializer_range": 0.3, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip


def make(kind: str) -> Any:
    models = {
        "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(head_dim=8, **SHAPE)),
        "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**SHAPE)),
        "sliding": lambda: hf.MistralForCausalLM(hf.MistralConfig(sliding_window=WINDOW, **SHAPE)),
        "mixed": lambda: hf.Gemma2ForCausalLM(
            hf.Gemma2Config(sliding_window=WINDOW, head_dim=8, query_pre_attn_scalar=8, **SHAPE)
        ),
        "learned positions": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**OLDER)),
        "convolution": lambda: hf.Lfm2ForCausalLM(
            hf.Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"])
        ),
        "recurrent": lambda: hf.MambaForCausalLM(
            hf.MambaConfig(
                vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=8,
                initializer_range=0.3, bos_token_id=None, eos_token_id=None,
            )
        ),
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return models[kind]().eval()


def rows_of(model: Any) -> Rows:
    if can_join(model):
        return JoinedRows(model, token_bytes=8, most=MOST)
    return SeparateRows(model, token_bytes=8)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("kind", ["qwen3", "mixed", "learned positions", "convolution"])
def test_tokens_are_those_of_generate(kind: str) -> None:
    assert_like_alone(kind, seed=1, count=8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "kind",
    ["qwen3", "llama", "sliding", "mixed", "learned positions", "convolution", "recurrent"],
)
def test_tokens_are_those_of_generate_at_length(kind: str, seed: int) -> None:
    assert_like_alone(kind, seed=seed + 10, count=20)


def assert_like_alone(kind: str, *, seed: int, count: int) -> None:
    model, dice = make(kind), random.Random(seed)
    prompts = [
        [dice.randrange(1, VOCABULARY) for _ in range(dice.choice([1, 2, 5, 9, 30, 70]))]
        for _ in range(count)
    ]
    lengths = [dice.choice([1, 3, 8, 20, 70]) for _ in prompts]
    expected = [alone(model, *each) for each in zip(prompts, lengths, strict=True)]
    rows = rows_of(model)

    assert together(rows, prompts, lengths, dice) == expected
    assert rows.count == 0


def alone(model: Any, prompt: list[int], length: int) -> list[int]:
    given = torch.tensor([prompt])
    made = model.generate(
        given, attention_mask=torch.ones_like(given), max_new_tokens=length, do_sample=False
    )
    return list(made[0, len(prompt) :].tolist())


def together(
    rows: Rows, prompts: list[list[int]], lengths: list[int], dice: random.Random
) -> list[list[int]]:
    made: list[list[int]] = [[] for _ in prompts]
    waiting, live = list(range(len(prompts))), []
    while waiting or live:
        if waiting and len(live) < MOST and (not live or dice.random() < 0.4):
            new = waiting[: min(dice.choice([1, 2, 3]), MOST - len(live))]
            del waiting[: len(new)]
            live += new
            logits = rows.join([prompts[number] for number in new], width=140)
            for number, row in zip(new, logits, strict=True):
                made[number].append(int(row.argmax()))
        for row in range(len(live) - 1, -1, -1):
            if len(made[live[row]]) >= lengths[live[row]]:
                rows.leave(row)
                last = live.pop()
                if row < len(live):
                    live[row] = last
        if live:
            logits = rows.step([made[number][-1] for number in live])
            for number, row in zip(live, logits, strict=True):
                made[number].append(int(row.argmax()))
    return made


def test_memory_is_bounded_by_what_was_promised() -> None:
    model = make("qwen3")
    rows = rows_of(model)
    promised = rows.bytes_for(5, 100)
    rows.join([[1, 2, 3]] * 2, width=100)
    for _ in range(40):
        rows.step([1] * rows.count)
    rows.join([[4] * 60] * 3, width=100)
    while rows.count:
        rows.leave(0)
    assert rows.held_bytes <= promised
