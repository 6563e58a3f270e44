"""The published schemas and the models agree on what a manifest may look like."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from declaring import RICH
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from loopwright.manifests.project import Project
from loopwright.manifests.schema import fields_of, flatten, is_model
from loopwright.resources.base import API_VERSION
from loopwright.resources.registry import kinds, resource_class
from loopwright.resources.rules import AtMostOne, ExactlyOne, Requires, Rule
from loopwright.resources.schema import SchemaMaker, kind_schema, manifest_schema

Json = dict[str, Any]
Path = tuple[str | int, ...]

WRONG_TYPES: tuple[Any, ...] = (None, True, 7, 0.5, "text", [], [7], {}, {"a": 7})


@cache
def validator(kind: str) -> Draft202012Validator:
    schema = kind_schema(kind)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@cache
def any_kind() -> Draft202012Validator:
    return Draft202012Validator(manifest_schema())


@cache
def rich(kind: str) -> Json:
    found: Json = yaml.safe_load((RICH / f"{kind.lower()}.yaml").read_text(encoding="utf-8"))
    return found


def model_takes(kind: str, document: Json) -> bool:
    try:
        resource_class(kind).model_validate(document)
    except ValidationError:
        return False
    return True


def models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and every model that stands anywhere inside it."""
    yield model
    for field in fields_of(model).values():
        for choice in (*flatten(field.annotation), *getattr(field.annotation, "__args__", ())):
            for inner in flatten(choice):
                yield from models_below(inner) if is_model(inner) else ()


ALL_MODELS = sorted(
    {model for kind in kinds() for model in models_below(resource_class(kind))},
    key=lambda model: model.__qualname__,
)


@pytest.mark.parametrize("model", ALL_MODELS, ids=lambda model: model.__name__)
def test_every_field_has_a_description_and_examples_that_both_take(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(schema_generator=SchemaMaker)
    for name, field in fields_of(model).items():
        assert field.description, name
        assert field.examples, name
        place = {"$defs": schema.get("$defs", {})} | schema["properties"][name]
        for example in field.examples:
            assert Draft202012Validator(place).is_valid(example), (name, example)
            assert field_takes(model, name, example), (name, example)


def field_takes(model: type[BaseModel], name: str, example: Any) -> bool:
    """Whether the model has nothing against this field; others may be missing."""
    try:
        model.model_validate({name: example})
    except ValidationError as error:
        return all(found["loc"][:1] != (name,) for found in error.errors())
    return True


@pytest.mark.parametrize("kind", kinds())
def test_examples_of_a_spec_make_a_whole_manifest(kind: str) -> None:
    for spec in resource_class(kind).model_fields["spec"].examples or ():
        document = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {"name": "a"},
            "spec": spec,
        }
        assert model_takes(kind, document)
        assert validator(kind).is_valid(document)


@pytest.mark.parametrize("kind", kinds())
def test_rich_manifest_passes_its_schema_and_the_one_for_any_kind(kind: str) -> None:
    assert [error.message for error in validator(kind).iter_errors(rich(kind))] == []
    assert any_kind().is_valid(rich(kind))


def test_schema_of_any_kind_refuses_a_kind_that_is_none() -> None:
    assert not any_kind().is_valid(rich("Lake") | {"kind": "Lakes"})


def test_project_schema_takes_a_full_project() -> None:
    schema = Project.model_json_schema(schema_generator=SchemaMaker)
    full = {name: field.examples[0] for name, field in fields_of(Project).items() if field.examples}
    assert [error.message for error in Draft202012Validator(schema).iter_errors(full)] == []
    assert not Draft202012Validator(schema).is_valid({"paralelism": 4})


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place below a value, outer ones first."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def edited(document: Json, path: Path, edit: Callable[[Any, Any], None]) -> Json:
    """A copy in which `edit` has been at the holder and key of a place."""
    changed = copy.deepcopy(document)
    holder: Any = changed
    for key in path[:-1]:
        holder = holder[key]
    edit(holder, path[-1])
    return changed


def drop(holder: Any, key: Any) -> None:
    del holder[key]


def rename(holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)


def mutations(document: Json) -> Iterator[tuple[str, Json]]:
    """Every field dropped, renamed, and given each of the wrong types."""
    for path in places(document):
        label = ".".join(map(str, path))
        yield f"drop {label}", edited(document, path, drop)
        yield f"rename {label}", edited(document, path, rename)
        for wrong in WRONG_TYPES:

            def retype(holder: Any, key: Any, wrong: Any = wrong) -> None:
                holder[key] = wrong

            yield f"{label} = {wrong!r}", edited(document, path, retype)


NOT_SAID_IN_SCHEMA = (
    "spec.filter.responseSchema",  # whether it is a JSON Schema itself
    "spec.lifecycle.ignoreChanges",  # whether the spec has the field
)


@pytest.mark.parametrize("kind", kinds())
def test_a_mutated_manifest_is_refused_by_both_or_by_none(kind: str) -> None:
    disagreed = [
        label
        for label, document in mutations(rich(kind))
        if not any(place in label for place in NOT_SAID_IN_SCHEMA)
        and model_takes(kind, document) != validator(kind).is_valid(document)
    ]
    assert disagreed == []


@pytest.mark.parametrize("kind", kinds())
def test_most_mutations_are_refused(kind: str) -> None:
    """Else the test before would prove nothing."""
    taken = [model_takes(kind, document) for _, document in mutations(rich(kind))]
    assert taken.count(False) > len(taken) / 2


RULES: tuple[Rule, ...] = (
    ExactlyOne(("a", "b", "c")),
    AtMostOne(("a", "b")),
    AtMostOne(("a", "b", "c")),
    Requires("a", ("b",), "a needs b"),
    Requires("a", ("b", "c"), "a needs b or c"),
)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@given(document=st.dictionaries(st.sampled_from("abcd"), st.sampled_from([None, {}, 0, "", "x"])))
def test_a_rule_and_its_schema_say_the_same(rule: Rule, document: Json) -> None:
    given_fields = frozenset(name for name, value in document.items() if value not in (None, {}))
    taken = Draft202012Validator(rule.schema()).is_valid(document)
    assert taken == (rule.broken(given_fields) == "")
