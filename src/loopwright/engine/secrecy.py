"""The secrets that a run refers to, and where their values stand in manifests all the same.

A secret that got into a plain field, say as `${NAME}`, would be told by plans and kept by state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from loopwright.errors import LoopwrightError
from loopwright.manifests.diagnostics import Diagnostic, Severity
from loopwright.manifests.document import Document
from loopwright.manifests.loader import ManifestSet
from loopwright.manifests.project import Project
from loopwright.manifests.secrets import MASK, SecretRef, forms
from loopwright.resources.base import Resource
from loopwright.resources.references import models_in

_HINT = "a secret belongs only into fields that take a reference to one, never into a variable"


def secret_values(
    resources: Iterable[Resource],
    project: Project,
    *,
    environ: Mapping[str, str],
    project_dir: Path,
) -> dict[str, str]:
    """Each secret that can be read, in every form it may appear in, with its reference in words.

    The longest come first. What cannot be read is left out: it cannot be told either.
    """
    found: dict[str, str] = {}
    for holder, folder in (
        (project, project_dir),
        *((resource.spec, resource.base_dir) for resource in resources),
    ):
        for reference in references(holder):
            try:
                value = reference.resolve(environ, folder).reveal().strip()
            except LoopwrightError:
                continue
            found |= dict.fromkeys(forms(value), str(reference))
    return dict(sorted(found.items(), key=lambda item: (-len(item[0]), item[0])))


def exposed(
    manifests: ManifestSet, variables: Mapping[str, str], secrets: Mapping[str, str]
) -> Iterator[Diagnostic]:
    """An error for every string and every given variable that holds the value of a secret.

    Plans tell the given variables, whether a manifest uses them or not.
    """
    if not secrets:
        return
    for name, text in variables.items():
        if any(value in text for value in secrets):
            message = f"the variable `{name}` holds the value of a secret"
            yield Diagnostic(Severity.ERROR, "literal-secret", message, hint=_HINT)
    own = manifests.project_document
    for document in (*manifests.documents, *([own] if own else [])):
        yield from _exposed_in(document, secrets)


def veiled(diagnostics: Iterable[Diagnostic], secrets: Mapping[str, str]) -> list[Diagnostic]:
    """The diagnostics without any secret in what they quote."""

    def hidden(text: str) -> str:
        for value in secrets:
            text = text.replace(value, MASK)
        return text

    return [
        replace(
            one,
            message=hidden(one.message),
            found=hidden(one.found),
            source_line=hidden(one.source_line),
            hint=hidden(one.hint),
        )
        for one in diagnostics
    ]


def _exposed_in(document: Document, secrets: Mapping[str, str]) -> Iterator[Diagnostic]:
    for path, text in _texts(document.data, ()):
        reference = next((secrets[value] for value in secrets if value in text), "")
        if reference:
            yield document.problem(
                "literal-secret",
                f"the value of the secret {reference} stands here in plain text",
                path,
                hide=True,
                hint=_HINT,
            )


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


@cache
def _fields(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields that may hold a reference, for most have none and manifests may be many."""
    return tuple(
        name
        for name, field in model.model_fields.items()
        if any(nested is SecretRef or _fields(nested) for nested in models_in(field.annotation))
    )


def references(value: Any) -> Iterator[SecretRef]:
    """Every reference to a secret in a spec, or in what a part of it holds."""
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, BaseModel):
        for name in _fields(type(value)):
            yield from references(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item)
