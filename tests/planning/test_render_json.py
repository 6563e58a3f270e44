"""The plan document: nothing is lost on the way there and back, and its schema is the truth."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from plan_cases import CASES
from plan_strategies import plans

from loopwright.errors import PlanError
from loopwright.planning.change import Change, Drift
from loopwright.planning.plan import Caution, Envelope, Header, Plan, Quiet, Selection, Totals
from loopwright.planning.render import json
from loopwright.providers.base import Estimate, FieldChange, Range

SCHEMA = json.schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@settings(max_examples=15)
@given(plans)
def test_a_plan_comes_back_exactly_through_bytes(plan: Plan) -> None:
    saved = orjson.dumps(json.to_document(plan))
    back = json.from_document(orjson.loads(saved))
    assert back == plan
    assert orjson.dumps(json.to_document(back)) == saved


@settings(max_examples=15)
@given(plans)
def test_every_document_fits_the_published_schema(plan: Plan) -> None:
    VALIDATOR.validate(json.to_document(plan))


def test_the_schema_is_a_schema_and_describes_every_property() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert [path for path, schema in _properties(SCHEMA) if not schema.get("description")] == []


def _properties(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(schema, dict):
        return []
    own = [(f"{path}.{name}", held) for name, held in schema.get("properties", {}).items()]
    deeper = [*own, *((f"{path}#{name}", held) for name, held in schema.get("$defs", {}).items())]
    return own + [found for name, held in deeper for found in _properties(held, name)]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Header, SCHEMA["properties"]["header"]),
        (Totals, SCHEMA["properties"]["totals"]),
        (Envelope, SCHEMA["properties"]["envelope"]),
        (Selection, SCHEMA["properties"]["selection"]),
        (Change, SCHEMA["$defs"]["change"]),
        (FieldChange, SCHEMA["$defs"]["field"]),
        (Estimate, SCHEMA["$defs"]["estimate"]),
        (Range, SCHEMA["$defs"]["range"]),
        (Drift, SCHEMA["$defs"]["drift"]),
        (Quiet, SCHEMA["$defs"]["quiet"]),
        (Caution, SCHEMA["$defs"]["caution"]),
    ],
)
def test_the_schema_names_what_the_values_hold(kind: type[Any], schema: dict[str, Any]) -> None:
    assert list(schema["properties"]) == [field.name for field in fields(kind)]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"format": "terraform"}, "not a saved plan"),
        ({"format_version": 2}, "format version 2"),
        ({"changes": [{"address": "Endpoint/a", "action": "explode"}]}, "action"),
        ({"changes": [{"address": "no-kind", "action": "create"}]}, "no-kind"),
        ({"changes": None}, "damaged"),
        ({"quiet": ["Endpoint/a"]}, "damaged"),
        ({"header": {}}, "header"),
    ],
)
def test_a_document_that_is_no_plan_is_refused_with_what_is_wrong(
    edit: dict[str, Any], told: str
) -> None:
    document = json.to_document(CASES["destroy"]()) | edit
    with pytest.raises(PlanError, match=told):
        json.from_document(document)


def test_a_missing_part_is_named() -> None:
    document = json.to_document(CASES["destroy"]())
    del document["changes"]
    with pytest.raises(PlanError, match="changes is missing"):
        json.from_document(document)
