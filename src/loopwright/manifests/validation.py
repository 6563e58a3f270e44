"""Checks the data of a document against a pydantic model and says what is wrong in our words.

Which model belongs to which kind is not known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from loopwright.manifests.diagnostics import Diagnostic, nearest
from loopwright.manifests.document import Document
from loopwright.manifests.schema import Path, Place, fields_of, find_place, flatten, values_of
from loopwright.manifests.secrets import SecretRef
from loopwright.manifests.wording import (
    bound_message,
    described,
    example,
    expected,
    library_message,
    shape_hint,
    shown,
)

ModelT = TypeVar("ModelT", bound=BaseModel)
_MISMATCH = "mismatch"
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class _Problem:
    kind: str
    place: Place
    value: Any
    context: dict[str, Any]
    message: str


def check_model(
    document: Document,
    model: type[ModelT],
    *,
    data: Any = _ABSENT,
    prefix: Path = (),
) -> tuple[ModelT | None, list[Diagnostic]]:
    """The model made of `data` (the whole document by default), or None and everything wrong.

    Types are strict: no text is read as a number. `prefix` is the path of `data` in the document.
    """
    text = orjson.dumps(document.data if data is _ABSENT else data)
    try:
        return model.model_validate_json(text, strict=True, by_alias=True, by_name=False), []
    except ValidationError as error:
        problems = [_problem(model, details) for details in error.errors(include_url=False)]
        reporter = _Reporter(document, prefix)
        return None, [reporter.diagnostic(problem) for problem in _collapsed(problems, 0)]


def _problem(model: type[BaseModel], details: Any) -> _Problem:
    kind = details["type"]
    place = find_place(model, details["loc"])
    if kind.endswith(("_type", "_parsing", "_from_float")) or kind in ("is_instance_of", "int_big"):
        kind = _MISMATCH
    return _Problem(kind, place, details["input"], details.get("ctx", {}), details["msg"])


def _collapsed(problems: Sequence[_Problem], level: int) -> list[_Problem]:
    """One story for each union: the choice that fits best speaks, the others are silent."""
    kept = [problem for problem in problems if len(problem.place.unions) <= level]
    groups: dict[Path, dict[str, list[_Problem]]] = defaultdict(lambda: defaultdict(list))
    for problem in problems:
        if len(problem.place.unions) > level:
            point = problem.place.unions[level]
            groups[point.path][point.label].append(problem)
    for path, by_label in groups.items():
        if all(_fits_not(path, group) for group in by_label.values()):
            kept.append(_merged(by_label.values(), level))
        else:
            kept += _collapsed(min(by_label.values(), key=lambda g: _rank(path, g)), level + 1)
    return kept


def _fits_not(path: Path, group: Sequence[_Problem]) -> bool:
    return all(
        problem.place.path == path and problem.kind in (_MISMATCH, "literal_error", "enum")
        for problem in group
    )


def _rank(path: Path, group: Sequence[_Problem]) -> tuple[int, int, int]:
    wrong_tag = sum(problem.kind in ("literal_error", "enum") for problem in group)
    return int(_fits_not(path, group)), wrong_tag, len(group)


def _merged(groups: Iterable[Sequence[_Problem]], level: int) -> _Problem:
    first = next(iter(groups))[0]
    place = replace(first.place, choices=first.place.unions[level].choices)
    return replace(first, kind=_MISMATCH, place=place)


class _Reporter:
    """Words one problem for one document."""

    def __init__(self, document: Document, prefix: Path) -> None:
        self._document = document
        self._prefix = prefix

    def diagnostic(self, problem: _Problem) -> Diagnostic:
        match problem.kind:
            case "missing":
                return self._missing(problem.place)
            case "extra_forbidden":
                return self._unknown(problem.place)
            case "literal_error" | "enum":
                return self._not_allowed(problem, values_of(problem.place.choices))
            case "union_tag_invalid" | "union_tag_not_found":
                return self._wrong_tag(problem)
            case kind if kind == _MISMATCH:
                return self._mismatch(problem)
            case _:
                return self._other(problem)

    def _missing(self, place: Place) -> Diagnostic:
        *parent, name = self._path(place)
        text = example(str(name), place.field)
        description = (place.field.description or "") if place.field else ""
        owner = f"`{_label(tuple(parent))}`" if parent else "the document"
        return self._document.problem(
            "missing-field",
            f"{owner} needs the field `{name}`",
            (*parent, name),
            hint=". ".join(filter(None, [text and f"write `{text}`", description])),
        )

    def _unknown(self, place: Place) -> Diagnostic:
        name = str(place.path[-1])
        allowed = tuple(fields_of(place.owner)) if place.owner else ()
        return self._document.problem(
            "unknown-field",
            f"there is no field `{name}` here",
            self._path(place),
            key=True,
            found=name,
            allowed=allowed,
            nearest=nearest(name, allowed),
        )

    def _not_allowed(self, problem: _Problem, allowed: tuple[str, ...]) -> Diagnostic:
        found = shown(problem.value)
        near = nearest(found, allowed) if isinstance(problem.value, str) else ""
        words = f"cannot be {described(problem.value)}"
        return self._at(problem, "not-allowed", words, allowed=allowed, nearest=near)

    def _wrong_tag(self, problem: _Problem) -> Diagnostic:
        tag = str(problem.context["discriminator"]).strip("'")
        models = [choice for choice in problem.place.choices if tag in fields_of(choice)]
        fields = [fields_of(choice)[tag] for choice in models]
        choices = [inner for field in fields for inner in flatten(field.annotation)]
        place = replace(problem.place, path=(*problem.place.path, tag), choices=tuple(choices))
        if problem.kind == "union_tag_not_found":
            allowed = values_of(choices)
            return replace(self._missing(replace(place, field=None)), allowed=allowed)
        value = problem.value.get(tag) if isinstance(problem.value, dict) else problem.value
        return self._not_allowed(replace(problem, place=place, value=value), values_of(choices))

    def _mismatch(self, problem: _Problem) -> Diagnostic:
        choices = problem.place.choices
        wanted = expected(choices)
        if wanted == "something else":
            wanted = library_message(problem.message).removeprefix("must be ")
        words = f"must be {wanted}, but is {described(problem.value)}"
        allowed = values_of(choices)
        return self._at(problem, "wrong-type", words, allowed=allowed, hint=self._how(problem))

    def _how(self, problem: _Problem) -> str:
        place = problem.place
        if place.is_key:
            return ""
        if shape := shape_hint(place.choices):
            return shape
        text = example(str(place.path[-1]), place.field) if place.path else ""
        return f"for example `{text}`" if text else ""

    def _other(self, problem: _Problem) -> Diagnostic:
        if words := bound_message(problem.kind, problem.context, problem.place.field):
            message = f"{words}, but is {described(problem.value)}"
            return self._at(problem, "out-of-range", message, hint=self._how(problem))
        cause = problem.context.get("error")
        message = str(cause) if cause else library_message(problem.message)
        return self._at(problem, "invalid-value", message)

    def _at(self, problem: _Problem, code: str, words: str, **facts: Any) -> Diagnostic:
        path = self._path(problem.place)
        message = f"`{_label(path)}` {words}" if path else words
        return self._document.problem(
            code,
            message,
            path,
            key=problem.place.is_key or isinstance(problem.value, dict),
            found=shown(problem.value),
            hide=SecretRef in problem.place.choices and not isinstance(problem.value, dict),
            **facts,
        )

    def _path(self, place: Place) -> Path:
        return (*self._prefix, *place.path)


def _label(path: Path) -> str:
    """The last name of a path with the list positions behind it: `filters[0]`."""
    names = [index for index, part in enumerate(path) if isinstance(part, str)]
    tail = path[names[-1] :] if names else path
    return str(tail[0]) + "".join(f"[{part}]" for part in tail[1:])
