"""The model card: `README.md` with the hub's front matter, and the lineage in words.

A card tells where a model comes from; it never holds a line of its training data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from loopwright.models.version import BaseFacts, ModelVersion

CARD = "README.md"
_CURVE = "loss.svg"
_REGISTERED = re.compile(r"[^/\\]+@[0-9]+")
"""`NAME@N`, a revision of a registry, among the bases that are not of the hub."""


def card(version: ModelVersion, *, licence: str = "", note: str = "") -> str:
    """The text of the card. `licence` is the base's where it is known, as the hub writes it; a
    `note` says what was done to the model since.
    """
    matter = yaml.safe_dump(_front_matter(version, licence), sort_keys=False, allow_unicode=True)
    return f"---\n{matter}---\n\n" + "\n".join(_body(version, note)) + "\n"


def licence_of(folder: Path) -> str:
    """The licence that the front matter of a folder's README names; empty when it names none."""
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    if not text.startswith("---\n"):
        return ""
    try:
        found = yaml.safe_load(text[4:].partition("\n---")[0])
    except yaml.YAMLError:
        return ""
    licence = found.get("license") if isinstance(found, Mapping) else None
    return licence if isinstance(licence, str) else ""


def _front_matter(version: ModelVersion, licence: str) -> dict[str, Any]:
    adapter = version.kind == "adapter"
    tags = ["loopwright", *(["lora"] if adapter else [])]
    tags += ["sft"] if version.lineage.get("job") else []
    found: dict[str, Any] = {
        "license": licence,
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "base_model": version.base.reference if version.base else "",
        "base_model_relation": ("adapter" if adapter else "finetune") if version.base else "",
        "tags": tags,
        "datasets": [version.lineage["dataset"]] if version.lineage.get("dataset") else [],
        "model-index": _index(version),
    }
    return {name: value for name, value in found.items() if value}


def _index(version: ModelVersion) -> list[dict[str, Any]]:
    """Metrics as the hub reads them: how good the model is, not what it took to make it."""
    numbers = [(name, value) for name, value in _numbers(version.metrics) if _is_loss(name)]
    if not numbers:
        return []
    dataset = str(version.lineage.get("dataset", "its training run"))
    result = {
        "task": {"type": "text-generation"},
        "dataset": {"name": dataset, "type": dataset},
        "metrics": [{"type": name, "value": value} for name, value in numbers],
    }
    return [{"name": version.label, "results": [result]}]


def _numbers(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value


def _is_loss(name: str) -> bool:
    return name.lower().endswith("loss")


def _body(version: ModelVersion, note: str) -> Iterator[str]:
    what = "A LoRA adapter" if version.kind == "adapter" else "A full model"
    yield f"# {version.label}\n"
    yield f"{what} with {version.parameters:,} parameters, registered {version.created_at}.\n"
    yield f"{note}\n" if note else f"Digest: `{version.digest}`\n"
    yield from _table("Lineage", _lineage(version))
    yield from _table("Hyperparameters", version.lineage.get("hyperparameters") or {})
    yield from _table("Metrics", version.metrics)
    if _CURVE in version.files:
        yield f"## Loss\n\n![Training and validation loss]({_CURVE})\n"
    yield "## Use\n\n```python"
    yield from _use(version)
    yield "```"


def _lineage(version: ModelVersion) -> dict[str, Any]:
    found: dict[str, Any] = {"made by": "/".join(version.owner.split("/")[-2:])}
    if version.base:
        at = f" at {version.base.revision}" if version.base.revision else ""
        found["base model"] = f"{version.base.reference}{at}"
        found["base digest"] = version.base.digest
    named = {name: value for name, value in version.lineage.items() if name != "hyperparameters"}
    return found | named


def _table(title: str, rows: Mapping[str, Any]) -> Iterator[str]:
    if not rows:
        return
    yield f"## {title}\n\n| | |\n|---|---|"
    for name, value in rows.items():
        yield f"| {_cell(name)} | {_cell(value)} |"
    yield ""


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split()).replace("|", "\\|")


def _use(version: ModelVersion) -> Iterator[str]:
    if version.kind == "adapter" and version.base:
        yield "from peft import PeftModel"
        yield "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        yield from _load_base(version.base)
        yield 'model = PeftModel.from_pretrained(base, ".")'
    else:
        yield "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        yield 'model = AutoModelForCausalLM.from_pretrained(".")'
    yield 'tokenizer = AutoTokenizer.from_pretrained(".")'


def _load_base(base: BaseFacts) -> Iterator[str]:
    """Of the hub by its name and commit; anything else has to be brought into a folder first."""
    if base.revision:
        name = base.reference.partition("@")[0]
        yield f'base = AutoModelForCausalLM.from_pretrained("{name}", revision="{base.revision}")'
        return
    is_exported = base.reference.startswith("builtin:") or _REGISTERED.fullmatch(base.reference)
    how = f"loopwright models export {base.reference} --to base"
    yield f"# base: {how if is_exported else f'a copy of the folder {base.reference}'}"
    yield 'base = AutoModelForCausalLM.from_pretrained("base")'
