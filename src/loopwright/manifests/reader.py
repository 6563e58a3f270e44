"""Finds and reads manifest files: files, folders and stdin to Sources, within bounds.

Looks at names and bytes only; what the YAML says is not its business.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loopwright.manifests.diagnostics import Diagnostic, Severity, Span, nearest
from loopwright.manifests.source import Source

MAX_FILE_BYTES = 4 << 20
MAX_TOTAL_BYTES = 64 << 20
PROJECT_FILE = "loopwright.yaml"
STDIN = "<stdin>"
_SUFFIXES = (".yaml", ".yml")
_KUSTOMIZATION = ("kustomization.yaml", "kustomization.yml")


@dataclass(slots=True)
class Reader:
    """Reads paths one after the other; every file once, whatever paths lead to it.

    `sources` are manifests, `projects` the project files met; what cannot be read is a diagnostic.
    """

    sources: list[Source] = field(default_factory=list)
    projects: list[Source] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _bytes: int = 0

    def read(self, path: Path) -> None:
        """Read a file, or a folder recursively in sorted order."""
        if os.path.isdir(path):
            self._read_folder(path)
        elif os.path.exists(path):
            self._read_file(path)
        else:
            self._refuse(
                "no-such-path",
                f"there is no file or folder `{_display(path)}`",
                near=nearest(path.name, _siblings(path)),
            )

    def read_stdin(self, stdin: Callable[[], bytes], base_dir: Path) -> None:
        """Read manifests from stdin; relative paths in them start at `base_dir`."""
        if source := self._source(stdin(), STDIN, base_dir):
            self.sources.append(source)

    def _read_folder(self, root: Path) -> None:
        paths = list(self._walk(root, Path(os.path.realpath(root))))
        for path in paths:
            if path.name == PROJECT_FILE and path.parent != root:
                self._refuse(
                    "nested-project",
                    f"`{_display(path)}` begins a project inside another one",
                    hint="apply that folder by itself, or move the file to the top",
                )
            else:
                self._read_file(path)
        if all(path.name == PROJECT_FILE for path in paths):
            self._refuse_empty(root)

    def _refuse_empty(self, root: Path) -> None:
        hint = "write one, or start with `loopwright init`"
        if any((root / name).is_file() for name in _KUSTOMIZATION):
            hint = f"try: kustomize build {_display(root)} | loopwright apply -f -"
        message = f"there are no manifests (*.yaml, *.yml) in `{_display(root)}`"
        self._refuse("no-manifests", message, hint=hint)

    def _walk(self, folder: Path, root: Path) -> Iterator[Path]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._refuse(
                "unreadable", f"cannot read the folder `{_display(folder)}`: {_why(error)}"
            )
            return
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _KUSTOMIZATION:
                continue
            path = folder / entry.name
            if entry.is_symlink() and not self._stays_inside(path, root):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(path, root)
            elif entry.name.endswith(_SUFFIXES) and _is_file_or_broken(path):
                yield path

    def _stays_inside(self, link: Path, root: Path) -> bool:
        if Path(os.path.realpath(link)).is_relative_to(root):
            return True
        if os.path.isdir(link) or link.name.endswith(_SUFFIXES):
            self._refuse(
                "link-outside",
                f"the link `{_display(link)}` leads out of the folder",
                hint="copy what it points to, or give its path on the command line",
            )
        return False

    def _read_file(self, path: Path) -> None:
        if self._bytes > MAX_TOTAL_BYTES:
            return
        try:
            with path.open("rb") as handle:
                status = os.fstat(handle.fileno())
                identity = status.st_dev, status.st_ino
                if identity in self._seen:
                    return
                self._seen.add(identity)
                # A pipe has no size; asking for the limit each time would allocate it each time.
                size = status.st_size if stat.S_ISREG(status.st_mode) else MAX_FILE_BYTES
                data = handle.read(min(size, MAX_FILE_BYTES) + 1)
        except OSError as error:
            self._refuse("unreadable", f"cannot read `{_display(path)}`: {_why(error)}")
            return
        if source := self._source(data, _display(path), path.parent.absolute()):
            (self.projects if path.name == PROJECT_FILE else self.sources).append(source)

    def _source(self, data: bytes, name: str, base_dir: Path) -> Source | None:
        start = Span(name, 1, 1)
        if len(data) > MAX_FILE_BYTES:
            limit = MAX_FILE_BYTES >> 20
            self._refuse("too-large", f"`{name}` is larger than {limit} MiB", span=start)
            return None
        self._bytes += len(data)
        if self._bytes > MAX_TOTAL_BYTES:
            limit = MAX_TOTAL_BYTES >> 20
            message = f"the manifests are larger than {limit} MiB: the rest is not read"
            self._refuse("too-large", message, span=start)
            return None
        return self._decoded(data, name, base_dir)

    def _decoded(self, data: bytes, name: str, base_dir: Path) -> Source | None:
        hint = "save the file as UTF-8"
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            found = f"byte 0x{data[error.start]:02x} at offset {error.start:,}"
            message, offset = f"this is not UTF-8: {found}", error.start
        else:
            if (offset := data.find(0)) < 0:
                return Source(name, text, base_dir)
            message = f"there is a NUL byte at offset {offset:,}"
        if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
            hint = "it looks like UTF-16 or a binary file; save it as UTF-8"
        readable = Source(name, data[:offset].decode("utf-8-sig", "replace"), base_dir)
        place = readable.span(len(readable.text))
        self._refuse("not-utf-8", message, span=place, hint=hint)
        return None

    def _refuse(
        self, code: str, message: str, *, span: Span | None = None, near: str = "", hint: str = ""
    ) -> None:
        self.diagnostics.append(
            Diagnostic(Severity.ERROR, code, message, span, nearest=near, hint=hint)
        )


def _display(path: Path) -> str:
    """The path as text that can be printed, whatever bytes the name holds."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _siblings(path: Path) -> Iterable[str]:
    try:
        return [_display(Path(name)) for name in os.listdir(path.parent)]
    except (OSError, ValueError):
        return []


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _is_file_or_broken(path: Path) -> bool:
    """A broken link counts, so that reading it says so instead of leaving a manifest out."""
    return os.path.isfile(path) or not os.path.exists(path)
