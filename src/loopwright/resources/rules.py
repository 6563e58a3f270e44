"""Rules between the fields of one model, said once for the models and for the JSON Schema.

A field counts as given unless it is null or an empty mapping. Rules that need more than which
fields are given, or other resources, live with their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

ModelT = TypeVar("ModelT", bound=BaseModel)


class Rule(Protocol):
    """Names are those of YAML. Messages go on from the field's name: `sampling` takes ..."""

    def broken(self, given: frozenset[str]) -> str:
        """What is wrong with these fields being the given ones; "" when nothing is."""
        ...

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema, with the rule in words as its comment."""
        ...


@dataclass(frozen=True)
class ExactlyOne:
    """One of these, no more and no less."""

    names: tuple[str, ...]

    def broken(self, given: frozenset[str]) -> str:
        found = [name for name in self.names if name in given]
        if len(found) == 1:
            return ""
        state = f"{' and '.join(found)} are given" if found else "none is given"
        return f"needs exactly one of {', '.join(self.names)}; {state}"

    def schema(self) -> dict[str, Any]:
        words = f"exactly one of {', '.join(self.names)}"
        return {"$comment": words, "oneOf": [_given(name) for name in self.names]}


@dataclass(frozen=True)
class AtMostOne:
    """One of these, or none."""

    names: tuple[str, ...]

    def broken(self, given: frozenset[str]) -> str:
        found = [name for name in self.names if name in given]
        return f"takes {' or '.join(self.names)}, not both" if len(found) > 1 else ""

    def schema(self) -> dict[str, Any]:
        words = f"at most one of {', '.join(self.names)}"
        both = [{"allOf": [_given(a), _given(b)]} for a, b in combinations(self.names, 2)]
        return {"$comment": words, "not": {"anyOf": both}}


@dataclass(frozen=True)
class Requires:
    """A field that means something only beside one of `others`; `why` is what the user reads."""

    name: str
    others: tuple[str, ...]
    why: str

    def broken(self, given: frozenset[str]) -> str:
        return self.why if self.name in given and given.isdisjoint(self.others) else ""

    def schema(self) -> dict[str, Any]:
        words = f"{self.name} only with {' or '.join(self.others)}"
        beside = {"anyOf": [_given(name) for name in self.others]}
        return {"$comment": words, "if": _given(self.name), "then": beside}


@dataclass(frozen=True)
class NotEmpty:
    """A list with at least one entry; said only when its entries are sound."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"minItems": 1}

    def check(self, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        """Raises pydantic's own error, so that it is worded like every bound."""
        if not entries:
            facts = {"field_type": "List", "min_length": 1, "actual_length": 0}
            raise PydanticKnownError("too_short", facts)
        return entries


def schema_of(*rules: Rule, more: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The rules as `json_schema_extra` of a model; `more` is what a validator of its own checks."""
    return {"allOf": [*(rule.schema() for rule in rules), *more]}


def words_of(model: type[BaseModel]) -> tuple[str, ...]:
    """The rules of a model, as a person would say them."""
    extra: Any = model.model_config.get("json_schema_extra") or {}
    return tuple(rule["$comment"] for rule in extra.get("allOf", ()))


def checked(*rules: Rule) -> Callable[[ModelT], ModelT]:
    """The rules as an `after` validator of a model."""

    def check(model: ModelT) -> ModelT:
        given = _given_in(model)
        for rule in rules:
            if why := rule.broken(given):
                raise PydanticCustomError("rule", "{why}", {"why": why})
        return model

    return check


def _given_in(model: BaseModel) -> frozenset[str]:
    return frozenset(
        field.alias or name
        for name, field in type(model).model_fields.items()
        if _is_given(getattr(model, name))
    )


def _is_given(value: object) -> bool:
    return value is not None and (bool(value) or not isinstance(value, dict))


def _given(name: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"not": {"enum": [None, {}]}}}}
