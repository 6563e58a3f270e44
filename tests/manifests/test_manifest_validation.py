"""Every way a model can refuse data becomes one plain diagnostic at the right place."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from loopwright.manifests.diagnostics import Diagnostic, render
from loopwright.manifests.document import Document
from loopwright.manifests.model import ManifestModel
from loopwright.manifests.project import Project
from loopwright.manifests.secrets import SecretRef
from loopwright.manifests.source import Source
from loopwright.manifests.validation import check_model
from loopwright.manifests.yaml import parse


class Order(StrEnum):
    RANDOM = "random"
    CHRONOLOGICAL = "chronological"


class Ratio(ManifestModel):
    type: Literal["ratio"] = "ratio"
    ratio: float = Field(gt=0, le=1, examples=[0.3], description="Share of calls.")


class Count(ManifestModel):
    type: Literal["count"] = "count"
    count: int
    max_rows: int = 0


class Upstream(ManifestModel):
    url: str = Field(pattern="^https?://", examples=["https://api.example.org"])
    api_key: SecretRef | None = None


class Spec(ManifestModel):
    provider: str = Field(description="Who does the work.", examples=["local"])
    sampling: Ratio | Count | None = None
    tagged: Annotated[Ratio | Count, Field(discriminator="type")] | None = None
    order: Order = Order.RANDOM
    endpoints: list[str] = Field(default_factory=list, max_length=2)
    labels: dict[str, int] = Field(default_factory=dict)
    webhook: SecretRef | str | None = None
    upstream: Upstream | None = None
    whole: bool = False

    @field_validator("provider")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value == "nobody":
            raise ValueError("names no Provider")
        return value


def document(spec: str) -> Document:
    text = f"kind: Dataset\nmetadata: {{name: x}}\nspec:\n  {spec}\n"
    return parse(Source("m.yaml", text, Path())).documents[0]


def problems(spec: str) -> list[Diagnostic]:
    manifest = document(spec)
    value, found = check_model(manifest, Spec, data=manifest.data["spec"], prefix=("spec",))
    assert (value is None) == bool(found)
    return found


@pytest.mark.parametrize(
    ("spec", "code", "field", "column", "message"),
    [
        ("provider: 3", "wrong-type", "spec.provider", 13, "must be text, but is 3"),
        ("provider: nobody", "invalid-value", "spec.provider", 13, "names no Provider"),
        ("{provider: l, whole: 'yes'}", "wrong-type", "spec.whole", 24, 'is the text "yes"'),
        ("{provider: l, order: newest}", "not-allowed", "spec.order", 24, 'the text "newest"'),
        ("{provider: l, endpoint: []}", "unknown-field", "spec.endpoint", 17, "no field"),
        ("{provider: l, endpoints: chat}", "wrong-type", "spec.endpoints", 28, "must be a list"),
        ("{provider: l, endpoints: [a, 2]}", "wrong-type", "spec.endpoints[1]", 32, "but is 2"),
        ("{provider: l, endpoints: [a,b,c]}", "out-of-range", "spec.endpoints", 28, "2 entries"),
        ("{provider: l, labels: {a.b: x}}", "wrong-type", 'spec.labels["a.b"]', 31, "whole number"),
        ("{provider: l, labels: ~}", "wrong-type", "spec.labels", 25, "but is nothing"),
        ("{provider: l, upstream: {url: x}}", "out-of-range", "spec.upstream.url", 33, "look like"),
    ],
)
def test_each_kind_of_error_is_worded_at_its_place(
    spec: str, code: str, field: str, column: int, message: str
) -> None:
    (only,) = problems(spec)
    assert (only.code, only.field, only.address) == (code, field, "Dataset/x")
    assert message in only.message
    assert only.span
    assert (only.span.line, only.span.column) == (4, column)


@pytest.mark.parametrize(
    ("spec", "codes"),
    [
        ("sampling: {ratio: 2}", [("out-of-range", "spec.sampling.ratio")]),
        ("sampling: {type: count, count: x}", [("wrong-type", "spec.sampling.count")]),
        ("sampling: 3", [("wrong-type", "spec.sampling")]),
        ("tagged: {type: ratio, ratio: '1'}", [("wrong-type", "spec.tagged.ratio")]),
        ("tagged: {type: all}", [("not-allowed", "spec.tagged.type")]),
        ("tagged: {ratio: 1}", [("missing-field", "spec.tagged.type")]),
        ("webhook: {evn: X}", [("unknown-field", "spec.webhook.evn")]),
        ("webhook: {env: X, file: y}", [("invalid-value", "spec.webhook")]),
        ("webhook: [1]", [("wrong-type", "spec.webhook")]),
    ],
)
def test_a_union_speaks_once(spec: str, codes: list[tuple[str, str]]) -> None:
    found = problems(f"provider: local\n  {spec}")
    assert [(one.code, one.field) for one in found] == codes


def test_all_errors_come_together() -> None:
    found = problems("{sampling: {ratio: 0, rato: 1}, order: x, whole: 1}")
    assert {one.field for one in found} >= {"spec.provider", "spec.order", "spec.whole"}
    assert {one.field for one in found} & {"spec.sampling.ratio", "spec.sampling.rato"}


def test_names_are_those_of_the_yaml_and_never_those_of_the_code() -> None:
    (only,) = problems("provider: l\n  tagged: {type: count, count: 1, max_rows: 2}")
    assert (only.found, only.nearest) == ("max_rows", "maxRows")
    assert only.allowed == ("type", "count", "maxRows")


def test_a_missing_field_says_what_to_write() -> None:
    (only,) = problems("{}")
    assert (only.code, only.field) == ("missing-field", "spec.provider")
    assert str(only.span) == "m.yaml:3:1"
    assert only.hint == "write `provider: local`. Who does the work."


@pytest.mark.parametrize(
    "form",
    ["hunter2", "[hunter2]", "{value: hunter2}", "{env: hunter-2}", "{file: {path: hunter2}}"],
)
def test_a_secret_in_the_wrong_form_is_not_echoed(form: str) -> None:
    found = problems(f"provider: 3\n  upstream: {{apiKey: {form}, url: 3, label: x}}")
    assert len(found) >= 4
    shown = render(found) + str([one.to_json() for one in found])
    assert "hunter" not in shown


def test_valid_data_gives_the_model() -> None:
    manifest = document("{provider: l, order: chronological, tagged: {type: count, count: 5}}")
    value, found = check_model(manifest, Spec, data=manifest.data["spec"], prefix=("spec",))
    assert not found
    assert value
    assert value.order is Order.CHRONOLOGICAL
    assert value.tagged == Count(count=5)


_NAMES = ["provider", "sampling", "tagged", "webhook", "labels", "upstream", "type", "env", "x"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.sampled_from(_NAMES),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(_JSON)
@pytest.mark.parametrize("model", [Spec, Project])
def test_no_data_gets_library_words_through(model: type[ManifestModel], data: Any) -> None:
    manifest = document("{}")
    value, found = check_model(manifest, model, data=data, prefix=("spec",))
    assert (value is None) == bool(found)
    words = " ".join(f"{one.message} {one.hint}" for one in found)
    for jargon in (
        "Input",
        "pydantic",
        "http",
        "validat",
        "dict",
        "str_",
        "None",
        "something else",
    ):
        assert jargon not in words.replace("http(s) address", "").replace("https://", "")
    assert len({(one.field, one.message) for one in found}) == len(found)
