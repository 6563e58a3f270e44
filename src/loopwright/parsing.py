"""From documents to resources and their graph, with everything that is wrong with them together.

What one document must say is its kind's affair; here is what takes several documents, or the
installed providers, to see. Nothing is read or written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from loopwright.errors import PlanError
from loopwright.graph import Graph, Problem, build
from loopwright.manifests.diagnostics import Diagnostic, nearest, ordered
from loopwright.manifests.document import Document
from loopwright.manifests.loader import ManifestSet
from loopwright.manifests.validation import check_model
from loopwright.providers.base import ProviderFactory
from loopwright.providers.registry import factory, provider_types, types_realising
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.provider import Provider
from loopwright.resources.references import written_references
from loopwright.resources.registry import kinds, resource_class


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the manifests declare. Of what is wrong, only the sound part is in the graph."""

    resources: Mapping[Address, Resource]
    graph: Graph
    diagnostics: list[Diagnostic]
    """In the order of their places; those of loading are not repeated."""
    origins: Mapping[Address, str]
    """Where each is declared: `file:line`."""


def parse(manifests: ManifestSet, *, recorded: Collection[Address] = ()) -> Parsed:
    """Never raises for what manifests say. `recorded` are the addresses that state knows.

    A place that loading has complained about, such as a variable without a value, is left alone.
    """
    reading = _read(manifests.documents)
    graph, problems = build(reading.resources, recorded=recorded)
    found = [
        *reading.diagnostics,
        *_references(reading, problems),
        *_broken_references(reading, recorded),
        *_claims(reading),
        *_rules(reading),
        *_providers(reading),
    ]
    origins = {
        address: f"{document.file}:{document.line}"
        for address, document in reading.documents.items()
    }
    told = {(one.span, one.field) for one in manifests.diagnostics if one.span}
    news = [one for one in found if (one.span, one.field) not in told]
    return Parsed(reading.resources, graph, ordered(news), origins)


@dataclass(slots=True)
class _Reading:
    """Documents by address; those that hold no valid resource are documents only."""

    resources: dict[Address, Resource] = field(default_factory=dict)
    documents: dict[Address, Document] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def is_broken(self, target: Address) -> bool:
        """Whether it is declared by a document that is wrong itself, as its kind or a maker's."""
        return any(
            address.name == target.name and address not in self.resources
            for address in self.documents
        )


def _read(documents: Collection[Document]) -> _Reading:
    reading = _Reading()
    for document in documents:
        address = Address(document.kind, document.name)
        if document.kind not in kinds():
            reading.diagnostics.append(_unknown_kind(document))
        elif (first := reading.documents.get(address)) is not None:
            reading.diagnostics.append(_declared_twice(document, first))
        else:
            reading.documents[address] = document
            resource, problems = check_model(document, resource_class(document.kind))
            reading.diagnostics += problems
            if resource is not None:
                resource.lies_in(document.base_dir)
                reading.resources[address] = resource
    return reading


def _unknown_kind(document: Document) -> Diagnostic:
    return document.problem(
        "unknown-kind",
        f"there is no kind `{document.kind}`",
        ("kind",),
        found=document.kind,
        allowed=kinds(),
        nearest=nearest(document.kind, kinds()),
    )


def _declared_twice(document: Document, first: Document) -> Diagnostic:
    message = f"{document.address} is declared twice; first in {first.file}:{first.line}"
    return document.problem(
        "duplicate-resource",
        message,
        ("metadata", "name"),
        found=document.name,
        hint="rename one of them or leave it out",
    )


def _references(reading: _Reading, problems: Collection[Problem]) -> Iterator[Diagnostic]:
    for problem in problems:
        target = problem.target
        if target is None:
            yield reading.documents[problem.address].problem(
                "cycle", problem.message, problem.path, hint="let one of them go"
            )
        elif not reading.is_broken(target):
            yield reading.documents[problem.address].problem(
                "unresolved-reference",
                problem.message,
                problem.path,
                found=str(target),
                allowed=problem.allowed,
                nearest=nearest(str(target), problem.allowed),
                hint="" if problem.allowed else f"declare a {target.kind} of this name",
            )


def _broken_references(reading: _Reading, recorded: Collection[Address]) -> Iterator[Diagnostic]:
    """A document that is wrong elsewhere still hears of names that nobody bears."""
    for address, document in reading.documents.items():
        if address in reading.resources:
            continue
        for found in written_references(resource_class(address.kind), document.data, ()):
            target = found.pointer.address
            known = {target, Address("FineTuneJob", target.name)}
            if found.ref.elsewhere or known & {*reading.documents, *recorded}:
                continue
            allowed = tuple(sorted(str(a) for a in reading.documents if a.kind in found.ref.kinds))
            yield document.problem(
                "unresolved-reference",
                f"{target} is not declared",
                found.path,
                found=str(target),
                allowed=allowed,
                nearest=nearest(str(target), allowed),
            )


def _claims(reading: _Reading) -> Iterator[Diagnostic]:
    """Something that only one resource may have, and a second wants."""
    holders: dict[str, Address] = {}
    for address in sorted(reading.resources):
        for path, claim, mend in reading.resources[address].claims():
            holder = holders.setdefault(claim, address)
            if holder != address:
                held_by = reading.documents[holder]
                yield reading.documents[address].problem(
                    "claimed-twice",
                    f"{holder} already has {claim}, in {held_by.file}:{held_by.line}",
                    path.split("."),
                    hint=mend,
                )


def _rules(reading: _Reading) -> Iterator[Diagnostic]:
    for address, resource in reading.resources.items():
        for path, message in resource.check(reading.resources):
            yield reading.documents[address].problem("broken-rule", message, path.split("."))


def _providers(reading: _Reading) -> Iterator[Diagnostic]:
    """Types that are not installed, wrong connections, and kinds that a type cannot realise."""
    types: dict[Address, str] = {}
    offers: dict[Address, ProviderFactory] = {}
    for address, resource in reading.resources.items():
        if isinstance(resource, Provider):
            types[address] = resource.spec.type
            try:
                offers[address] = factory(resource.spec.type)
            except PlanError as error:
                yield _unusable_type(reading.documents[address], resource.spec.type, error)
    for address, offer in offers.items():
        yield from _connection(reading.documents[address], offer)
    for address, resource in reading.resources.items():
        named = resource.provider
        if named in offers and address.kind not in offers[named].capabilities:
            yield _unrealised(reading.documents[address], named, types[named])


def _unusable_type(document: Document, name: str, error: PlanError) -> Diagnostic:
    installed = provider_types()
    return document.problem(
        "unknown-provider-type",
        error.message,
        ("spec", "type"),
        found=name,
        allowed=installed,
        nearest=nearest(name, installed) if name not in installed else "",
        hint=(error.hint or "") if name in installed else "",
    )


def _connection(document: Document, offer: ProviderFactory) -> list[Diagnostic]:
    data = document.data["spec"].get("connection") or {}
    _, problems = check_model(document, offer.connection, data=data, prefix=("spec", "connection"))
    return problems


def _unrealised(document: Document, provider: Address, provider_type: str) -> Diagnostic:
    able = types_realising(document.kind)
    return document.problem(
        "unsupported-kind",
        f"{provider} cannot realise {document.address}: a provider of type {provider_type!r} "
        f"has no {document.kind}",
        ("spec", "provider"),
        found=provider.name,
        allowed=able,
        hint=f"provider types with {document.kind}: {', '.join(able) or 'none is installed'}",
    )
