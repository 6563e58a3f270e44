"""The base of every pydantic model that manifest text is read into.

Fields are snake_case here and camelCase in YAML; unknown fields are errors; values are frozen.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ManifestModel(BaseModel):
    """A part of a manifest: strict, frozen, spelt in camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=False,
        protected_namespaces=(),
    )
