"""The JSON Schema of an answer: whether it is one, and whether a value satisfies it.

A schema is somebody's own, and so are its regular expressions, which may be of the kind that never
ends. They run in an engine that can be stopped. Nothing is fetched: what a schema refers to, it
holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from referencing import Resource
    from referencing._core import Resolver

_SECONDS = 0.2  # for one text: thousands of times what an honest pattern needs


def problem_of(schema: Mapping[str, Any]) -> str:
    """Why this is no schema that an answer can be held against; empty: it is one."""
    import regex
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    try:
        Draft202012Validator.check_schema(schema)
        root = DRAFT202012.create_resource(schema)
        registry: Registry[Any] = Registry()
        _check(root, registry.resolver_with_root(root))
    except SchemaError as error:
        return f"is not a JSON Schema: {error.message}"
    except Unresolvable as error:
        return f"refers to what it does not hold: {error.ref}"
    except regex.error as error:
        return f"holds a pattern that is no regular expression: {error}"
    said = orjson.dumps(schema)
    if b'"unevaluatedProperties":' in said and b'"patternProperties":' in said:
        return "uses unevaluatedProperties beside patternProperties; say additionalProperties"
    return ""


@cache
def satisfies(schema: bytes) -> Callable[[object], bool]:
    """The test of a sound schema, given as JSON. A text at which a pattern takes too long does
    not satisfy it."""
    validator = _bounded(schema)

    def satisfied(value: object) -> bool:
        try:
            return bool(validator.is_valid(value))
        except TimeoutError:
            return False

    return satisfied


@cache
def unsatisfied(schema: bytes) -> Callable[[object], str]:
    """What a value lacks to satisfy a sound schema, given as JSON; empty: nothing."""
    from jsonschema.exceptions import best_match

    validator = _bounded(schema)

    def lacking(value: object) -> str:
        try:
            error = best_match(validator.iter_errors(value))
        except TimeoutError:
            return "a pattern takes too long"
        return f"{error.json_path}: {error.message}" if error else ""

    return lacking


def _bounded(schema: bytes) -> Any:
    """A validator of jsonschema's whose patterns come to an end."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    # jsonschema's stubs leave `extend` untyped.
    bounded: Any = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
        },
    )
    # An empty registry: no schema makes us fetch anything.
    return bounded(orjson.loads(schema), registry=Registry())


def _check(resource: Resource[Any], resolver: Resolver[Any]) -> None:
    """Look up every reference and compile every pattern, of the schema and those inside it."""
    said = resource.contents
    if isinstance(said, Mapping):
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in said:
                resolver.lookup(said[keyword])
        for pattern in (*said.get("patternProperties", ()), said.get("pattern", "")):
            _compiled(pattern)
    for inner in resource.subresources():
        _check(inner, resolver.in_subresource(inner))


@cache
def _compiled(pattern: str) -> Any:
    import regex

    return regex.compile(pattern)


def _found(pattern: str, text: str) -> bool:
    """Raises TimeoutError."""
    return _compiled(pattern).search(text, timeout=_SECONDS) is not None


def _pattern(_: Any, pattern: str, value: object, __: Any) -> Iterator[Exception]:
    if isinstance(value, str) and not _found(pattern, value):
        yield _broken("pattern")


def _pattern_properties(
    validator: Any, schemas: Mapping[str, Any], value: Any, _: Any
) -> Iterator[Exception]:
    for pattern, schema in schemas.items() if isinstance(value, dict) else ():
        for name, inner in value.items():
            if _found(pattern, name):
                yield from validator.descend(inner, schema)


def _additional_properties(
    validator: Any, schema: Any, value: object, parent: Mapping[str, Any]
) -> Iterator[Exception]:
    patterns = tuple(parent.get("patternProperties", ()))
    members: Mapping[str, Any] = value if isinstance(value, dict) else {}
    for name, inner in members.items():
        known = name in parent.get("properties", {})
        if not known and not any(_found(pattern, name) for pattern in patterns):
            yield from validator.descend(inner, schema)


def _broken(keyword: str) -> Exception:
    from jsonschema import ValidationError

    return ValidationError(f"breaks {keyword}")
