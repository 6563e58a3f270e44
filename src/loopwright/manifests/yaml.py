"""Strict YAML to plain data, one pass over libyaml's events, every problem with its place.

No node is kept, nothing recurses deeper than the bound, and an alias costs what it expands to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from loopwright.manifests.diagnostics import Diagnostic, field_path, nearest
from loopwright.manifests.document import Document
from loopwright.manifests.scalars import resolve_plain
from loopwright.manifests.source import Source
from loopwright.manifests.spans import end_of, event_stream, start_of
from loopwright.manifests.syntax import ambiguous_problem, syntax_problem

MAX_DEPTH = 64
MAX_EXPANDED = 10_000
MAX_PROBLEMS = 100
_CHARACTERS_PER_NODE = 64
_CORE = "tag:yaml.org,2002:"
_TAGS: dict[str, type | tuple[type, ...]] = {
    _CORE + "str": str,
    _CORE + "int": int,
    _CORE + "float": (int, float),
    _CORE + "bool": bool,
    _CORE + "null": type(None),
}
# libyaml refuses these; PyYAML's own parser lets them through.
_SURROGATE = re.compile("[\ud800-\udfff]")
_Event = Any


@dataclass(slots=True)
class Parsed:
    """The documents of one file, as far as it could be read, and what is wrong with it."""

    documents: list[Document] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


class _Stop(Exception):
    """The rest of this file cannot or should not be read; the reason is already recorded."""


def parse(source: Source) -> Parsed:
    """Read all documents of a source. Empty ones are skipped; content problems never raise."""
    parsed = Parsed()
    if problem := ambiguous_problem(source):
        parsed.diagnostics.append(problem)
        return parsed
    try:
        read = event_stream(source.text)
        read()
        while type(event := read()) is yaml.DocumentStartEvent:
            _read_document(source, start_of(event), read, parsed)
    except yaml.YAMLError as error:
        parsed.diagnostics.append(syntax_problem(source, error))
    except _Stop:
        pass
    return parsed


def _read_document(source: Source, start: int, read: Callable[[], _Event], parsed: Parsed) -> None:
    builder = _Builder(source, read, parsed.diagnostics)
    event = read()
    first = start_of(event)
    data = builder.value(event, 0)
    end = end_of(read())
    if isinstance(data, dict):
        index = len(parsed.documents)
        parsed.documents.append(Document(source, data, index, start, first, end))
    elif data is not None:
        message = "a document must be a mapping of fields"
        hint = "start it with `apiVersion:`, `kind:`, `metadata:` and `spec:`"
        builder.report("not-a-mapping", message, event, hint=hint)


class _Builder:
    """Builds the plain data of one document from events."""

    def __init__(
        self, source: Source, read: Callable[[], _Event], diagnostics: list[Diagnostic]
    ) -> None:
        self._source = source
        self._read = read
        self._diagnostics = diagnostics
        self._anchors: dict[str, Any] = {}
        self._open: set[str] = set()
        self._path: list[str | int] = []
        self._budget = MAX_EXPANDED

    def value(self, event: _Event, depth: int) -> Any:
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event, depth)
        is_scalar = kind is yaml.ScalarEvent
        value = self._scalar(event) if is_scalar else self._collection(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def report(self, code: str, message: str, event: _Event, **facts: Any) -> None:
        if len(self._diagnostics) >= MAX_PROBLEMS:
            message = f"more than {MAX_PROBLEMS} problems: the rest of the file is not checked"
            self._note("too-many-problems", message, event)
            raise _Stop
        self._note(code, message, event, **facts)

    def _note(self, code: str, message: str, event: _Event, **facts: Any) -> None:
        field = field_path(self._path)
        problem = self._source.problem(code, message, start_of(event), field=field, **facts)
        self._diagnostics.append(problem)

    def _scalar(self, event: _Event) -> Any:
        text: str = event.value
        if event.implicit[0]:
            return resolve_plain(text)
        if event.tag not in (None, "!"):
            return self._tagged(event)
        if not text.isascii() and _SURROGATE.search(text):
            hint = "write the character itself"
            self.report("bad-text", "this holds half a surrogate pair", event, hint=hint)
            return _SURROGATE.sub("\ufffd", text)
        return text

    def _tagged(self, event: _Event) -> Any:
        wanted = _TAGS.get(event.tag)
        if wanted is None:
            self._unknown_tag(event)
            return event.value
        value = event.value if wanted is str else resolve_plain(event.value)
        if not isinstance(value, wanted):
            name = event.tag.removeprefix(_CORE)
            self.report("wrong-type", f"the tag `!!{name}` does not fit this value", event)
        return value

    def _unknown_tag(self, event: _Event) -> None:
        tag = event.tag.replace(_CORE, "!!")
        hint = "remove the tag; manifests hold plain strings, numbers, booleans, lists and mappings"
        self.report("unknown-tag", f"the tag `{tag}` is not known here", event, hint=hint)

    def _collection(self, event: _Event, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            self.report("too-deep", f"nested more than {MAX_DEPTH} levels deep", event)
            raise _Stop
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _CORE + ("map" if is_mapping else "seq")):
            self._unknown_tag(event)
        if event.anchor:
            self._open.add(event.anchor)
        value = self._mapping(depth + 1) if is_mapping else self._sequence(depth + 1)
        self._open.discard(event.anchor)
        return value

    def _sequence(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while type(event := self._read()) is not yaml.SequenceEndEvent:
            self._path.append(len(items))
            items.append(self.value(event, depth))
            self._path.pop()
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        keys: dict[str, _Event] = {}
        while type(event := self._read()) is not yaml.MappingEndEvent:
            key = self._key(event, depth)
            self._path.append("?" if key is None else key)
            value = self.value(self._read(), depth)
            if key in keys:
                self._duplicate(key, event, keys[key])
            elif key is not None:
                mapping[key] = value
                keys[key] = event
            self._path.pop()
        return mapping

    def _key(self, event: _Event, depth: int) -> str | None:
        """The text of a key, or None when it cannot be used at all."""
        if type(event) is not yaml.ScalarEvent:
            self.value(event, depth)
            message, hint = "a field name must be a plain string", "write the name itself"
            self.report("non-string-key", message, event, hint=hint)
            return None
        key = self._scalar(event)
        if event.anchor:
            self._anchors[event.anchor] = key
        if key == "<<" and event.implicit[0]:
            hint = "write the fields out, or build the manifests with kustomize"
            self.report("merge-key", "merge keys (`<<`) are not supported", event, hint=hint)
            return None
        return key if isinstance(key, str) else self._unquoted(event)

    def _unquoted(self, event: _Event) -> str:
        text: str = event.value
        message, hint = f"the field name `{text}` is not a string", f'quote it: "{text}":'
        self.report("non-string-key", message, event, found=text, hint=hint)
        return text

    def _duplicate(self, key: str, event: _Event, first: _Event) -> None:
        here, there = (self._source.span(start_of(one)).line for one in (event, first))
        where = f"already in line {there}" if here != there else "twice in this line"
        message = f"the field `{key}` is written {where}"
        self.report("duplicate-key", message, event, found=key, hint="keep one of the two")

    def _alias(self, event: _Event, depth: int) -> Any:
        name: str = event.anchor
        if name in self._open:
            message = f"the alias `*{name}` stands inside what it refers to"
            self.report("recursive-alias", message, event, found=name)
        elif name not in self._anchors:
            message = f"the alias `*{name}` refers to no anchor above it in this document"
            near = nearest(name, self._anchors)
            self.report("unknown-anchor", message, event, found=name, nearest=near)
        elif self._budget >= 0:
            return self._expanded(event, depth)
        return None

    def _expanded(self, event: _Event, depth: int) -> Any:
        value = self._anchors[event.anchor]
        self._budget -= _weight(value)
        if self._budget < 0:
            message = f"aliases expand to more than {MAX_EXPANDED:,} values"
            self.report("alias-bomb", message, event, hint="write the values out")
            return None
        if depth + _height(value) > MAX_DEPTH:
            self.report("too-deep", f"nested more than {MAX_DEPTH} levels deep", event)
            return None
        return _copy(value)


def _weight(value: Any) -> int:
    """What a copy of the value costs: its nodes, long text counted by its length."""
    if isinstance(value, dict):
        return 1 + sum(_weight(key) + _weight(item) for key, item in value.items())
    if isinstance(value, list):
        return 1 + sum(map(_weight, value))
    return 1 + (len(value) // _CHARACTERS_PER_NODE if isinstance(value, str) else 0)


def _height(value: Any) -> int:
    """How many collections stand inside each other."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_height, value.values() if isinstance(value, dict) else value), default=0)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
