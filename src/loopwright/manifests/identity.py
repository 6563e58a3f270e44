"""Whether a document is one of ours: apiVersion, kind and metadata.name.

What kinds there are is not known here.
"""

from __future__ import annotations

import re
from typing import Any

from loopwright.manifests.diagnostics import Diagnostic
from loopwright.manifests.document import Document
from loopwright.manifests.wording import described, shown

GROUP = "loopwright.dev"
API_VERSION = f"{GROUP}/v1alpha1"
MAX_NAME = 63
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAME_RULE = "lower-case letters, digits and `-`, beginning and ending with a letter or digit"


def check_identity(document: Document) -> list[Diagnostic]:
    """What keeps the document from being taken: a document with a problem here is left out."""
    found = document.data.get("apiVersion")
    if isinstance(found, str) and found != API_VERSION:
        return [_foreign(document, found)]
    checks = (_api_version(document, found), _kind(document), _name(document))
    return [diagnostic for diagnostic in checks if diagnostic]


def _foreign(document: Document, found: str) -> Diagnostic:
    facts: dict[str, Any] = {"found": found, "allowed": (API_VERSION,)}
    if found.partition("/")[0].casefold() == GROUP:
        message = f"the API version `{found}` is not known to this loopwright"
        return document.problem("wrong-api-version", message, ("apiVersion",), **facts)
    what = f"{document.kind or 'document'} {document.name}".strip()
    message = f"{what} belongs to `{found}` and not to loopwright"
    hint = "leave it out of what is given to loopwright"
    return document.problem("foreign-document", message, ("apiVersion",), hint=hint, **facts)


def _api_version(document: Document, found: Any) -> Diagnostic | None:
    if isinstance(found, str):
        return None
    hint = f"write `apiVersion: {API_VERSION}`"
    return _text_needed(document, ("apiVersion",), found, hint)


def _kind(document: Document) -> Diagnostic | None:
    if document.kind:
        return None
    return _text_needed(document, ("kind",), document.data.get("kind"), "write `kind: Dataset`")


def _name(document: Document) -> Diagnostic | None:
    metadata = document.data.get("metadata")
    hint = "write `metadata: {name: chat-sft}`"
    if metadata is not None and not isinstance(metadata, dict):
        message = f"`metadata` must be a mapping, but is {described(metadata)}"
        return document.problem("wrong-type", message, ("metadata",), hint=hint)
    name = (metadata or {}).get("name")
    if not isinstance(name, str) or not name:
        return _text_needed(document, ("metadata", "name"), name, hint)
    if len(name) <= MAX_NAME and _NAME.fullmatch(name):
        return None
    message = f"`{shown(name)}` cannot be a name"
    rule = f"use {_NAME_RULE}, at most {MAX_NAME} characters"
    usable = re.sub(r"[^a-z0-9]+", "-", name.lower())[:MAX_NAME].strip("-")
    return document.problem(
        "bad-name", message, ("metadata", "name"), found=shown(name), nearest=usable, hint=rule
    )


def _text_needed(document: Document, path: tuple[str, ...], found: Any, hint: str) -> Diagnostic:
    name = path[-1]
    if found is None:
        message = f"the document needs the field `{'.'.join(path)}`"
        return document.problem("missing-field", message, path, hint=hint)
    message = f"`{name}` must be text, but is {described(found)}"
    return document.problem("wrong-type", message, path, found=shown(found), hint=hint)
