"""The secrets of a running daemon: found by reference, in memory only, and masked in its log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from loopwright.manifests.secrets import MASK, SecretRef, forms


class Secrets:
    """Values of references. What an apply handed over goes before the daemon's own environment,
    which is older."""

    def __init__(self, project: Path, environ: Mapping[str, str]) -> None:
        self._project, self._environ = project, dict(environ)
        self._seen: set[str] = set()
        self.files: set[Path] = set()
        """Every file that was asked for, there or not; a change in one changes a secret."""

    def give(self, values: Mapping[str, str]) -> bool:
        """Take values of environment variables that were handed over; whether one is new."""
        is_news = any(self._environ.get(name) != value for name, value in values.items())
        self._environ |= values
        self.remember(values.values())
        return is_news

    def resolve(self, reference: Mapping[str, str], folder: str = ".") -> str:
        """The value. Raises LoopwrightError that names the reference, never the value."""
        found = SecretRef.model_validate(dict(reference))
        base = self._project / folder
        if found.file:
            self.files.add(base / Path(found.file).expanduser())
        value = found.resolve(self._environ, base).reveal()
        self.remember([value])
        return value

    def remember(self, values: Iterable[str]) -> None:
        """Keep values out of the log."""
        for value in values:
            self._seen |= forms(value)

    def environ(self) -> dict[str, str]:
        """For the child that opens the lakes."""
        return dict(self._environ)

    def masked(self, text: str) -> str:
        """The text without any secret that was ever seen, in any usual form."""
        for value in sorted(self._seen, key=len, reverse=True):
            text = text.replace(value, MASK)
        return text
