"""A revision of a model as its record says it: `model.json`, written last, makes it one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from loopwright.errors import ModelError
from loopwright.models.digests import FileFacts

if TYPE_CHECKING:
    from pydantic import TypeAdapter

RECORD = "model.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What a model was tuned from; of an adapter, what it is put on."""

    reference: str
    revision: str
    digest: str


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One immutable revision of a registered model."""

    name: str
    version: int
    owner: str
    """The resource that made it."""
    kind: Literal["full", "adapter"]
    digest: str
    """Decides answers: weights, configuration, tokenizer, template; of an adapter its base too."""
    files: Mapping[str, FileFacts]
    """Every file but the card and the record."""
    base: BaseFacts | None
    lineage: Mapping[str, Any]
    """Job and its revision, dataset version and digest, hyperparameters, seed."""
    metrics: Mapping[str, Any]
    created_at: str
    folder: Path
    parameters: int = 0
    """Those in its own files: of an adapter only what it adds."""
    run: str = ""
    """What made it: the same run never makes a second one."""
    trust_remote_code: bool = False

    @property
    def label(self) -> str:
        """How clients and records name it: `ticket-router@2`."""
        return f"{self.name}@{self.version}"

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(facts.bytes for facts in self.files.values())

    def to_bytes(self) -> bytes:
        data = {"format": FORMAT, **asdict(self)}
        del data["folder"]
        return orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n"


def read_version(path: Path) -> ModelVersion:
    """The revision that a record tells of. Raises ModelError when it cannot be read."""
    from pydantic import ValidationError

    try:
        fields = _fields(path.read_bytes())
        return _adapter().validate_python({**fields, "folder": path.parent})
    except (OSError, ValueError, ValidationError) as error:
        raise ModelError(
            f"cannot read {path}: it is not the record of a model",
            hint="it may be damaged, or written by a newer loopwright",
        ) from error


def _fields(raw: bytes) -> dict[str, Any]:
    data = orjson.loads(raw)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise ValueError("another format")
    return data


@cache
def _adapter() -> TypeAdapter[ModelVersion]:
    from pydantic import TypeAdapter

    return TypeAdapter(ModelVersion)
