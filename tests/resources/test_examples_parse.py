"""Every YAML document below examples/ and manifests/ passes the published schema and the models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from loopwright.manifests.diagnostics import render
from loopwright.manifests.loader import load
from loopwright.manifests.project import Project
from loopwright.parsing import parse
from loopwright.providers.registry import provider_types
from loopwright.resources.base import API_VERSION
from loopwright.resources.registry import kinds
from loopwright.resources.schema import SchemaMaker, manifest_schema

HOME = Path(__file__).resolve().parents[2]
RENDERED = {"05-kustomize": "rendered.yaml", "11-environments": "dev.yaml"}
"""What kustomize made of projects whose overlays are no manifests by themselves."""
OTHER_FILES = ("loopwright.yaml", "kustomization.yaml")
PROJECTS = sorted(
    [path for path in (HOME / "examples").iterdir() if path.is_dir()] + [HOME / "manifests"]
)
FILES = sorted(
    path
    for home in PROJECTS
    for path in home.rglob("*.yaml")
    if ".loopwright" not in path.parts and path.name not in OTHER_FILES
)


@cache
def any_kind() -> Draft202012Validator:
    return Draft202012Validator(manifest_schema())


def documents(path: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def given_to_loopwright(project: Path) -> Path:
    return project / RENDERED.get(project.name, "")


def has_variables(path: Path) -> bool:
    return "${" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if "overlays" not in path.parts and not has_variables(path)],
    ids=lambda path: str(path.relative_to(HOME)),
)
def test_documents_pass_the_published_schema(path: Path) -> None:
    for document in documents(path):
        assert [error.message for error in any_kind().iter_errors(document)] == []


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(HOME.glob("examples/*/loopwright.yaml")) if not has_variables(path)],
    ids=lambda path: path.parent.name,
)
def test_project_files_pass_the_published_schema(path: Path) -> None:
    schema = Project.model_json_schema(schema_generator=SchemaMaker)
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(found)] == []


@pytest.mark.parametrize(
    ("project", "environment"),
    [(path, "default") for path in PROJECTS]
    + [(HOME / "examples/04-environments", name) for name in ("staging", "prod")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_project_parses_without_a_problem(project: Path, environment: str) -> None:
    found = load(
        [str(given_to_loopwright(project))],
        project_dir=project,
        stdin=lambda: b"",
        environ={},
        environment=environment,
    )
    problems = [*found.diagnostics, *parse(found).diagnostics]
    assert problems == [], render(problems)


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_files_that_manifests_name_are_there(project: Path) -> None:
    for path in project.rglob("pipeline.yaml"):
        for document in documents(path):
            for name in document["spec"].get("files", ()):
                assert (project / name).is_file()


def test_the_tour_shows_every_kind() -> None:
    shown = {
        document["kind"]
        for path in (HOME / "examples/01-memory-tour").glob("*.yaml")
        for document in documents(path)
    }
    assert shown == set(kinds())


def test_examples_use_providers_of_this_package() -> None:
    types = {
        document["spec"]["type"]
        for path in FILES
        for document in documents(path)
        if document["kind"] == "Provider" and "type" in document["spec"]
    }
    assert types <= set(provider_types())


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge as kustomize does it for kinds it does not know: lists are replaced."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    return base | {name: merged(base.get(name), value) for name, value in patch.items()}


def test_rendered_manifests_are_base_and_overlay() -> None:
    home = HOME / "examples" / "05-kustomize"
    overlay = yaml.safe_load((home / "overlays/prod/kustomization.yaml").read_text())
    patches = [
        patch
        for named in overlay["patches"]
        for patch in documents(home / "overlays/prod" / named["path"])
    ]
    labels = {"metadata": {"labels": overlay["labels"][0]["pairs"]}}
    expected = []
    for document in documents(home / "base/pipeline.yaml"):
        same = [
            patch
            for patch in patches
            if (patch["kind"], patch["metadata"]) == (document["kind"], document["metadata"])
        ]
        expected.append(merged(merged(document, same[0] if same else {}), labels))
    rendered = list(documents(home / "rendered.yaml"))
    assert sorted(rendered, key=str) == sorted(
        (yaml.safe_load(yaml.safe_dump(each, sort_keys=True)) for each in expected), key=str
    )
    assert all(document["apiVersion"] == API_VERSION for document in rendered)
