"""Every provider keeps the adapter contract, and for each rule a broken adapter is noticed.

A new provider is added to `PROVIDERS`; nothing else here changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from broken_adapters import SABOTAGES, Sabotaged

from loopwright.clock import FakeClock
from loopwright.errors import LoopwrightError
from loopwright.providers.base import (
    Capabilities,
    Provider,
    ProviderContext,
    ProviderFactory,
)
from loopwright.providers.conformance import Finding, Verdict, run_conformance
from loopwright.providers.conformance_samples import Sample, Samples, default_samples
from loopwright.providers.memory import MemoryFactory
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.providers.memory.world import World
from loopwright.resources.address import Address
from loopwright.resources.endpoint import Endpoint

RUNS = {"BatchInference", "CallImport", "Dataset", "EvalRun", "Export", "FineTuneJob"}
SLOW = {"jobSeconds": {"FineTuneJob": 300, "Endpoint": 40, "Dataset": 20}}
TAGS = {
    "an-object-is-found-by-its-owner-tag",
    "the-same-key-makes-one-object",
    "what-is-adopted-is-ours",
    "what-runs-can-be-polled-by-its-id",
}


@dataclass(frozen=True)
class Case:
    """A provider to put through the suite, and what the suite cannot judge of it."""

    factory: ProviderFactory
    connection: Mapping[str, Any]
    unreachable: Mapping[str, Any] | None
    unjudged: set[str] = field(default_factory=set)


def _memory(unjudged: set[str] | None = None, **connection: Any) -> Case:
    down = {"faults": {"transientRate": 1}}
    return Case(MemoryFactory(World()), connection, down, unjudged or set())


PROVIDERS = {
    "memory, tokens": lambda: _memory(**SLOW),
    "memory, tags": lambda: _memory(idempotency="name", **SLOW),
    "memory, neither": lambda: _memory(TAGS, idempotency="none", **SLOW),
    "memory, late to show": lambda: _memory(idempotency="name", faults={"listLagSeconds": 30}),
    "memory, in a file": lambda: replace(_memory(world="world.jsonl"), factory=MemoryFactory()),
}


def _upstream_sample() -> Samples:
    """The default samples, and an endpoint with a nested write-only field."""
    upstream = {"url": "https://models.invalid/v1", "apiKey": {"env": "KEY"}, "model": "m"}
    data = default_samples()[Address("Endpoint", "conformance")].resource.model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    data["spec"]["model"] = {"upstream": upstream}
    endpoint = Endpoint.model_validate(data)
    sample = Sample(endpoint, Path(), {"running": False, "description": "other"})
    return {**default_samples(), endpoint.address: sample}


def _findings(
    case: Case, folder: Path, *, kinds: set[str] | None = None, samples: Samples | None = None
) -> list[Finding]:
    return list(
        run_conformance(
            case.factory,
            "tried",
            connection=case.connection,
            samples=samples or _upstream_sample(),
            kinds=kinds,
            unreachable=case.unreachable,
            folder=folder,
            clock=FakeClock(),
        )
    )


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_keeps_every_rule_that_can_be_judged_of_it(name: str, tmp_path: Path) -> None:
    case = PROVIDERS[name]()
    findings = _findings(case, tmp_path)
    assert [found for found in findings if found.verdict is Verdict.FAILED] == []
    unjudged = {(found.kind, found.check) for found in findings if found.verdict == "skipped"}
    assert {
        (kind, check)
        for kind in case.factory.capabilities
        for check in case.unjudged
        | ({"an-update-changes-the-named-fields-alone"} if kind in RUNS else set())
        | (set() if kind in ("Endpoint", "Lake") else {"a-write-only-field-is-not-told-back"})
    } == unjudged


def test_the_suite_leaves_nothing_behind(tmp_path: Path) -> None:
    world = World()
    _findings(Case(MemoryFactory(world), {}, None), tmp_path)
    assert world.objects() == []
    assert {"create", "update", "delete"} <= {write.action for write in world.writes}


def test_a_rule_speaks_in_a_sentence_and_a_missing_sample_is_said(tmp_path: Path) -> None:
    samples = {Address("Lake", "conformance"): default_samples()[Address("Lake", "conformance")]}
    findings = _findings(_memory(), tmp_path, kinds={"Lake", "Export"}, samples=samples)
    assert all(found.rule.endswith(".") for found in findings)
    about_exports = [found for found in findings if found.kind == "Export"]
    assert "there is no sample of Export" in {found.message for found in about_exports}
    assert Verdict.FAILED not in {found.verdict for found in findings}


@pytest.mark.parametrize(
    ("adapter", "connection", "expected"),
    SABOTAGES,
    ids=[adapter.__name__ for adapter, _, _ in SABOTAGES],
)
def test_a_broken_adapter_fails_the_check_of_the_rule_it_breaks(
    adapter: type[MemoryAdapter],
    connection: Mapping[str, Any],
    expected: set[str],
    tmp_path: Path,
) -> None:
    case = Case(Sabotaged(adapter), connection, {"faults": {"transientRate": 1}})
    findings = _findings(case, tmp_path, kinds={"Endpoint"})
    failed = {found.check for found in findings if found.verdict is Verdict.FAILED}
    assert expected == failed
    assert all(found.message for found in findings if found.verdict is not Verdict.PASSED)


def test_a_world_that_ends_with_its_provider_leaves_the_restart_unjudged() -> None:
    found = list(run_conformance(MemoryFactory(), "memory", connection={}, kinds={"Lake"}))
    assert {"passed", "skipped"} == {finding.verdict for finding in found}
    (restart,) = (one for one in found if one.check == "an-operation-survives-a-restart")
    assert "give a connection whose objects stay" in restart.message


def test_a_connection_that_the_provider_does_not_know_is_refused() -> None:
    with pytest.raises(LoopwrightError, match="cannot connect to memory"):
        list(run_conformance(MemoryFactory(), "memory", connection={"wrld": 1}))


def test_every_check_has_an_adapter_that_fails_it(tmp_path: Path) -> None:
    checks = {found.check for found in _findings(_memory(), tmp_path, kinds={"Lake"})}
    assert checks == set().union(*(expected for _, _, expected in SABOTAGES))


def test_capabilities_that_name_unknown_or_immutable_fields_are_noticed(tmp_path: Path) -> None:
    for wrong in ({"updatable": frozenset({"type"})}, {"write_only": frozenset({"colour"})}):
        factory = MemoryFactory(World())
        factory.capabilities = {
            kind: replace(found, **wrong) if kind == "Endpoint" else found
            for kind, found in MemoryFactory.capabilities.items()
        }
        findings = _findings(Case(factory, {}, None), tmp_path, kinds={"Endpoint"})
        failed = [found.check for found in findings if found.verdict is Verdict.FAILED]
        assert failed == ["capabilities-are-consistent"]


def test_an_adapter_without_optional_powers_is_not_judged_by_them(tmp_path: Path) -> None:
    class Plain:
        """The five verbs and nothing else."""

        def __init__(self, inner: MemoryAdapter) -> None:
            self.capabilities: Capabilities = inner.capabilities
            for verb in ("observe", "create", "update", "delete", "poll"):
                setattr(self, verb, getattr(inner, verb))

    class PlainFactory(MemoryFactory):
        def build(self, context: ProviderContext) -> Provider:
            built = super().build(context)
            built.adapters = {kind: Plain(found) for kind, found in built.adapters.items()}
            return built

    findings = _findings(Case(PlainFactory(World()), {}, None), tmp_path, kinds={"Endpoint"})
    assert {
        "a-list-agrees-with-single-looks",
        "what-is-adopted-is-ours",
        "a-cancelled-operation-stops",
        "a-failure-is-raised-and-never-absence",
    } == {found.check for found in findings if found.verdict is Verdict.SKIPPED}
