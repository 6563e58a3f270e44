"""What takes several documents, or the installed providers, to see is told at its place."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import yaml
from declaring import PROVIDER, RICH, declared, document, loaded, told

from loopwright.manifests.diagnostics import render
from loopwright.manifests.loader import load
from loopwright.parsing import parse
from loopwright.providers.registry import factory
from loopwright.resources.address import Address
from loopwright.resources.markers import Edge

LAKE = document("Lake", "main", {"provider": "cloud", "storage": "lake"})


def dataset(name: str, **spec: object) -> str:
    return document("Dataset", name, {"provider": "cloud", "source": {"lake": "main"}} | spec)


def test_rich_manifests_of_every_kind_parse_together() -> None:
    parsed = parse(loaded(RICH))
    assert parsed.diagnostics == []
    assert len({address.kind for address in parsed.resources}) == 12
    assert parsed.graph.order[0] == Address("Provider", "cloud")


def test_unknown_kind_is_told_with_the_nearest(tmp_path: Path) -> None:
    (found,) = declared(tmp_path, document("Datset", "d", {})).diagnostics
    assert (found.code, found.nearest, found.field) == ("unknown-kind", "Dataset", "kind")
    assert "FineTuneJob" in found.allowed


def test_second_declaration_names_the_first(tmp_path: Path) -> None:
    parsed = declared(tmp_path, PROVIDER + LAKE + LAKE)
    (found,) = parsed.diagnostics
    first = tmp_path / "loop.yaml"
    assert found.message == f"Lake/main is declared twice; first in {first}:7"
    assert found.span is not None
    assert found.span.line == 18
    assert parsed.origins[Address("Lake", "main")] == f"{first}:7"


def test_unresolved_reference_is_told_with_what_is_declared(tmp_path: Path) -> None:
    text = PROVIDER + LAKE + dataset("d", source={"lake": "mian"})
    (found,) = declared(tmp_path, text).diagnostics
    assert (found.field, found.message) == ("spec.source.lake", "Lake/mian is not declared")
    assert (found.allowed, found.nearest) == (("Lake/main",), "Lake/main")


def test_reference_to_a_broken_document_is_not_a_second_problem(tmp_path: Path) -> None:
    broken = document("Lake", "main", {"provider": "cloud"})
    parsed = declared(tmp_path, PROVIDER + broken + dataset("d"))
    assert told(parsed.diagnostics) == [("spec.storage", "`spec` needs the field `storage`")]
    assert Address("Dataset", "d") in parsed.resources


def test_a_variable_without_a_value_is_not_also_a_wrong_type(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").write_text(PROVIDER + LAKE + dataset("d", sampling={"ratio": "${R}"}))
    manifests = load([str(tmp_path)], project_dir=tmp_path, stdin=bytes, environ={})
    assert [one.code for one in manifests.diagnostics] == ["unset-variable"]
    assert parse(manifests).diagnostics == []


def test_reference_inside_a_list_is_told_at_its_entry(tmp_path: Path) -> None:
    one = {"name": "a", "dataset": "d", "method": "f1"}
    suite = document("EvalSuite", "s", {"capabilities": [{"name": "c", "datasets": [one]}]})
    (found,) = declared(tmp_path, suite).diagnostics
    assert found.field == "spec.capabilities[0].datasets[0].dataset"
    assert found.hint == "declare a Dataset of this name"


def test_circle_is_told_with_its_path_and_the_rest_stays(tmp_path: Path) -> None:
    def job(name: str, model: str) -> str:
        return document(
            "FineTuneJob", name, {"provider": "cloud", "model": f"Model/{model}", "dataset": "d"}
        )

    text = PROVIDER + LAKE + dataset("d") + job("a", "b") + job("b", "c") + job("c", "a")
    parsed = declared(tmp_path, text)
    assert told(parsed.diagnostics) == [
        (
            "spec.model",
            "references go in a circle: "
            "FineTuneJob/a -> FineTuneJob/b -> FineTuneJob/c -> FineTuneJob/a",
        )
    ]
    assert len(parsed.graph.order) == 6


def test_a_job_stands_for_the_model_it_registers(tmp_path: Path) -> None:
    job = document("FineTuneJob", "x", {"provider": "cloud", "base": "tiny", "dataset": "d"})
    served = document("Endpoint", "e", {"provider": "cloud", "model": {"model": "Model/x@2"}})
    parsed = declared(tmp_path, PROVIDER + LAKE + dataset("d") + job + served)
    assert parsed.diagnostics == []
    needed = parsed.graph.needs(Address("Endpoint", "e"))
    assert needed == (Address("FineTuneJob", "x"), Address("Provider", "cloud"))


def test_a_dataset_waits_for_the_export_that_makes_its_source(tmp_path: Path) -> None:
    export = document(
        "Export",
        "e",
        {
            "provider": "cloud",
            "source": {"lake": "main", "template": "error-rate"},
            "to": {"inferenceDataset": "errors"},
        },
    )
    text = PROVIDER + LAKE + export + dataset("d", source={"inferenceDataset": "errors"})
    graph = declared(tmp_path, text).graph
    (link,) = [
        link
        for link in graph.links(Address("Dataset", "d"))
        if link.path == "source.inferenceDataset"
    ]
    assert (link.target, link.edge, link.is_input) == (Address("Export", "e"), Edge.NEEDS, True)


def test_an_inference_dataset_may_come_from_elsewhere(tmp_path: Path) -> None:
    text = PROVIDER + dataset("d", source={"inferenceDataset": "made-by-hand"})
    assert declared(tmp_path, text).diagnostics == []


def test_a_dataset_needs_every_import_into_its_lake(tmp_path: Path) -> None:
    def calls(name: str) -> str:
        return document("CallImport", name, {"provider": "cloud", "lake": "main", "files": ["a"]})

    graph = declared(tmp_path, PROVIDER + LAKE + calls("a") + calls("b") + dataset("d")).graph
    assert graph.needs(Address("Dataset", "d")) == (
        Address("CallImport", "a"),
        Address("CallImport", "b"),
        Address("Lake", "main"),
        Address("Provider", "cloud"),
    )


def test_a_version_may_be_added_to_what_only_the_state_knows(tmp_path: Path) -> None:
    text = PROVIDER + LAKE + dataset("d", target={"versionOf": "older"})
    older = Address("Dataset", "older")
    assert declared(tmp_path, text, recorded=[older]).diagnostics == []
    (found,) = declared(tmp_path, text, recorded=[Address("Dataset", "oldest")]).diagnostics
    assert found.message == "Dataset/older is neither declared nor in the state"
    assert found.allowed == ("Dataset/d", "Dataset/oldest")


def test_other_references_need_a_declaration_though_the_state_knows_it(tmp_path: Path) -> None:
    job = document("FineTuneJob", "x", {"provider": "cloud", "base": "tiny", "dataset": "older"})
    parsed = declared(tmp_path, PROVIDER + job, recorded=[Address("Dataset", "older")])
    assert told(parsed.diagnostics) == [("spec.dataset", "Dataset/older is not declared")]


def test_type_of_a_provider_must_be_installed(tmp_path: Path) -> None:
    text = document("Provider", "cloud", {"type": "memroy"}) + LAKE
    (found,) = declared(tmp_path, text).diagnostics
    assert found.message == "there is no provider of type 'memroy'"
    assert (found.field, found.nearest) == ("spec.type", "memory")


def test_connection_is_checked_by_the_type(tmp_path: Path) -> None:
    connection = {"lakeCals": 5, "faults": {"transientRate": 2}}
    text = document("Provider", "cloud", {"type": "memory", "connection": connection})
    assert told(declared(tmp_path, text).diagnostics) == [
        ("spec.connection.lakeCals", "there is no field `lakeCals` here"),
        (
            "spec.connection.faults.transientRate",
            "`transientRate` must be at most 1, but is 2",
        ),
    ]


def test_kind_without_adapter_names_the_types_that_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = dict(factory("memory").capabilities)
    del offered["Lake"]
    monkeypatch.setattr(factory("memory"), "capabilities", offered)
    (found,) = declared(tmp_path, PROVIDER + LAKE).diagnostics
    assert (found.code, found.field) == ("unsupported-kind", "spec.provider")
    assert found.message == (
        "Provider/cloud cannot realise Lake/main: a provider of type 'memory' has no Lake"
    )
    assert found.hint.startswith("provider types with Lake: ")


def test_all_problems_come_together_in_the_order_of_their_places(tmp_path: Path) -> None:
    text = (
        PROVIDER
        + document("Lake", "main", {"provider": "clowd", "storage": "lake"})
        + document("Nothing", "n", {})
        + dataset("d", sampling={"ratio": 3})
        + dataset("e", source={"lake": "other"})
    )
    found = declared(tmp_path, text).diagnostics
    assert [one.code for one in found] == [
        "unresolved-reference",
        "unknown-kind",
        "out-of-range",
        "unresolved-reference",
    ]
    assert "4 errors in 1 file" in render(found)


def test_nothing_depends_on_the_order_of_documents(tmp_path: Path) -> None:
    documents = [
        each
        for path in sorted(RICH.glob("*.yaml"))
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    orders = set()
    for seed in range(5):
        Random(seed).shuffle(documents)
        text = yaml.safe_dump_all(documents, allow_unicode=True)
        parsed = declared(tmp_path, text)
        assert parsed.diagnostics == []
        orders.add(parsed.graph.order)
    assert len(orders) == 1


def test_files_of_a_manifest_are_relative_to_its_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "provider.yaml").write_text(PROVIDER)
    (inner / "lake.yaml").write_text(LAKE)
    resources = parse(loaded(tmp_path)).resources
    assert resources[Address("Lake", "main")].base_dir.resolve() == inner.resolve()


def test_a_document_that_is_wrong_elsewhere_still_hears_of_names_that_nobody_bears(
    tmp_path: Path,
) -> None:
    broken = dataset(
        "d",
        source={"lake": "mian"},
        sampling={"ratio": 2},
        target={"versionOf": "Dataset/nobody"},
    )
    found = {one.field: one for one in declared(tmp_path, PROVIDER + LAKE + broken).diagnostics}
    assert set(found) == {"spec.source.lake", "spec.sampling.ratio", "spec.target.versionOf"}
    assert found["spec.source.lake"].nearest == "Lake/main"
