"""From paths to a ManifestSet: identity, project file, environments, digest, foreign input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from loopwright.manifests import loader as module
from loopwright.manifests.diagnostics import render
from loopwright.manifests.loader import ManifestSet, load
from loopwright.manifests.project_file import read_project
from loopwright.manifests.source import Source
from loopwright.manifests.variables import Variables

HEAD = "apiVersion: loopwright.dev/v1alpha1\nkind: Lake\nmetadata: {name: %s}\n"

KUSTOMIZE = """\
apiVersion: loopwright.dev/v1alpha1
kind: Delivery
metadata:
  annotations:
    config.kubernetes.io/index: "0"
    config.kubernetes.io/path: delivery.yaml
    internal.config.kubernetes.io/annotations-migration-resource-id: "1"
    note: "yes"
  labels:
    app.kubernetes.io/part-of: chat
  name: prod-chat
spec:
  capture:
    rate: 1
  enabled: true
  endpoint: Endpoint/chat
  redaction:
    patterns:
    - name: 手机号
      regex: 1[3-9]\\d{9}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata:
  name: prod-main
spec:
  description: |
    两行
    text
  retention: 30d
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load_here(*paths: str, stdin: bytes = b"", **options: Any) -> ManifestSet:
    options = {"environ": {}, **options}
    return load(paths or ["."], project_dir=Path.cwd(), stdin=lambda: stdin, **options)


def codes(manifests: ManifestSet) -> list[str]:
    return [one.code for one in manifests.diagnostics]


def test_a_secret_on_the_command_line_is_told(project: Path) -> None:
    manifests = load_here("-", stdin=KUSTOMIZE.encode(), var={"DB_PASSWORD": "hunter2"})
    assert "secret-variable" in codes(manifests)


def test_kustomize_output_is_taken_unchanged(project: Path) -> None:
    manifests = load_here("-", stdin=KUSTOMIZE.encode())
    assert not manifests.diagnostics
    delivery, lake = manifests.documents
    assert (delivery.address, lake.address) == ("Delivery/prod-chat", "Lake/prod-main")
    assert [document.data for document in manifests.documents] == list(
        yaml.safe_load_all(KUSTOMIZE)
    )
    place = delivery.span(("spec", "redaction", "patterns", 0, "regex"))
    assert str(place) == "<stdin>:20:14"
    assert delivery.source_line(place) == "      regex: 1[3-9]\\d{9}"
    assert str(lake.span(("spec", "retention"), key=True)) == "<stdin>:30:3"
    assert str(lake.span(("spec", "missing", "deeper"))) == "<stdin>:26:1"
    assert (lake.line, lake.index, lake.base_dir) == (22, 1, project)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("kind: Lake\nmetadata: {name: a}", ["missing-field"]),
        ("apiVersion: 1\nkind: [x]\nmetadata: {}", ["wrong-type", "wrong-type", "missing-field"]),
        ("apiVersion: loopwright.dev/v2\nkind: Lake", ["wrong-api-version"]),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}", ["foreign-document"]),
        (HEAD % "Bad.Name", ["bad-name"]),
        (HEAD % "-x", ["bad-name"]),
        (HEAD % ("x" * 64), ["bad-name"]),
        (HEAD % "1", ["wrong-type"]),
        (HEAD % ("x" * 63), []),
    ],
)
def test_documents_that_are_not_ours_are_named_and_left_out(
    project: Path, text: str, problems: list[str]
) -> None:
    manifests = load_here("-", stdin=text.encode())
    assert sorted(codes(manifests)) == sorted(problems)
    assert len(manifests.documents) == (not problems)


def test_a_foreign_document_is_named(project: Path) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
    (only,) = load_here("-", stdin=text).diagnostics
    assert "ConfigMap settings" in only.message


def test_the_project_file_gives_variables_by_environment(project: Path) -> None:
    (project / "loopwright.yaml").write_text(
        "variables: {R: {type: number, default: 0.1}, P: {type: integer, default: 2}}\n"
        "environments: {prod: {variables: {R: 0.5}}}\n"
        "parallelism: ${P}\n"
    )
    (project / "a.yaml").write_text(HEAD % "a" + "spec: {r: '${R}'}\n")
    (project / "vars.txt").write_text("R: 0.7\n")
    options: list[dict[str, Any]] = [
        {},
        {"environment": "prod"},
        {"environment": "prod", "var_files": ["vars.txt"]},
        {"environment": "prod", "var_files": ["vars.txt"], "var": {"R": "0.9"}},
    ]
    for option, ratio in zip(options, (0.1, 0.5, 0.7, 0.9), strict=True):
        manifests = load_here("a.yaml", **option)
        assert not manifests.diagnostics
        assert manifests.documents[0].data["spec"] == {"r": ratio}
        assert manifests.project.parallelism == 2
    assert str(manifests.project_span(("parallelism",))) == "loopwright.yaml:3:14"


def test_an_undeclared_environment_is_refused(project: Path) -> None:
    (project / "a.yaml").write_text(HEAD % "a")
    (project / "loopwright.yaml").write_text("environments: {prod: {}}\n")
    (only,) = load_here(environment="prd").diagnostics
    assert (only.code, only.nearest) == ("unknown-environment", "prod")


def test_a_variable_that_nothing_uses_is_named(project: Path) -> None:
    (project / "loopwright.yaml").write_text("variables: {RATIO: {default: x}}\n")
    (project / "a.yaml").write_text(HEAD % "'${NAME}'")
    (project / "vars.txt").write_text("OTHER: 1\n")
    manifests = load_here("a.yaml", var={"RATOI": "1", "NAME": "a"}, var_files=["vars.txt"])
    found = [(str(one.severity), one.found, one.nearest) for one in manifests.diagnostics]
    assert sorted(found) == [("error", "RATOI", "RATIO"), ("warning", "OTHER", "")]


def test_a_second_project_file_is_an_error(project: Path) -> None:
    (project / "sub").mkdir()
    for name in ("loopwright.yaml", "sub/loopwright.yaml"):
        (project / name).write_text("parallelism: 3\n")
    (project / "sub/a.yaml").write_text(HEAD % "a")
    assert codes(load_here("sub")) == ["two-project-files"]
    (project / "loopwright.yaml").unlink()
    manifests = load_here("sub")
    assert (codes(manifests), manifests.project.parallelism) == ([], 3)


def test_a_broken_variables_file_is_reported(project: Path) -> None:
    (project / "vars.yaml").write_text("a: [\n")
    manifests = load_here("-", var_files=["vars.yaml", "none.yaml"])
    assert sorted(codes(manifests)) == ["no-such-path", "yaml-syntax"]


def test_the_number_of_documents_is_bounded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DOCUMENTS", 2)
    manifests = load_here("-", stdin="---\n".join([HEAD % "a"] * 4).encode())
    assert codes(manifests) == ["too-many-documents"]
    assert len(manifests.documents) == 2


def digest_of(files: Mapping[str, str], folder: Path) -> str:
    for name, text in files.items():
        (folder / name).write_text(text)
    manifests = load([str(folder)], project_dir=folder, stdin=lambda: b"", environ={})
    for name in files:
        (folder / name).unlink()
    assert not manifests.diagnostics
    return manifests.digest


def test_the_digest_follows_meaning_only(project: Path) -> None:
    a, b = HEAD % "a" + "spec: {x: 1, y: [1, 2]}\n", HEAD % "b"
    first = digest_of({"a.yaml": a, "b.yaml": b}, project)
    reordered = "# why\nmetadata: {name: a}\nspec:\n  y: [1, 2]\n  x: 0x1\n"
    reordered += "kind: Lake\napiVersion: 'loopwright.dev/v1alpha1'\n"
    assert digest_of({"1.yml": f"{b}---\n{reordered}"}, project) == first
    assert digest_of({"a.yaml": a.replace("[1, 2]", "[2, 1]"), "b.yaml": b}, project) != first
    assert (
        digest_of({"a.yaml": a, "b.yaml": b, "loopwright.yaml": "parallelism: 1"}, project) != first
    )


_WORDS = ["variables", "environments", "V", "prod", "type", "default", "integer", "${V}", "moved"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(_WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(_WORDS), _JSON, max_size=5))
def test_no_project_file_makes_reading_raise(data: dict[str, Any]) -> None:
    source = Source("loopwright.yaml", yaml.safe_dump(data), Path())
    result = read_project([source], Variables(), "prod")
    if not any(data.values()):
        assert result.document is None or not result.project.moved
    assert all(one.span and one.message for one in result.diagnostics)


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: (HEAD % text).encode()))
def test_no_bytes_make_loading_raise(data: bytes) -> None:
    manifests = load_here("-", stdin=data)
    for diagnostic in manifests.diagnostics:
        assert diagnostic.span
    assert render(manifests.diagnostics).replace("\n", "").isprintable()
