"""What the suite makes of each kind: a small declaration, and an edit that changes it in place.

In a sample's strings `{name}` stands for the name of the object at hand, so that no two objects
share a folder. Samples may refer to each other; what is referred to is made first.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.registry import resource_class

EDIT = "loopwright.dev/edit"
"""Annotation of a sample: YAML of the spec fields that the update check changes."""

_DATA = Path(__file__).parent / "sample_data"


@dataclass(frozen=True)
class Sample:
    """A declaration, where its files are, and other values for some of its top-level fields."""

    resource: Resource
    base_dir: Path
    edit: Mapping[str, Any] = field(default_factory=dict)

    def named(self, name: str, *, edited: bool = False) -> Resource:
        """The declaration under another name. Raises pydantic's ValidationError on a bad edit."""
        data = self.resource.model_dump(mode="json", by_alias=True, exclude_none=True)
        data["metadata"] = {"name": name}
        spec = data["spec"] | (self.edit if edited else {})
        data["spec"] = orjson.loads(orjson.dumps(spec).replace(b"{name}", name.encode()))
        return type(self.resource).model_validate(data)


Samples = Mapping[Address, Sample]


def samples_from(resources: Iterable[Resource]) -> Samples:
    """Samples of one's own, from declarations as they are loaded from manifests."""
    return {
        resource.address: Sample(resource, resource.base_dir, _edit(resource))
        for resource in resources
    }


def default_samples() -> Samples:
    """One sample a kind, as shipped in `sample_data`."""
    import yaml

    with (_DATA / "manifests.yaml").open(encoding="utf-8") as text:
        declared = [
            resource_class(data["kind"]).model_validate(data) for data in yaml.safe_load_all(text)
        ]
    return {resource.address: Sample(resource, _DATA, _edit(resource)) for resource in declared}


def sample_environ() -> dict[str, str]:
    """The environment that the default samples' secret references look into."""
    thirty_two_bytes = b"loopwright-conformance-suite-key"
    return {"LOOPWRIGHT_CONFORMANCE_KEY": b64encode(thirty_two_bytes).decode()}


def _edit(resource: Resource) -> Mapping[str, Any]:
    import yaml

    found: Mapping[str, Any] = yaml.safe_load(resource.metadata.annotations.get(EDIT, "{}"))
    return found
