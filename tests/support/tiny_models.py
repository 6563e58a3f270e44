"""Tiny random models that load like any other: made from a config in a moment, never downloaded.

torch and transformers are imported when a model is made, not when this module is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{% generation %}{{ (message['content'] or '') + '<|im_end|>' }}{% endgeneration %}"
    "{%- else %}{{ (message['content'] or '') + '<|im_end|>' }}{%- endif %}"
    "{{ '\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}"
)
TEXTS = (
    "the parcel never came and nobody answers",
    "my bill is wrong, please correct the invoice",
    "I cannot sign in to my account any more",
    "the robot vacuum does not charge after the update",
    '{"queue": "billing", "priority": "high", "site": "berlin"}',
    '{"queue": "shipping", "priority": "low", "site": "paris"}',
    "user assistant system answer with one word only",
)
"""What the tokenizer is trained on unless a test gives texts of its own."""
SPECIAL = ("<|pad|>", "<|im_start|>", "<|im_end|>")


def make_base(
    folder: Path,
    *,
    seed: int = 0,
    hidden: int = 32,
    layers: int = 1,
    context: int = 256,
    texts: Sequence[str] = TEXTS,
    vocabulary: int = 400,
    template: str = CHAT_TEMPLATE,
) -> Path:
    """A Qwen3-style model with random weights, tokenizer and chat template, in `folder`.

    The same arguments give the same bytes. Two attention heads, so `hidden` is even.
    """
    import torch
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    tokenizer = make_tokenizer(texts, vocabulary=vocabulary, context=context, template=template)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=hidden // 2,
        max_position_embeddings=context,
        initializer_range=0.08,  # about 1/sqrt(hidden); with 0.02 a model so small hardly learns
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer(
    texts: Sequence[str] = TEXTS,
    *,
    vocabulary: int = 400,
    context: int = 256,
    template: str = CHAT_TEMPLATE,
) -> Any:
    """A byte-level BPE tokenizer trained in place, with padding, chat marks and a template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        model_max_length=context,
    )
    tokenizer.chat_template = template
    return tokenizer


def make_adapter(base: Path, folder: Path, *, seed: int = 0, rank: int = 4) -> Path:
    """A LoRA adapter on the linear layers of `base`, with random weights that do something."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(base)
        config = LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            target_modules="all-linear",
            init_lora_weights=False,
            task_type="CAUSAL_LM",
        )
        get_peft_model(model, config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def make_light_base(folder: Path, *, content: bytes = b"weights") -> Path:
    """A folder that looks like a full model to everything that needs no torch: one tensor."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", content)
    (folder / "config.json").write_bytes(orjson.dumps({"model_type": "qwen3"}))
    (folder / "tokenizer.json").write_bytes(orjson.dumps({"version": "1.0"}))
    return folder


def make_light_adapter(folder: Path, *, base: str, content: bytes = b"adapter") -> Path:
    """As `make_light_base`, of an adapter on the base of this name."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "adapter_model.safetensors", content)
    config = {"base_model_name_or_path": base, "peft_type": "LORA", "r": 4}
    (folder / "adapter_config.json").write_bytes(orjson.dumps(config))
    return folder


def write_safetensors(path: Path, content: bytes) -> None:
    """One tensor of bytes, as the format has it."""
    tensor = {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}
    header = orjson.dumps({"weight": tensor})
    path.write_bytes(len(header).to_bytes(8, "little") + header + content)
