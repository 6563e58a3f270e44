"""`${NAME}`: precedence, types, escapes, and what is refused where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.manifests.source import Source
from loopwright.manifests.variable_types import VariableDeclaration
from loopwright.manifests.variables import Variables, secret_variables
from loopwright.manifests.yaml import parse


def substitute(text: str, variables: Variables) -> tuple[Any, list[tuple[str, str]]]:
    document = parse(Source("m.yaml", text, Path())).documents[0]
    replaced, problems = variables.substitute(document)
    return replaced.data, [(one.code, one.field) for one in problems]


def value(scalar: str, variables: Variables) -> Any:
    data, problems = substitute(f'v: "{scalar}"', variables)
    assert not problems
    return data["v"]


def declared(**types: Any) -> dict[str, VariableDeclaration]:
    return {name: VariableDeclaration(type=kind) for name, kind in types.items()}


def test_the_nearest_source_wins() -> None:
    sources: dict[str, Any] = {
        "cli": {"V": "cli"},
        "files": [{"V": "first file"}, {"V": "last file"}],
        "project": {"V": "project"},
        "environment": {"V": "environment"},
        "declared": {"V": VariableDeclaration(default="default")},
    }
    seen = []
    for origin in list(sources):
        seen.append(value("${V}", Variables(**sources)))
        del sources[origin]
    assert seen == ["cli", "last file", "project", "environment", "default"]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", "1", "1"),
        ("integer", "-12", -12),
        ("number", "0.5", 0.5),
        ("boolean", "true", True),
        ("list(string)", "a, b", ["a", "b"]),
        ("list(integer)", "1,2", [1, 2]),
        ("list(string)", "", []),
    ],
)
def test_a_whole_scalar_takes_the_declared_type(kind: str, text: str, expected: Any) -> None:
    variables = Variables(cli={"V": text}, declared=declared(V=kind))
    assert value("${V}", variables) == expected
    assert type(value("${V}", variables)) is type(expected)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("integer", "1.5"), ("integer", "x"), ("number", "nan"), ("boolean", "yes")],
)
def test_a_value_of_another_type_is_refused_where_it_is_used(kind: str, text: str) -> None:
    variables = Variables(cli={"V": text}, declared=declared(V=kind))
    assert substitute("a: ['${V}']", variables)[1] == [("wrong-type", "a[0]")]


def test_a_default_is_read_as_its_type() -> None:
    types = {"V": VariableDeclaration(type="list(number)", default="1, 2.5")}
    assert value("${V}", Variables(declared=types)) == [1.0, 2.5]


def test_inside_text_values_are_written_out() -> None:
    variables = Variables(
        cli={"N": "3", "B": "true", "S": "x"}, declared=declared(N="integer", B="boolean")
    )
    assert value("${N}/${B}/${S}", variables) == "3/true/x"
    assert value("$${N} $N $$ {N}", variables) == "${N} $N $$ {N}"


def test_a_value_is_never_read_as_yaml_or_as_another_reference() -> None:
    variables = Variables(cli={"V": "{a: 1}\nb: ${W}", "W": "w"})
    assert value("${V}", variables) == "{a: 1}\nb: ${W}"


@pytest.mark.parametrize("reference", ["${A-B}", "${A:-x}", "${}", "${A", "${ A }"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    assert substitute(f"a: '{reference}'", Variables(cli={"A": "x"}))[1] == [("bad-variable", "a")]


def test_every_unset_variable_of_a_scalar_is_named_with_its_neighbour() -> None:
    document = parse(Source("m.yaml", "a: {b: '${RATOI} ${NONE}'}", Path())).documents[0]
    _, problems = Variables(declared=declared(RATIO="number")).substitute(document)
    assert [(one.found, one.nearest) for one in problems] == [("RATOI", "RATIO"), ("NONE", "")]
    assert {str(one.span) for one in problems} == {"m.yaml:1:8"}


@pytest.mark.parametrize("name", ["ARK_API_KEY", "GH_TOKEN", "MY_SECRET", "DB_PASSWORD"])
def test_a_secret_of_the_process_environment_stays_out_of_manifests(name: str) -> None:
    data, problems = substitute(f"a: '${{{name}}}'", Variables(environment={name: "hunter2"}))
    assert problems == [("secret-variable", "a")]
    assert "hunter2" not in str(data)


@pytest.mark.parametrize("text", ["a: '${DB_PASSWORD}'", "a: b"])
def test_a_variable_named_like_a_secret_is_refused_used_or_not(text: str) -> None:
    for variables in (
        Variables(cli={"DB_PASSWORD": "hunter2", "SPEED": "1"}),
        Variables(files=[{"DB_PASSWORD": "hunter2"}]),
    ):
        (problem,) = secret_variables(variables)
        assert (problem.code, problem.found) == ("secret-variable", "DB_PASSWORD")
        assert "{env: DB_PASSWORD}" in problem.hint
        assert "hunter2" not in str(problem.to_json()) + str(substitute(text, variables))


def test_structures_and_broken_text_cannot_be_put_in() -> None:
    for variables in (
        Variables(files=[{"V": {"a": 1}}]),
        Variables(files=[{"V": [[1]]}]),
        Variables(files=[{"V": None}]),
        Variables(environment={"V": "\udc80"}),
    ):
        assert len(substitute("a: '${V}'", variables)[1]) == 1
    assert substitute("a: 'x${V}'", Variables(files=[{"V": ["a"]}]))[1] == [("bad-variable", "a")]


@given(st.text("${}A$ x", max_size=12), st.text("${}A", max_size=4))
def test_substitution_never_raises_and_leaves_other_scalars_alone(text: str, a: str) -> None:
    data, problems = substitute(f"v: {text!r}\nw: plain", Variables(cli={"A": a}))
    assert data["w"] == "plain"
    if "${" not in text:
        assert (data["v"], problems) == (text, [])
