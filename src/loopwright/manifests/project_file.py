"""Reads the text of `loopwright.yaml` into a Project and the variables it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from loopwright.manifests.diagnostics import Diagnostic, Severity, Span, nearest
from loopwright.manifests.document import Document
from loopwright.manifests.project import Environment, Project
from loopwright.manifests.secrets import find_literal_secrets
from loopwright.manifests.source import Source
from loopwright.manifests.validation import ModelT, check_model
from loopwright.manifests.variable_types import VariableDeclaration, converted
from loopwright.manifests.variables import Variables
from loopwright.manifests.yaml import parse

# They decide what variables mean, so nothing is substituted in them.
_DECLARING = ("variables", "environments")


@dataclass(slots=True)
class ProjectFile:
    """What the project file gave; without one, or with a broken one, the defaults."""

    variables: Variables
    project: Project = field(default_factory=Project)
    document: Document | None = None
    diagnostics: list[Diagnostic] = field(default_factory=list)


def read_project(sources: Sequence[Source], given: Variables, environment: str) -> ProjectFile:
    """Read the one project file among `sources`; two of them are an error.

    `given` are the variables set from outside; the result's variables add the declared ones.
    """
    result = ProjectFile(variables=given)
    if len(sources) > 1:
        result.diagnostics.append(_too_many(sources))
    document = _document(sources[0], result.diagnostics) if sources else None
    if document is None:
        return result
    declared = _valid(document, "variables", VariableDeclaration)
    environments = _valid(document, "environments", Environment)
    chosen = environments.get(environment, Environment())
    result.variables = replace(given, project=chosen.variables, declared=declared)
    result.diagnostics += _unknown_environment(document, environments, environment)
    result.diagnostics += _wrong_values(document, environments, declared)
    result.document, problems = _substituted(document, result.variables)
    project, invalid = check_model(result.document, Project)
    result.diagnostics += [*problems, *invalid, *find_literal_secrets(result.document)]
    result.project = project or result.project
    return result


def _document(source: Source, diagnostics: list[Diagnostic]) -> Document | None:
    parsed = parse(source)
    diagnostics += parsed.diagnostics
    for extra in parsed.documents[1:]:
        message = "a project file holds one document"
        diagnostics.append(extra.problem("extra-document", message, hint="move it to another file"))
    return parsed.documents[0] if parsed.documents else None


def _valid(document: Document, section: str, model: type[ModelT]) -> dict[str, ModelT]:
    """The entries of a section that are right; the wrong ones are reported with the whole file."""
    entries = document.data.get(section)
    checked = {
        name: check_model(document, model, data=data)[0]
        for name, data in (entries.items() if isinstance(entries, dict) else ())
    }
    return {name: value for name, value in checked.items() if value is not None}


def _unknown_environment(
    document: Document, environments: Mapping[str, Environment], name: str
) -> list[Diagnostic]:
    known = tuple(environments)
    if name in known or name == "default" or not known:
        return []
    return [
        document.problem(
            "unknown-environment",
            f"the environment `{name}` is not declared",
            ("environments",),
            key=True,
            found=name,
            allowed=known,
            nearest=nearest(name, known),
        )
    ]


def _wrong_values(
    document: Document,
    environments: Mapping[str, Environment],
    declared: Mapping[str, VariableDeclaration],
) -> list[Diagnostic]:
    """An error for each value of an environment that is undeclared or not of the declared type."""
    diagnostics: list[Diagnostic] = []
    for environment, settings in environments.items():
        for name, value in settings.variables.items():
            path = ("environments", environment, "variables", name)
            try:
                if name in declared:
                    converted(value, declared[name].type)
                elif not _is_declared(document, name):
                    diagnostics.append(_undeclared(document, path, declared))
            except ValueError as error:
                message = f"the variable `{name}` {error}"
                diagnostics.append(document.problem("wrong-type", message, path))
    return diagnostics


def _is_declared(document: Document, name: str) -> bool:
    """Whether the file declares the variable at all, if only wrongly."""
    entries = document.data.get("variables")
    return isinstance(entries, dict) and name in entries


def _undeclared(
    document: Document, path: tuple[str, ...], declared: Mapping[str, VariableDeclaration]
) -> Diagnostic:
    name = path[-1]
    return document.problem(
        "undeclared-variable",
        f"the variable `{name}` is not declared",
        path,
        key=True,
        found=name,
        nearest=nearest(name, declared),
        hint=f"declare it under `variables: {{{name}: {{type: ...}}}}`",
    )


def _substituted(document: Document, variables: Variables) -> tuple[Document, list[Diagnostic]]:
    kept = {name: document.data[name] for name in _DECLARING if name in document.data}
    others = {name: value for name, value in document.data.items() if name not in kept}
    substituted, diagnostics = variables.substitute(replace(document, data=others))
    return replace(document, data=kept | substituted.data), diagnostics


def _too_many(sources: Sequence[Source]) -> Diagnostic:
    names = ", ".join(source.name for source in sources)
    return Diagnostic(
        Severity.ERROR,
        "two-project-files",
        f"there is more than one project file: {names}",
        Span(sources[1].name, 1, 1),
        hint="keep one; a folder with a project of its own is applied by itself",
    )
