"""`explain` says of every field what its model says, in words."""

from __future__ import annotations

import pytest

from loopwright.errors import LoopwrightError
from loopwright.resources.explain import every_field, explain
from loopwright.resources.registry import kinds


def test_a_field_is_explained_with_all_that_is_known_of_it() -> None:
    found = explain("Dataset.spec.sampling.ratio")
    assert (found.type, found.required, found.default) == ("number", False, "")
    assert found.description == "Share of the calls; 0.2 for 20 %."
    assert found.example == "ratio: 0.2"
    assert found.notes == ("above 0", "at most 1")
    assert found.children == ()


def test_a_mapping_lists_its_fields_and_its_rules() -> None:
    found = explain("Dataset.spec.sampling")
    assert [child.path.rpartition(".")[2] for child in found.children] == [
        "ratio",
        "count",
        "order",
        "salt",
        "independent",
    ]
    assert "at most one of ratio, count" in found.notes


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Dataset.spec.trigger.every", "duration"),
        ("Dataset.spec.filter.from", "date or time"),
        ("Dataset.spec.filter.endpoints", "list of text"),
        ("Dataset.spec.sampling.order", "one of random, chronological, reverseChronological"),
        ("Dataset.spec.source.lake", "reference to Lake"),
        ("FineTuneJob.spec.dataset", "reference to Dataset, with @revision"),
        ("Lake.spec.masterKey", "secret reference"),
        ("Provider.spec.credentials", "mapping of name to secret reference"),
        ("EvalSuite.spec.capabilities", "list of mappings"),
        ("EvalSuite.spec.capabilities[0].datasets.weight", "number"),
        ("Dataset.metadata.labels", "mapping of name to text"),
        ("Dataset.spec.format", "sft"),
    ],
)
def test_types_in_words(path: str, expected: str) -> None:
    assert explain(path).type == expected


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("Lake.spec.storage", "a change replaces the object"),
        ("Lake.spec.masterKey", "never told back by the provider, so never compared with it"),
        (
            "FineTuneJob.spec.budget",
            "for loopwright alone: not sent to the provider, and no cause for a new run",
        ),
        ("FineTuneJob.spec.modelsKept", "no cause for a new run"),
        ("CallImport.spec.files", "relative to the manifest that says it"),
        ("CallImport.spec.files", "not empty"),
        ("Delivery.spec.lake", "comes after it"),
        ("EvalRun.spec.suite", "comes after it; a change of what it gives is a change here"),
        ("Endpoint.spec.promote.from", "takes what the state records of it, without waiting"),
    ],
)
def test_markers_in_words(path: str, note: str) -> None:
    assert note in explain(path).notes


def test_a_kind_is_explained_by_its_nature_and_a_small_manifest() -> None:
    found = explain("Dataset")
    assert found.type.startswith("run series: ")
    assert "kind: Dataset" in found.example
    assert [child.path for child in found.children][-1] == "Dataset.spec"


def test_text_fits_the_width_and_holds_every_field() -> None:
    text = explain("Dataset.spec.sampling").text(width=60)
    assert all(len(line) <= 60 for line in text.splitlines())
    assert "reverseChronological" in text


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("Datset", "did you mean Dataset?"),
        ("Dataset.sampling.ratio", "did you mean Dataset.spec.sampling.ratio?"),
        ("Dataset.spec.sampling.ration", "did you mean Dataset.spec.sampling.ratio?"),
        ("Dataset.spec.zzz", "Dataset.spec has: provider, lifecycle"),
        ("Dataset.spec.attempts.zzz", "Dataset.spec.attempts has no fields below it"),
        ("Zzz", "kinds: BatchInference, CallImport"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is_near(path: str, hint: str) -> None:
    with pytest.raises(LoopwrightError) as raised:
        explain(path)
    assert hint in (raised.value.hint or "")


@pytest.mark.parametrize("kind", kinds())
def test_every_field_can_be_explained_by_its_own_path(kind: str) -> None:
    for told in every_field(kind):
        found = explain(told.path)
        assert (found.path, found.type) == (told.path, told.type)
