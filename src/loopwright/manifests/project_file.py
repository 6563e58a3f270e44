"""Reads the text of `loopwright.yaml` into a Project and the variables it declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from loopwright.manifests.diagnostics import Diagnostic, Severity, Span, nearest
from loopwright.manifests.document import Document
from loopwright.manifests.project import Declarations, Environment, Project, check_environments
from loopwright.manifests.secrets import find_literal_secrets
from loopwright.manifests.source import Source
from loopwright.manifests.validation import ModelT, check_model
from loopwright.manifests.variables import VariableDeclaration, Variables
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
    declarations = _declarations(document, result.diagnostics)
    result.variables = _with_declared(given, declarations, environment)
    result.diagnostics += _unknown_environment(document, declarations, environment)
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


def _declarations(document: Document, diagnostics: list[Diagnostic]) -> Declarations:
    """What the file declares, less what is wrong: that is reported with the whole file."""
    declarations = Declarations(
        variables=_valid(document, "variables", VariableDeclaration),
        environments=_valid(document, "environments", Environment),
    )
    diagnostics += check_environments(document, declarations)
    return declarations


def _valid(document: Document, section: str, model: type[ModelT]) -> dict[str, ModelT]:
    entries = document.data.get(section)
    checked = {
        name: check_model(document, model, data=data)[0]
        for name, data in (entries.items() if isinstance(entries, dict) else ())
    }
    return {name: value for name, value in checked.items() if value is not None}


def _with_declared(given: Variables, declarations: Declarations, environment: str) -> Variables:
    chosen = declarations.environments.get(environment)
    return replace(
        given,
        project=chosen.variables if chosen else {},
        declared=declarations.variables,
    )


def _unknown_environment(
    document: Document, declarations: Declarations, environment: str
) -> list[Diagnostic]:
    known = tuple(declarations.environments)
    if environment in known or environment == "default" or not known:
        return []
    return [
        document.problem(
            "unknown-environment",
            f"the environment `{environment}` is not declared",
            ("environments",),
            key=True,
            found=environment,
            allowed=known,
            nearest=nearest(environment, known),
        )
    ]


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
