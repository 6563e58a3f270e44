"""Makes `builtin:tiny-chat` again: `python -m loopwright.models.builtin.making FOLDER`.

Not used by the product: it ships what this wrote. Some ten minutes on one core; the same weights on
the same machine and torch.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

from loopwright.models.builtin.corpus import WORDS, Chat, chats

SEED = 20261122
STEPS, BATCH, LEARNING_RATE, WARM_UP = 3000, 32, 3e-3, 100
CHATS = 100_000
VOCABULARY = 2048
CONTEXT = 1024
_TIMES = 200
"""How often the tokenizer is shown each line of words: as often as a usual phrase."""
PROMPT_WEIGHT = 0.1
"""Of the loss on what is asked, beside 1 on what is answered: words are learned there too."""
PAD, START, END = "<|pad|>", "<|im_start|>", "<|im_end|>"
TEMPLATE = """\
{%- if tools %}{{ '<|im_start|>system\\nTools: ' + tools | tojson + '<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' %}
{%- generation %}{{ message['content'] or '' }}
{%- for call in message.get('tool_calls') or [] %}
{{- '<tool_call>' + {'name': call['function']['name'], 'arguments': call['function']['arguments']} | tojson + '</tool_call>' }}
{%- endfor %}{{ '<|im_end|>' }}{% endgeneration %}
{%- else %}{{ message['content'] + '<|im_end|>' }}{% endif %}
{{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""


def make(folder: Path, *, steps: int = STEPS) -> None:
    """Train tokenizer and weights, and write them as a Hugging Face folder."""
    for name, value in {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}.items():
        os.environ[name] = value
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    corpus = list(chats(CHATS, seed=SEED))
    tokenizer = _tokenizer(corpus)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=288,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
            initializer_range=0.08,  # about 1/sqrt(hidden): with 0.02 a model so small hardly learns
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    sys.stdout.write(f"{model.num_parameters():,} parameters, {len(tokenizer):,} tokens\n")
    _train(model, [_encoded(tokenizer, chat) for chat in corpus], steps)
    _round(model)
    model.generation_config.do_sample = False
    model.save_pretrained(folder, max_shard_size="1GB")
    tokenizer.save_pretrained(folder)
    _pack(folder / "tokenizer.json")


def _tokenizer(corpus: list[Chat]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        [*WORDS * _TIMES, *(message["content"] for chat in corpus[:20_000] for message in chat)],
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[PAD, START, END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=END,
        chat_template=TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def _encoded(tokenizer: Any, chat: Chat) -> tuple[list[int], list[float]]:
    """Tokens, and the weight of each in the loss."""
    tokens: list[int] = []
    weights: list[float] = []
    for message in chat:
        is_answer = message["role"] == "assistant"
        head = tokenizer.encode(f"{START}{message['role']}\n", add_special_tokens=False)
        body = tokenizer.encode(f"{message['content']}{END}", add_special_tokens=False)
        tail = tokenizer.encode("\n", add_special_tokens=False)
        tokens += head + body + tail
        weights += [0.0] * len(head) + [1.0 if is_answer else PROMPT_WEIGHT] * len(body)
        weights += [0.0] * len(tail)
    return tokens, weights


def _train(model: Any, rows: list[tuple[list[int], list[float]]], steps: int) -> None:
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate)
    batches = torch.Generator().manual_seed(SEED)
    model.train()
    for step in range(steps):
        chosen = torch.randint(len(rows), (BATCH,), generator=batches).tolist()
        loss = _loss(model, [rows[index] for index in chosen])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            sys.stdout.write(f"step {step:,} of {steps:,}, loss {loss.item():.3f}\n")
            sys.stdout.flush()


def _rate(step: int) -> float:
    """A warm-up, then half a cosine down to nothing."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (STEPS - WARM_UP)))


def _loss(model: Any, rows: list[tuple[list[int], list[float]]]) -> Any:
    import torch

    longest = max(len(tokens) for tokens, _ in rows)
    tokens = torch.zeros((len(rows), longest), dtype=torch.long)
    weights = torch.zeros((len(rows), longest))
    for place, (row, weight) in enumerate(rows):
        tokens[place, : len(row)] = torch.tensor(row)
        weights[place, : len(row)] = torch.tensor(weight)
    # Padding stands on the right, so that a causal model needs no mask for it.
    logits = model(input_ids=tokens).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1), reduction="none"
    )
    kept = weights[:, 1:].reshape(-1)
    return (losses * kept).sum() / kept.sum()


def _round(model: Any) -> None:
    """To what bfloat16 can say: the file holds float32, and packs to half its size."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16).float())


def _pack(path: Path) -> None:
    """On one line: nobody reads it."""
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(
        json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m loopwright.models.builtin.making FOLDER\n")
        return 2
    folder = Path(arguments[1])
    make(folder)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    sys.stdout.write(json.dumps(sizes) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
