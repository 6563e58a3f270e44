"""What belongs to a model folder: the files that decide its answers, and those kept beside them.

Lists what is let in rather than what is kept out, so that optimizer states, pickled training
arguments and checkpoints never reach a registry or a digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loopwright.errors import ModelError
from loopwright.models.weights import (
    ADAPTER_CONFIG,
    CONFIG,
    INDEX,
    is_adapter,
    read_json,
    weight_files,
)

_DECIDING = frozenset(
    {
        CONFIG,
        INDEX,
        ADAPTER_CONFIG,
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "generation_config.json",
        "merges.txt",
        "preprocessor_config.json",
        "processor_config.json",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "tekken.json",
        "tiktoken.model",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "tiktoken.model",
)
_TEMPLATES = "additional_chat_templates"
_KEPT = frozenset({"loss.svg", "loss.png", "metrics.jsonl", "curve.json"})
_LICENCES = ("LICENSE", "LICENCE", "NOTICE", "USAGE_POLICY")

HUB_PATTERNS = (*sorted(_DECIDING), "*.safetensors", f"{_TEMPLATES}/*.jinja", "README.md")
"""What is downloaded of a hub model; `*.py` too where its code is trusted."""


def deciding_files(folder: Path, *, code: bool = False) -> tuple[str, ...]:
    """Names of the files that decide what the model answers, sorted; with `code` its Python too.

    Raises ModelError when it has no safetensors weights.
    """
    found = {*weight_files(folder), *(name for name in _DECIDING if (folder / name).is_file())}
    if not is_adapter(folder):
        found.discard(ADAPTER_CONFIG)
    templates = (folder / _TEMPLATES).glob("*.jinja")
    found |= {f"{_TEMPLATES}/{path.name}" for path in templates}
    if code:
        found |= {path.name for path in folder.glob("*.py")}
    return tuple(sorted(found))


def kept_files(folder: Path, *, code: bool = False) -> tuple[str, ...]:
    """The deciding files, and what is worth keeping beside them: curves, licences."""
    beside = (
        path.name
        for path in folder.iterdir()
        if path.is_file() and (path.name in _KEPT or path.name.startswith(_LICENCES))
    )
    return tuple(sorted({*deciding_files(folder, code=code), *beside}))


def refuse_custom_code(folder: Path, *, trusted: bool) -> None:
    """Raises ModelError when the model needs Python of its own that nobody declared to trust."""
    for name, code in _own_code(folder):
        if not trusted:
            raise ModelError(
                f"{folder} needs Python code of its own ({code}, in {name})",
                hint="read that code; if you trust it, declare trustRemoteCode: true",
            )
        if "--" in code:
            raise ModelError(
                f"{folder} takes its code from another repository ({code}, in {name}), "
                "which no digest of it covers",
                hint="copy the code into the model's folder and name it there",
            )


def has_tokenizer(folder: Path) -> bool:
    """Whether any of the files is there that a tokenizer is made from."""
    return any((folder / name).is_file() for name in _TOKENIZERS)


def has_own_code(folder: Path) -> bool:
    """Whether its configuration names Python of its own."""
    return next(_own_code(folder), None) is not None


def _own_code(folder: Path) -> Iterator[tuple[str, str]]:
    for name in (CONFIG, "tokenizer_config.json", ADAPTER_CONFIG):
        if (folder / name).is_file():
            auto: Any = read_json(folder / name).get("auto_map") or {}
            named = auto.values() if isinstance(auto, Mapping) else auto
            flat = (one for value in named for one in ([value] if _is_text(value) else value))
            yield from ((name, one) for one in flat if _is_text(one))


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)
