"""Documents become resources and a graph; everything wrong with them becomes a diagnostic."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from loopwright import graph as graphs
from loopwright.graph import Graph
from loopwright.manifests.diagnostics import Diagnostic, nearest
from loopwright.manifests.document import Document
from loopwright.manifests.loader import ManifestSet
from loopwright.manifests.validation import check_model
from loopwright.providers.registry import factory, provider_types, types_realising
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.provider import Provider
from loopwright.resources.registry import kinds, resource_class


@dataclass(frozen=True)
class Parsed:
    """What the documents declare, as far as it is right, and what is wrong with the rest."""

    resources: Mapping[Address, Resource]
    graph: Graph
    diagnostics: list[Diagnostic]
    origins: Mapping[Address, str]
    """Address -> file:line."""


def parse(manifests: ManifestSet, *, recorded: Collection[Address] = ()) -> Parsed:
    """Validate documents one by one, then together. Never raises for what they say.

    `recorded` are addresses that state knows; some references may name them undeclared.
    """
    return _Parser(recorded).parse(manifests.documents)


class _Parser:
    def __init__(self, recorded: Collection[Address]) -> None:
        self._recorded = recorded
        self._resources: dict[Address, Resource] = {}
        self._documents: dict[Address, Document] = {}
        self._diagnostics: list[Diagnostic] = []

    def parse(self, documents: Collection[Document]) -> Parsed:
        for document in documents:
            self._declare(document)
        graph, problems = graphs.build(self._resources, recorded=self._recorded)
        for problem in problems:
            self._unresolved(problem)
        for address, resource in self._resources.items():
            self._together(address, resource)
        self._diagnostics.extend(self._clashes())
        origins = {a: f"{document.file}:{document.line}" for a, document in self._documents.items()}
        return Parsed(self._resources, graph, self._diagnostics, origins)

    def _declare(self, document: Document) -> None:
        if document.kind not in kinds():
            self._diagnostics.append(_unknown_kind(document))
            return
        resource, problems = check_model(document, resource_class(document.kind))
        self._diagnostics.extend(problems)
        if resource is None:
            return
        first = self._documents.get(resource.address)
        if first is not None:
            self._diagnostics.append(_twice(document, first, resource.address))
            return
        resource.lies_in(document.base_dir)
        self._resources[resource.address] = resource
        self._documents[resource.address] = document

    def _unresolved(self, problem: graphs.Problem) -> None:
        document = self._documents[problem.address]
        named = problem.message.split(" ", 1)[0]
        self._diagnostics.append(
            document.problem(
                "reference",
                problem.message,
                problem.path,
                allowed=problem.allowed,
                nearest=nearest(named, problem.allowed) if problem.allowed else "",
            )
        )

    def _together(self, address: Address, resource: Resource) -> None:
        """Rules that need other resources, or the provider."""
        document = self._documents[address]
        for path, message in resource.check(self._resources):
            self._diagnostics.append(document.problem("rule", message, tuple(path.split("."))))
        if isinstance(resource, Provider):
            self._diagnostics.extend(_provider_problems(document, resource))
        elif resource.provider is not None:
            self._diagnostics.extend(self._unrealised(document, resource, resource.provider))

    def _unrealised(
        self, document: Document, resource: Resource, named: Address
    ) -> Iterator[Diagnostic]:
        provider = self._resources.get(named)
        if not isinstance(provider, Provider) or provider.spec.type not in provider_types():
            return
        if resource.kind not in factory(provider.spec.type).capabilities:
            able = types_realising(resource.kind)
            yield document.problem(
                "unrealised-kind",
                f"{named} (type {provider.spec.type}) cannot realise {resource.kind}",
                ("spec", "provider"),
                allowed=able,
                hint="provider types that can are listed as allowed",
            )

    def _clashes(self) -> Iterator[Diagnostic]:
        """What only one resource may have, claimed by two."""
        claimed: dict[tuple[str, str], Address] = {}
        for address in sorted(self._resources):
            for path, claim, mend in self._resources[address].claims():
                first = claimed.setdefault((address.kind, claim), address)
                if first != address:
                    yield self._documents[address].problem(
                        "claimed-twice",
                        f"{first} already has {claim}",
                        tuple(path.split(".")),
                        hint=mend,
                    )


def _unknown_kind(document: Document) -> Diagnostic:
    near = nearest(document.kind, kinds())
    return document.problem(
        "unknown-kind",
        f"there is no kind {document.kind}",
        ("kind",),
        found=document.kind,
        allowed=kinds(),
        nearest=near,
    )


def _twice(document: Document, first: Document, address: Address) -> Diagnostic:
    return document.problem(
        "duplicate-resource",
        f"{address} is declared twice; first in {first.file}:{first.line}",
        ("metadata", "name"),
        hint="rename one of them, or remove it",
    )


def _provider_problems(document: Document, resource: Provider) -> Iterator[Diagnostic]:
    """The type must be installed, and its connection what that type expects."""
    found = resource.spec.type
    if found not in provider_types():
        yield document.problem(
            "unknown-provider",
            f"no provider of type {found} is installed",
            ("spec", "type"),
            found=found,
            allowed=provider_types(),
            nearest=nearest(found, provider_types()),
        )
        return
    _, problems = check_model(
        document,
        factory(found).connection,
        data=resource.spec.connection,
        prefix=("spec", "connection"),
    )
    yield from problems
