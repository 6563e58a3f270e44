"""What the conformance suite makes of each kind: a small manifest, and an edit that changes it.

Beside this file lie the samples that ship; anybody may write others. In a sample's strings
`{name}` stands for the name of the object at hand, so that no two objects share a folder.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from loopwright.errors import LoopwrightError
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.registry import resource_class

EDIT = "loopwright.dev/edit"
"""Annotation of a sample: YAML of the spec fields that the update check changes."""


@dataclass(frozen=True)
class Sample:
    """A declaration, where its files are, and other values for some of its top-level fields."""

    resource: Resource
    base_dir: Path = field(default_factory=Path)
    edit: Mapping[str, Any] = field(default_factory=dict)

    def named(self, name: str, *, edited: bool = False) -> Resource:
        """The declaration under another name. Raises pydantic's ValidationError on a bad edit."""
        data = self.resource.model_dump(mode="json", by_alias=True, exclude_none=True)
        data["metadata"] = {"name": name}
        spec = data["spec"] | (self.edit if edited else {})
        data["spec"] = orjson.loads(orjson.dumps(spec).replace(b"{name}", name.encode()))
        return type(self.resource).model_validate(data)


Samples = Mapping[Address, Sample]
"""By address: samples refer to each other, and what is referred to is made first."""


def default_samples() -> Samples:
    """The samples that ship: one of each kind."""
    return read_samples(Path(__file__).parent / "manifests.yaml")


def read_samples(path: Path) -> Samples:
    """Samples from a file of manifests; their own files are looked for beside it.

    Raises LoopwrightError when it cannot be read or holds something else.
    """
    import yaml

    try:
        found = [
            _sample(data, path.parent)
            for data in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        ]
    except (
        OSError,
        UnicodeDecodeError,
        yaml.YAMLError,
        ValidationError,
        LookupError,
        TypeError,
    ) as error:
        raise LoopwrightError(
            f"cannot read the samples {path}: {error}",
            hint="write one manifest of each kind to be tried, in one YAML file",
        ) from error
    return {sample.resource.address: sample for sample in found}


def sample_environ() -> dict[str, str]:
    """The environment that the secret references of the shipped samples look into."""
    thirty_two_bytes = b"loopwright-conformance-suite-key"
    return {"LOOPWRIGHT_CONFORMANCE_KEY": b64encode(thirty_two_bytes).decode()}


def _sample(data: Mapping[str, Any], base_dir: Path) -> Sample:
    import yaml

    resource = resource_class(data["kind"]).model_validate(data)
    edit = yaml.safe_load(resource.metadata.annotations.get(EDIT, "{}"))
    sample = Sample(resource, base_dir, edit)
    sample.named(resource.metadata.name, edited=True)
    return sample
