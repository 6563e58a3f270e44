"""From paths to a ManifestSet: reads, parses, substitutes, checks identities, collects problems.

Knows no resource kind; `resources` takes the documents from here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopwright.hashing import canonical_json, digest, sha256_hex
from loopwright.manifests.diagnostics import Diagnostic, Span, ordered
from loopwright.manifests.document import Document
from loopwright.manifests.identity import check_identity
from loopwright.manifests.project import Project
from loopwright.manifests.project_file import read_project
from loopwright.manifests.reader import PROJECT_FILE, Reader
from loopwright.manifests.secrets import find_literal_secrets
from loopwright.manifests.source import Source
from loopwright.manifests.variables import Variables, secret_variables, unused_variables
from loopwright.manifests.yaml import parse

MAX_DOCUMENTS = 50_000
DEFAULT_ENVIRONMENT = "default"


@dataclass(slots=True)
class ManifestSet:
    """All documents of one run and what is wrong with them; unusable documents are left out.

    `digest` follows what documents and project file mean, not their files, order or comments.
    `sources` are the names of the files read.
    """

    documents: tuple[Document, ...]
    project: Project
    diagnostics: list[Diagnostic]
    digest: str
    sources: tuple[str, ...]
    project_document: Document | None = None

    def project_span(self, path: Sequence[str | int] = ()) -> Span | None:
        """The place of a field of the project file, or None without a project file."""
        return self.project_document.span(path) if self.project_document else None


def load(
    paths: Sequence[str] = (".",),
    *,
    project_dir: Path,
    stdin: Callable[[], bytes],
    environ: Mapping[str, str],
    var: Mapping[str, str] | None = None,
    var_files: Sequence[str] = (),
    environment: str = DEFAULT_ENVIRONMENT,
) -> ManifestSet:
    """Load everything under `paths` ("-" is stdin) for one environment.

    `environ` is the process environment, `var` and `var_files` what the command line sets.
    Never raises for what the files hold: every problem is in `diagnostics`.
    """
    reader = _read(paths, project_dir, stdin)
    files, problems = _read_variables(var_files)
    given = Variables(cli=var or {}, files=files, environment=environ)
    project = read_project(reader.projects, given, environment)
    documents, found = _documents(reader.sources, project.variables)
    found += secret_variables(given)
    found += unused_variables(project.variables, (*reader.sources, *reader.projects))
    data = project.document.data if project.document else {}
    hashes = sorted(sha256_hex(canonical_json(document.data)) for document in documents)
    return ManifestSet(
        documents=tuple(documents),
        project=project.project,
        diagnostics=ordered([*reader.diagnostics, *problems, *project.diagnostics, *found]),
        digest=digest({"documents": hashes, "project": data}),
        sources=tuple(source.name for source in reader.sources),
        project_document=project.document,
    )


def _read(paths: Sequence[str], project_dir: Path, stdin: Callable[[], bytes]) -> Reader:
    reader = Reader()
    for path in dict.fromkeys(paths):
        if path == "-":
            reader.read_stdin(stdin, project_dir)
        else:
            reader.read(Path(path))
    project_file = project_dir / PROJECT_FILE
    if not (project_file.is_file() or reader.projects):
        for named in filter(os.path.isfile, paths):
            _read_beside(Path(named), reader)
    if project_file.is_file():
        here = Path.cwd()
        inside = project_file.is_relative_to(here)
        reader.read(project_file.relative_to(here) if inside else project_file)
    return reader


def _read_beside(path: Path, reader: Reader) -> None:
    """A file of a folder with a project file is of that project, also when it is named alone."""
    beside = path.parent / PROJECT_FILE
    if beside.is_file():
        reader.read(beside)


def _read_variables(paths: Sequence[str]) -> tuple[list[dict[str, object]], list[Diagnostic]]:
    """The mappings of the variable files in the order given, and what is wrong with them."""
    reader = Reader()
    for path in paths:
        reader.read(Path(path))
    values: list[dict[str, object]] = []
    diagnostics = reader.diagnostics
    for source in (*reader.sources, *reader.projects):
        parsed = parse(source)
        diagnostics += parsed.diagnostics
        for document in parsed.documents:
            diagnostics += find_literal_secrets(document)
            values.append(document.data)
    return values, diagnostics


def _documents(
    sources: Sequence[Source], variables: Variables
) -> tuple[list[Document], list[Diagnostic]]:
    documents: list[Document] = []
    diagnostics: list[Diagnostic] = []
    for source in sources:
        parsed = parse(source)
        diagnostics += parsed.diagnostics
        for raw in parsed.documents:
            if len(documents) == MAX_DOCUMENTS:
                message = f"there are more than {MAX_DOCUMENTS:,} documents"
                return documents, [*diagnostics, raw.problem("too-many-documents", message)]
            document, problems = variables.substitute(raw)
            unusable = check_identity(document)
            diagnostics += [*problems, *unusable, *find_literal_secrets(document)]
            if not unusable:
                documents.append(document)
    return documents, diagnostics
