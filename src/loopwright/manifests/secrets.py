"""Secrets: references to them, the masked value, and the search for literal ones in manifests.

A secret's text appears in no message, repr or source line made here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, quote_plus

from pydantic import ConfigDict, Field, model_validator

from loopwright.errors import LoopwrightError
from loopwright.manifests.model import ManifestModel

if TYPE_CHECKING:
    from loopwright.manifests.diagnostics import Diagnostic
    from loopwright.manifests.document import Document

MASK = "****"
_MAX_SECRET_BYTES = 64 * 1024
_ENV_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_PEM = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"
_SHAPES = {
    "a private key": _PEM,
    "an API key": r"\bsk-[A-Za-z0-9_-]{16,}",
    "an AWS access key": r"\bA[KS]IA[A-Z0-9]{16}\b",
    "a Volcengine access key": r"\bAKLT[A-Za-z0-9_-]{12,}",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a bearer token": r"\b[Bb]earer\s+eyJ[A-Za-z0-9._-]{10,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{20,}",
    "a Google API key": r"\bAIza[A-Za-z0-9_-]{30,}",
    # Not the `${NAME}` of a variable, which is judged by its value; nor `image:tag@sha256:...`.
    "a password in a web address": r"""://[^\s/?#:@"'<>]*:(?!\$\{)[^\s/?#"'<>]+@(?!sha256:)""",
}
_SHAPE = re.compile("|".join(f"({pattern})" for pattern in _SHAPES.values()))
_LABELS = tuple(_SHAPES)
_PEM_BLOCK = re.compile(_PEM + r"(?s:.*?)(?:-----END|\Z)")
_SECRET_NAME = re.compile(
    r"(?:api|access|secret|private|master|encryption|signing)_?key$|secret$|password$|passwd$"
    r"|passphrase$|credentials?$|^token$|(?:api|auth|access|bearer|session|refresh|security)_?token$"
)
_NAMED_HEAD = re.compile(
    r"""(?i)(?<![\w.-])([\w.-]*(?:key|secret|passw(?:or)?d|passphrase|credentials?|token))"""
    r"""["']?[ \t]*:[ \t]+(?=[^\s{\[&*#|>])"""
)
_LINE_REST = re.compile(r"[^\r\n]*")


_SHORTEST = 6
"""A shorter value would hide ordinary words."""


def forms(value: str) -> set[str]:
    """A secret as it may appear in a text: plain, base64, URL-encoded. None of a short one."""
    if len(value) < _SHORTEST:
        return set()
    raw = value.encode()
    return {
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    }


class SecretValue:
    """A secret in memory. Shown as `****` everywhere; `reveal` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class SecretRef(ManifestModel):
    """Where a secret is found: exactly one of an environment variable or a file."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("env", "file")
            ]
        }
    )

    env: str | None = Field(
        default=None,
        pattern=f"^{_ENV_NAME}$",
        description="Name of the environment variable that holds the secret.",
        examples=["ARK_API_KEY"],
    )
    file: str | None = Field(
        default=None,
        min_length=1,
        description="Path of the file that holds the secret, relative to the manifest.",
        examples=["secrets/ark.key"],
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("needs exactly one of `env` and `file`")
        return self

    def __str__(self) -> str:
        return f"{{env: {self.env}}}" if self.env else f"{{file: {self.file}}}"

    def resolve(self, environ: Mapping[str, str], base_dir: Path) -> SecretValue:
        """Fetch the secret. Raises LoopwrightError that names the reference, never the value."""
        text = environ.get(self.env, "") if self.env else self._read(base_dir)
        if not text:
            raise LoopwrightError(
                f"cannot resolve the secret {self}: it is not set or empty",
                hint=f"export {self.env}=..." if self.env else "write the secret to that file",
            )
        return SecretValue(text)

    def _read(self, base_dir: Path) -> str:
        path = base_dir / Path(self.file or "").expanduser()
        try:
            with path.open("rb") as handle:
                data = handle.read(_MAX_SECRET_BYTES + 1)
            text = data.decode("utf-8")
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise LoopwrightError(f"cannot read the secret {self}: {reason}") from None
        except UnicodeDecodeError:
            raise LoopwrightError(f"cannot read the secret {self}: it is not UTF-8") from None
        if len(data) > _MAX_SECRET_BYTES:
            raise LoopwrightError(f"cannot read the secret {self}: more than 64 KiB")
        return text.rstrip("\r\n")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret (`apiKey`, `client_secret`, `password`)."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return bool(_SECRET_NAME.search(snake))


def masked(text: str) -> str:
    """The same text, of the same length, with everything that looks like a secret starred out."""
    text = _PEM_BLOCK.sub(lambda match: re.sub(r"[^\r\n]", "*", match[0]), text)
    text = _SHAPE.sub(lambda match: _starred(match[0], keep=4), text)
    return "".join(_without_named_values(text))


def _without_named_values(text: str) -> Iterator[str]:
    done = 0
    for head in _NAMED_HEAD.finditer(text):
        # `key` alone may be a path or a label; hiding it where it is shown costs little.
        if head.end() > done and (is_secret_name(head[1]) or head[1] == "key"):
            yield text[done : head.end()]
            rest = _LINE_REST.match(text, head.end())
            done = rest.end() if rest else head.end()
            yield "*" * (done - head.end())
    yield text[done:]


def _starred(text: str, keep: int) -> str:
    return text[:keep] + "*" * (len(text) - keep)


def find_literal_secrets(document: Document) -> list[Diagnostic]:
    """An error for every string of the document that is a secret by its shape or its field name."""
    return [
        document.problem(
            "literal-secret",
            f"{what} stands here in plain text",
            path,
            hide=True,
            hint="put it into an environment variable or a file and refer to it:"
            " {env: NAME} or {file: path}",
        )
        for path, what in literal_secrets(document.data)
    ]


def literal_secrets(value: Any, name: str = "") -> list[tuple[tuple[str | int, ...], str]]:
    """Path and description of each literal secret inside a value that stands under `name`."""
    if isinstance(value, str):
        what = _what(value, name)
        return [((), what)] if what else []
    if isinstance(value, dict):
        items: Iterable[tuple[str | int, Any]] = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return []
    return [
        ((part, *path), what)
        for part, item in items
        for path, what in literal_secrets(item, _name_inside(name, part, item))
    ]


def _name_inside(name: str, part: str | int, item: Any) -> str:
    """What a part of a value is called. In a secret field all but a reference is the secret."""
    if isinstance(part, int):
        return name
    return name if is_secret_name(name) and not _is_reference(part, item) else part


def _is_reference(part: str, item: Any) -> bool:
    return isinstance(item, str) and (
        part == "file" or (part == "env" and bool(re.fullmatch(_ENV_NAME, item)))
    )


def _what(value: str, name: str) -> str:
    if len(value) > 12 and (match := _SHAPE.search(value)):
        return _LABELS[(match.lastindex or 1) - 1]
    return f"the value of `{name}`" if value and is_secret_name(name) else ""
