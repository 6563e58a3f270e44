"""What a kind or a field means, in words, told from the models that check it.

`explain("Dataset.spec.sampling.ratio")` is what `loopwright explain` prints and what docs/kinds.md
is made of.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from loopwright.errors import LoopwrightError
from loopwright.manifests.diagnostics import nearest
from loopwright.manifests.schema import fields_of, flatten, is_model, values_of
from loopwright.manifests.secrets import SecretRef
from loopwright.manifests.wording import example
from loopwright.resources.base import API_VERSION, Nature, Resource
from loopwright.resources.markers import Edge, Marker, Ref, Said
from loopwright.resources.registry import kinds, resource_class
from loopwright.resources.rules import NotEmpty, words_of

_NATURES = {
    Nature.CONFIG: "config: settings for others; nothing is made of it",
    Nature.STANDING: "standing: made once, then updated in place or replaced",
    Nature.RUN: "run: done once for what decides it, and never changed",
    Nature.SERIES: "run series: one unchanging revision after another, as its trigger says",
}
_MARKS = {
    "immutable": "a change replaces the object",
    "write-only": "never told back by the provider, so never compared with it",
    "policy": "for loopwright alone: not sent to the provider, and no cause for a new run",
    "cosmetic": "no cause for a new run",
    "manifest-path": "relative to the manifest that says it",
}
_WORDS = {str: "text", bool: "true or false", int: "whole number", float: "number", Any: "anything"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A kind or a field. `path` is dotted; entries of a list or mapping are `[]`."""

    path: str
    type: str
    required: bool
    default: str
    """As YAML; empty when there is none, or when the fields below say it."""
    description: str
    example: str
    """As YAML: `name: value`, of a kind a small manifest."""
    notes: tuple[str, ...]
    """Bounds, what it refers to, and what a change to it means."""
    children: tuple[Explanation, ...] = ()
    """One level down, without children of their own."""

    def text(self, *, width: int = 80) -> str:
        """The explanation as plain lines, for a terminal of `width` columns."""
        lines = [*_wrapped(f"{self.path}: {self.type}", width, ""), ""]
        lines += _wrapped(self.description, width, "  ")
        if self.notes:
            lines += _wrapped(f"({'; '.join(self.notes)})", width, "  ")
        if self.required or self.default:
            lines.append("  required" if self.required else f"  default: {self.default}")
        if self.example:
            lines += ["", "example", *(f"  {line}" for line in self.example.splitlines())]
        if self.children:
            lines += ["", "fields", *self._field_lines(width)]
        return "\n".join(lines)

    def _field_lines(self, width: int) -> Iterator[str]:
        names = [child.path.rpartition(".")[2] for child in self.children]
        column = max(map(len, names))
        for name, child in zip(names, self.children, strict=True):
            required = ", required" if child.required else ""
            yield from _wrapped(child.type + required, width, f"  {name:<{column}}  ")
            yield from _wrapped(child.description, width, " " * (column + 4))


def explain(path: str) -> Explanation:
    """A kind (`Dataset`) or a field (`Dataset.spec.sampling.ratio`); list positions are skipped.

    Raises LoopwrightError on an unknown one, with what is near.
    """
    kind, *names = (part.partition("[")[0] for part in path.split("."))
    if kind not in kinds():
        near = nearest(kind, kinds())
        raise LoopwrightError(
            f"there is no kind {kind!r}",
            hint=f"did you mean {near}?" if near else f"kinds: {', '.join(kinds())}",
        )
    resource = resource_class(kind)
    found = _kind(kind, resource)
    models: tuple[type[BaseModel], ...] = (resource,)
    for name in names:
        field = next((fields_of(model)[name] for model in models if name in fields_of(model)), None)
        if field is None:
            raise _unknown(path, found.path, models)
        found = _field(f"{found.path}.{name}", name, field)
        models = _inner_models(field.annotation)
    return _with_children(found, models)


def every_field(kind: str) -> Iterator[Explanation]:
    """All fields of a kind's spec, each before those below it, without children."""
    resource = resource_class(kind)
    yield from _below(f"{kind}.spec", _inner_models(resource.model_fields["spec"].annotation))


def _below(path: str, models: tuple[type[BaseModel], ...]) -> Iterator[Explanation]:
    for model in models:
        for name, field in fields_of(model).items():
            told = _field(f"{path}.{name}", name, field)
            yield told
            yield from _below(told.path, _inner_models(field.annotation))


def _unknown(path: str, parent: str, models: tuple[type[BaseModel], ...]) -> LoopwrightError:
    kind = path.partition(".")[0]
    whole = [told.path for told in every_field(kind)]
    near = nearest(path, whole) or nearest(f"{kind}.spec{path.removeprefix(kind)}", whole)
    names = ", ".join(name for model in models for name in fields_of(model))
    inside = f"{parent} has: {names}" if names else f"{parent} has no fields below it"
    return LoopwrightError(
        f"there is no field {path}",
        hint=f"did you mean {near}? {inside}" if near else inside,
    )


def _kind(kind: str, resource: type[Resource]) -> Explanation:
    return Explanation(
        path=kind,
        type=_NATURES[resource.nature],
        required=False,
        default="",
        description=_text_of(resource),
        example=_smallest(kind, resource),
        notes=("what it holds is kept by destroy",) if resource.holds_data else (),
    )


def _field(path: str, name: str, field: FieldInfo) -> Explanation:
    return Explanation(
        path=path,
        type=_type(field.annotation, field.metadata),
        required=field.is_required(),
        default=_default(field),
        description=field.description or "",
        example=example(name, field),
        notes=tuple(_notes(field)),
    )


def _with_children(found: Explanation, models: tuple[type[BaseModel], ...]) -> Explanation:
    children = (
        _field(f"{found.path}.{name}", name, field)
        for model in models
        for name, field in fields_of(model).items()
    )
    return replace(found, children=tuple(children))


def _inner_models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The models that stand at a field, or in its list or mapping."""
    found: list[type[BaseModel]] = []
    for choice in flatten(annotation):
        if is_model(choice):
            found.append(choice)
        elif get_origin(choice) is not Literal:
            for argument in get_args(choice):
                found += _inner_models(argument)
    return tuple(found)


def _type(annotation: Any, metadata: list[Any]) -> str:
    refs = [mark for mark in metadata if isinstance(mark, Ref)]
    if refs:
        kinds_named = " or ".join(refs[0].kinds)
        return f"reference to {kinds_named}" + (", with @revision" if refs[0].revisions else "")
    nested = [mark for part in get_args(annotation) for mark in getattr(part, "__metadata__", ())]
    if said := [mark.word for mark in (*metadata, *nested) if isinstance(mark, Said)]:
        return said[0]
    return " or ".join(dict.fromkeys(_word(choice) for choice in flatten(annotation)))


def _word(choice: Any) -> str:
    origin, arguments = get_origin(choice), get_args(choice)
    if origin is Literal:
        values = values_of((choice,))
        return f"one of {', '.join(values)}" if len(values) > 1 else values[0]
    if choice is SecretRef:
        return "secret reference"
    if is_model(choice):
        return "mapping"
    if origin is tuple:
        return f"list of {_inside(arguments[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of name to {_inside(arguments[1])}"
    return _WORDS.get(choice, str(choice))


def _inside(annotation: Any) -> str:
    text = _type(annotation, [])
    return f"{text}s" if text == "mapping" else text


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, BaseModel):
        return ""
    plain = list(value) if isinstance(value, tuple) else value
    return str(yaml.safe_dump([plain], default_flow_style=True, width=1_000)).strip()[1:-1]


def _notes(field: FieldInfo) -> Iterator[str]:
    for model in _inner_models(field.annotation):
        yield from words_of(model)
    yield from filter(None, map(_bound, field.metadata))
    for mark in field.metadata:
        if isinstance(mark, Ref):
            yield _reference(mark)
        elif isinstance(mark, Marker):
            yield _MARKS[mark.name]


def _reference(ref: Ref) -> str:
    if ref.edge is Edge.READS:
        return "takes what the state records of it, without waiting"
    return (
        "comes after it; a change of what it gives is a change here"
        if ref.is_input
        else ("comes after it")
    )


def _bound(mark: Any) -> str:
    match mark:
        case annotated_types.Gt(gt=bound):
            return f"above {bound}"
        case annotated_types.Ge(ge=bound):
            return f"at least {bound}"
        case annotated_types.Lt(lt=bound):
            return f"below {bound}"
        case annotated_types.Le(le=bound):
            return f"at most {bound}"
        case NotEmpty():
            return "not empty"
        case annotated_types.MinLen(min_length=bound):
            return "not empty" if bound == 1 else f"at least {bound} long"
        case annotated_types.MaxLen(max_length=bound):
            return f"at most {bound} long"
    return ""


def _smallest(kind: str, resource: type[Resource]) -> str:
    spec = (resource.model_fields["spec"].examples or [{}])[0]
    document = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": "example"},
        "spec": spec,
    }
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _wrapped(text: str, width: int, head: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * len(head))


def _text_of(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())
