"""What the kinds say beside their types: natures, markers and references, read from the models."""

from __future__ import annotations

import re

import pytest
from declaring import RICH, loaded

from loopwright.parsing import parse
from loopwright.resources.address import Address
from loopwright.resources.base import marked_fields, marked_paths
from loopwright.resources.explain import every_field
from loopwright.resources.markers import NAME_PATTERN, Edge, Ref
from loopwright.resources.registry import kinds, resource_class

NATURES = {
    "BatchInference": "run",
    "CallImport": "run",
    "Dataset": "run series",
    "Delivery": "standing",
    "Endpoint": "standing",
    "EvalRun": "run series",
    "EvalSuite": "config",
    "Export": "run",
    "FineTuneJob": "run series",
    "Lake": "standing",
    "Model": "standing",
    "Provider": "config",
}
KEPT = {"CallImport", "Dataset", "Export", "FineTuneJob", "Lake", "Model"}


def spec_of(kind: str) -> type:
    found: type = resource_class(kind).model_fields["spec"].annotation  # type: ignore[assignment]
    return found


def test_kinds_and_natures_are_those_of_the_design() -> None:
    assert {kind: str(resource_class(kind).nature) for kind in kinds()} == NATURES
    assert {kind for kind in kinds() if resource_class(kind).holds_data} == KEPT


def test_an_unknown_kind_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        resource_class("Base")


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        (
            "immutable",
            {
                "BatchInference.provider",
                "CallImport.provider",
                "Dataset.provider",
                "Dataset.target",
                "Delivery.endpoint",
                "Delivery.provider",
                "Endpoint.provider",
                "Endpoint.type",
                "EvalRun.provider",
                "Export.provider",
                "FineTuneJob.provider",
                "Lake.provider",
                "Lake.storage",
                "Model.base",
                "Model.provider",
                "Model.trustRemoteCode",
                "Model.weights",
            },
        ),
        (
            "write-only",
            {
                "Endpoint.model.upstream.alternatives.apiKey",
                "Endpoint.model.upstream.apiKey",
                "Endpoint.runtime.vllm.apiKey",
                "Lake.masterKey",
            },
        ),
        (
            "cosmetic",
            {
                "Endpoint.description",
                "BatchInference.concurrency",
                "EvalRun.concurrency",
                "FineTuneJob.engine",
                "FineTuneJob.modelsKept",
                "Model.description",
            },
        ),
        (
            "manifest-path",
            {
                "BatchInference.input.file",
                "CallImport.files",
                "EvalSuite.capabilities.datasets.file",
            },
        ),
    ],
)
def test_marked_fields_of_all_kinds(marker: str, expected: set[str]) -> None:
    found = {f"{kind}.{path}" for kind in kinds() for path in marked_paths(spec_of(kind), marker)}
    assert found == expected


@pytest.mark.parametrize("kind", kinds())
def test_every_secret_is_write_only(kind: str) -> None:
    secrets = {
        told.path.removeprefix(f"{kind}.spec.")
        for told in every_field(kind)
        if told.type == "secret reference"
    }
    assert secrets <= marked_paths(spec_of(kind), "write-only")


def test_policy_fields_decide_nothing() -> None:
    assert marked_fields(spec_of("FineTuneJob"), "policy") == {
        "attempts",
        "budget",
        "lifecycle",
        "trigger",
    }


def test_references_of_the_rich_manifests() -> None:
    resources = parse(loaded(RICH)).resources
    told = {
        f"{address} {'.'.join(map(str, found.path[1:]))}": (
            f"{found.ref.edge} {found.pointer.address}@{found.pointer.revision}"
            + (" input" if found.ref.is_input else "")
        )
        for address, resource in resources.items()
        for found in resource.references()
        if found.path[-1] != "provider"
    }
    assert told == {
        "BatchInference/backlog model": "needs Model/router@champion input",
        "CallImport/earlier lake": "needs Lake/main@latest",
        "Dataset/router-sft source.lake": "needs Lake/main@latest",
        "Delivery/router endpoint": "needs Endpoint/router@latest",
        "Delivery/router lake": "needs Lake/main@latest",
        "Endpoint/candidate model.fineTuneJob": "needs FineTuneJob/router@latest input",
        "Endpoint/router promote.from": "reads FineTuneJob/router@latest",
        "Endpoint/router promote.gate.evalRun": "reads EvalRun/candidate@latest",
        "EvalRun/candidate baseline": "needs Endpoint/router@latest input",
        "EvalRun/candidate endpoint": "needs Endpoint/candidate@latest input",
        "EvalRun/candidate suite": "needs EvalSuite/router@latest input",
        "EvalSuite/router capabilities.0.datasets.1.dataset": (
            "needs Dataset/router-sft@latest input"
        ),
        "EvalSuite/router capabilities.0.datasets.1.judge.endpoint": (
            "needs Endpoint/router@latest input"
        ),
        "Export/errors source.lake": "needs Lake/main@latest",
        "FineTuneJob/router dataset": "needs Dataset/router-sft@3 input",
        "FineTuneJob/router model": "needs Model/handmade@2 input",
    }


def test_a_delivery_comes_with_its_endpoint() -> None:
    assert resource_class("Delivery").attaches_to == "endpoint"


def test_bare_names_are_written_in_full() -> None:
    ref = Ref(("Lake",), Edge.NEEDS)
    assert ref.normalise("main") == ref.normalise("Lake/main") == "Lake/main"


@pytest.mark.parametrize("text", ["", "main/", "/main", "Lake/", "Lake/Main", "Lake/a/b", "a@"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|must have|follows"):
        Ref(("Lake",)).normalise(text)


def test_with_several_kinds_the_kind_is_written() -> None:
    ref = Ref(("Lake", "Dataset"))
    assert ref.normalise("Dataset/d") == "Dataset/d"
    with pytest.raises(ValueError, match="written Lake/name or Dataset/name"):
        ref.normalise("d")


def test_names_are_those_of_kubernetes() -> None:
    assert re.fullmatch(NAME_PATTERN, "a" * 63)
    assert not re.fullmatch(NAME_PATTERN, "a" * 64)


def test_an_address_is_read_back_from_its_text() -> None:
    assert Address.parse(str(Address("Lake", "main"))) == Address("Lake", "main")
    with pytest.raises(ValueError, match="write Kind/name"):
        Address.parse("main")
