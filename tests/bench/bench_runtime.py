"""The embedded runtime under 16 concurrent chats, against transformers' generate one by one.

Run with `pytest -m bench -n 0 -s tests/bench/bench_runtime.py`. Both answer the same prompts
greedily with the same tokens and one thread, in turns of one run; figures are medians of
LOOPWRIGHT_BENCH_ROUNDS (3). Ours is the CPU time of the whole serving process as the kernel
accounts it: HTTP, chat template, tokenizer, model and text. The peer's is that of `generate`
alone, given tokens, so it is flattered.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from statistics import median

import aiohttp
import pytest

from loopwright.serving.launch import Launched
from loopwright.serving.settings import RuntimeSettings
from support.tiny_models import make_base

pytestmark = pytest.mark.bench

ROUNDS = int(os.environ.get("LOOPWRIGHT_BENCH_ROUNDS", "3"))
CHATS, TOKENS, REPEATS = 16, 20, 3
QUESTIONS = [
    "my bill is wrong, please correct the invoice" + " and answer soon" * (number % 5)
    for number in range(CHATS)
]


@pytest.mark.parametrize(
    ("hidden", "layers", "floor"), [(128, 2, 3.0), (512, 8, 3.0)], ids=["tiny", "20M"]
)
def test_chats_per_cpu_second(tmp_path: Path, hidden: int, layers: int, floor: float) -> None:
    weights = make_base(tmp_path / "base", hidden=hidden, layers=layers)
    settings = RuntimeSettings(weights=weights, label="base", announce=tmp_path / "announced.json")
    peer = _Generate(weights)
    with Launched(settings, folder=tmp_path) as runtime:
        runtime.wait()
        asyncio.run(_ask(runtime, repeats=1))  # both warm
        peer.answer()
        ours, theirs = [], []
        for _ in range(ROUNDS):
            before = _cpu(runtime.pid)
            made = asyncio.run(_ask(runtime, repeats=REPEATS))
            ours.append(made / (_cpu(runtime.pid) - before))
            begun = time.process_time()
            made = peer.answer()
            theirs.append(made / (time.process_time() - begun))
    ratio = median(ours) / median(theirs)
    print(
        f"\n{peer.parameters / 1e6:.1f} M parameters, {CHATS} chats of {TOKENS} tokens, "
        f"tokens per CPU second: ours {median(ours):.0f}, generate {median(theirs):.0f}: "
        f"{ratio:.1f} times"
    )
    assert ratio >= floor


class _Generate:
    """The peer: one prompt after the other."""

    def __init__(self, weights: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(1)
        self._model = AutoModelForCausalLM.from_pretrained(weights).eval()
        tokenizer = AutoTokenizer.from_pretrained(weights)
        self._prompts = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": question}],
                add_generation_prompt=True, return_tensors="pt", return_dict=True,
            )
            for question in QUESTIONS
        ]  # fmt: skip
        self.parameters = self._model.num_parameters()

    def answer(self) -> int:
        """Tokens made."""
        for prompt in self._prompts:
            made = self._model.generate(
                **prompt, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False
            )
            assert made.shape[1] == prompt["input_ids"].shape[1] + TOKENS
        return CHATS * TOKENS


async def _ask(runtime: Launched, *, repeats: int) -> int:
    headers = {"authorization": f"Bearer {runtime.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        counts = await asyncio.gather(
            *(_chat(session, runtime.url, question, repeats) for question in QUESTIONS)
        )
    return sum(counts)


async def _chat(session: aiohttp.ClientSession, url: str, question: str, repeats: int) -> int:
    body = {
        "model": "base",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": TOKENS,
        "temperature": 0,
        "logit_bias": {"2": -100},  # no end before its time, as the peer's min_new_tokens
    }
    made = 0
    for _ in range(repeats):
        async with session.post(f"{url}/v1/chat/completions", json=body) as response:
            told = await response.json()
            assert response.status == 200, told
            made += told["usage"]["completion_tokens"]
    return made


def _cpu(pid: int | None) -> float:
    """Seconds of CPU that the process took so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
