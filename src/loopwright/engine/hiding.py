"""Takes secret values out of what providers say, before it is told or written down.

What reaches a terminal is masked once more there; state, journal and events are masked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from loopwright.engine.secrecy import references
from loopwright.errors import LoopwrightError
from loopwright.manifests.secrets import MASK, forms
from loopwright.resources.base import Resource


class Hiding:
    """Knows the secrets that resources refer to; reads them only when there is a text to mask."""

    def __init__(self, resources: Iterable[Resource], environ: Mapping[str, str]) -> None:
        self._resources, self._environ = tuple(resources), environ

    def __call__(self, text: str) -> str:
        """The text without any secret, nor its base64 or URL-encoded form."""
        if text:
            for value in self._values:
                text = text.replace(value, MASK)
        return text

    @cached_property
    def _values(self) -> tuple[str, ...]:
        """Longest first, so that a secret that holds another is hidden whole."""
        found = set[str]()
        for resource in self._resources:
            for reference in references(resource.spec):
                try:
                    value = reference.resolve(self._environ, resource.base_dir).reveal()
                except LoopwrightError:
                    continue  # what cannot be read cannot be told either
                found |= forms(value)
        return tuple(sorted(found, key=lambda value: (-len(value), value)))
