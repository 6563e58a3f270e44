"""One YAML document as plain data, with the place of every value in it. Not yet trusted.

What its kind demands is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from loopwright.manifests.diagnostics import Diagnostic, Span, field_path
from loopwright.manifests.secrets import MASK, is_secret_name, literal_secrets
from loopwright.manifests.source import Source
from loopwright.manifests.spans import Node, find, locate

FieldPath = Sequence[str | int]


@dataclass(frozen=True, eq=False)
class Document:
    """A document of a manifest file. `data` must not be changed; `index` counts from 0 in its file.

    `start` and `end` bound its text in the source, `first` is the offset of its first value.
    """

    source: Source
    data: dict[str, Any]
    index: int
    start: int
    first: int
    end: int

    @cached_property
    def api_version(self) -> str:
        return _text(self.data.get("apiVersion"))

    @cached_property
    def kind(self) -> str:
        return _text(self.data.get("kind"))

    @cached_property
    def name(self) -> str:
        metadata = self.data.get("metadata")
        return _text(metadata.get("name")) if isinstance(metadata, dict) else ""

    @property
    def address(self) -> str:
        """`Kind/name`, or "" when one of them is missing."""
        return f"{self.kind}/{self.name}" if self.kind and self.name else ""

    @property
    def file(self) -> str:
        return self.source.name

    @property
    def base_dir(self) -> Path:
        """The folder that relative paths in the document start from."""
        return self.source.base_dir

    @property
    def line(self) -> int:
        """The line of the document's first value, from 1."""
        return self.source.span(self.first).line

    def span(self, path: FieldPath = (), *, key: bool = False) -> Span:
        """The place of the value (or its key) at `path`, or of its nearest parent that exists."""
        return self.source.span(self._offset(path, key=key))

    def source_line(self, span: Span) -> str:
        """The text of a span's line, secrets masked."""
        line, start = self.source.line(span.line), self.source.line_start(span.line)
        for begin, end in self._secrets:
            first, last = max(begin - start, 0), min(end - start, len(line))
            if first < last:
                line = line[:first] + "*" * (last - first) + line[last:]
        return line

    def problem(
        self,
        code: str,
        message: str,
        path: FieldPath = (),
        *,
        key: bool = False,
        found: str = "",
        allowed: tuple[str, ...] = (),
        nearest: str = "",
        hint: str = "",
        hide: bool = False,
    ) -> Diagnostic:
        """An error at the value (or key) at `path`; `hide` keeps the value out of sight.

        The value of a field that is named like a secret is always hidden.
        """
        hide = hide or (not key and any(is_secret_name(str(part)) for part in path))
        if hide and found:
            message, found = message.replace(found, MASK), MASK
        diagnostic = self.source.problem(
            code,
            message,
            self._offset(path, key=key),
            found=found,
            allowed=allowed,
            nearest=nearest,
            hint=hint,
        )
        span = self.span(path, key=key)
        line = self.source_line(span)
        if hide and len(line) >= span.column:
            line = line[: span.column - 1] + MASK
        return replace(diagnostic, field=field_path(path), address=self.address, source_line=line)

    @cached_property
    def _tree(self) -> Node:
        return locate(self.source.text[self.start : self.end])

    @cached_property
    def _secrets(self) -> list[tuple[int, int]]:
        """Where literal secrets begin and end in the source."""
        found = [find(self._tree, path)[0] for path, _ in literal_secrets(self.data)]
        return [(self.start + node.offset, self.start + node.end) for node in found]

    def _offset(self, path: FieldPath, *, key: bool) -> int:
        node, is_there = find(self._tree, path)
        if node is self._tree:
            return self.first
        at_value = node.key is None or (is_there and not key)
        return self.start + (node.offset if at_value else node.key or 0)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
