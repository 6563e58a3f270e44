"""JSON Schemas (Draft 2020-12) of the kinds, so that an editor finds what the models refuse.

Made of the models alone: no file is written here.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from loopwright.resources.registry import kinds, resource_class

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE_URL = "https://loopwright.dev/schemas/v1alpha1"


class SchemaMaker(GenerateJsonSchema):
    """Leaves out what says nothing: titles made of names, and defaults of null."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        made.pop("title", None)
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default", "") is None:
            del made["default"]
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def kind_schema(kind: str) -> dict[str, Any]:
    """The schema of one kind's documents. Raises KeyError on an unknown kind."""
    model = resource_class(kind)
    made = model.model_json_schema(schema_generator=SchemaMaker)
    return headed(kind.lower(), f"{kind}: a document of loopwright", made)


def manifest_schema() -> dict[str, Any]:
    """One schema for a document of any kind, for editors that know a file and not its kind."""
    models = [(resource_class(kind), "validation") for kind in kinds()]
    refs, made = models_json_schema(models, schema_generator=SchemaMaker)  # type: ignore[arg-type]
    choices = {"oneOf": [refs[model] for model in models]}  # type: ignore[index]
    return headed("manifest", "A document of loopwright", choices | made)


def headed(name: str, title: str, made: dict[str, Any]) -> dict[str, Any]:
    """A schema with its dialect, its id and a title in front."""
    return {"$schema": DIALECT, "$id": f"{BASE_URL}/{name}.json", "title": title} | made
