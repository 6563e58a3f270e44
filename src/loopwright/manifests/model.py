"""The base of every pydantic model that manifest text is read into."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ManifestModel(BaseModel):
    """A part of a manifest: frozen, without unknown fields, camelCase in YAML."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,  # in code; `check_model` takes the YAML names only
        defer_build=True,  # most parts are in no manifest at hand: build those that are
        protected_namespaces=(),  # models are what this product is about: `model` is a field
    )
