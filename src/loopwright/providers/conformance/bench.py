"""Where checks make their objects: names and tags of their own, waiting, settling, cleaning up.

Says nothing about the contract itself. What stands in a check's way without being its subject
raises Unjudged, so that one defect fails the one check that is about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

from pydantic import BaseModel

from loopwright.errors import ProviderError
from loopwright.providers.base import (
    Adapter,
    Capabilities,
    Observed,
    Operation,
    OperationStatus,
    Provider,
    ProviderContext,
    ProviderFactory,
    Resolved,
    Target,
)
from loopwright.providers.conformance.findings import Unjudged
from loopwright.providers.conformance_samples import Sample, Samples
from loopwright.resources.address import Address
from loopwright.resources.base import Nature, Resource
from loopwright.resources.markers import Edge

_LEAST_WAIT = 0.01


@dataclass
class Bench:
    """A provider under test, and the objects that its samples refer to, each made once."""

    factory: ProviderFactory
    context: ProviderContext
    samples: Samples
    unreachable: BaseModel | None
    patience: float
    token: str = field(default_factory=lambda: uuid4().hex[:8])
    names: int = 0
    _ground: list[Trial] = field(default_factory=list)
    _resolved: dict[Address, Resolved | Unjudged] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.provider: Provider = self.factory.build(self.context)

    def new_name(self, stem: str) -> str:
        self.names += 1
        return f"{stem}-{self.token}-{self.names}"

    def resolved(self, address: Address) -> Resolved:
        """What a sample refers to, made now if it was not yet, and whatever feeds that."""
        if address not in self._resolved:
            try:
                self._resolved[address] = self._provide(address)
            except Unjudged as error:
                self._resolved[address] = error
            self._feed(address)
        found = self._resolved[address]
        if isinstance(found, Unjudged):
            raise found
        return found

    def close(self) -> None:
        """Remove what the samples referred to, as far as that is possible."""
        for trial in reversed(self._ground):
            trial.clean()
        self.provider.close()

    def _feed(self, address: Address) -> None:
        for other, sample in self.samples.items():
            if sample.resource.feeds() == address and other.kind in self.provider.adapters:
                self.resolved(other)

    def _provide(self, address: Address) -> Resolved:
        sample = self.samples.get(address)
        if sample is None:
            raise Unjudged(f"there is no sample {address}, which this one refers to")
        resource = sample.named(address.name)
        if resource.nature is Nature.CONFIG:
            return Resolved(address, spec=resource.desired(), base_dir=sample.base_dir)
        trial = Trial(self, address.kind)
        self._ground.append(trial)
        target = trial.target_of(resource)
        made = trial.made(target)
        return Resolved(
            address,
            external_id=made.external_id,
            revision=target.revision,
            digest=str(made.outputs.get("digest", "")),
            outputs=made.outputs,
            spec=target.spec,
        )


class Trial:
    """One check of one kind: gives it targets and objects, and takes them away afterwards."""

    def __init__(self, bench: Bench, kind: str) -> None:
        self.bench = bench
        self.kind = kind
        self._made: list[tuple[Target, Operation]] = []
        self._providers: list[Provider] = []

    @property
    def adapter(self) -> Adapter:
        found = self.bench.provider.adapters.get(self.kind)
        if found is None:
            raise Unjudged(f"the provider has no adapter for {self.kind}")
        return found

    @property
    def capabilities(self) -> Capabilities:
        return self.adapter.capabilities

    @property
    def sample(self) -> Sample:
        for address, sample in self.bench.samples.items():
            if address.kind == self.kind:
                return sample
        raise Unjudged(f"there is no sample of {self.kind}")

    def target(self) -> Target:
        """A new object to be, with a name and an owner tag that nothing else has."""
        name = self.bench.new_name(self.sample.resource.metadata.name)
        return self.target_of(self.sample.named(name))

    def edited(self, target: Target) -> Target:
        """The same object with the sample's edit made to its spec."""
        resource = self.sample.named(target.address.name, edited=True)
        return replace(target, spec=resource.desired())

    def target_of(self, resource: Resource) -> Target:
        return Target(
            address=resource.address,
            spec=resource.desired(),
            owner=f"conformance-{self.bench.token}/{resource.address}",
            inputs=dict(self._inputs(resource)),
            revision=1 if resource.nature.is_run else None,
            base_dir=self.sample.base_dir,
        )

    def _inputs(self, resource: Resource) -> Iterator[tuple[str, Resolved]]:
        """By field path; what has no remote life is followed by what it refers to."""
        for found in resource.references():
            address = found.pointer.address
            if found.ref.edge is not Edge.NEEDS or address.kind == "Provider":
                continue
            path = ".".join(str(part) for part in found.path[1:])
            yield path, self.bench.resolved(address)
            referred = self.bench.samples[address].resource
            if referred.nature is Nature.CONFIG:
                yield from ((f"{path}.{below}", one) for below, one in self._inputs(referred))

    def key(self) -> str:
        """An idempotency key that was never used."""
        return f"conformance-{uuid4().hex}"

    def begun(self, target: Target, key: str) -> Operation:
        """A create, whatever it raises; its object is removed when the check is over."""
        operation = self.adapter.create(target, key)
        self._made.append((target, operation))
        return operation

    def finished(
        self, target: Target, operation: Operation, adapter: Adapter | None = None
    ) -> Operation:
        """Polled to its end, or to the end of the suite's patience."""
        waited = 0.0
        while not operation.status.is_terminal and waited < self.bench.patience:
            if operation.manual_step:
                raise Unjudged(f"waits for a person: {operation.manual_step}")
            pause = max(operation.poll_after, _LEAST_WAIT)
            self.bench.context.clock.sleep(pause)
            waited += pause
            operation = (adapter or self.adapter).poll(target, operation)
        self._made.append((target, operation))
        return operation

    def made(self, target: Target) -> Operation:
        """A create that succeeded; Unjudged otherwise, which is another check's subject."""
        try:
            operation = self.finished(target, self.begun(target, self.key()))
        except ProviderError as error:
            raise Unjudged(f"{target.address} could not be made: {error}") from error
        if operation.status is not OperationStatus.SUCCEEDED:
            raise Unjudged(f"making {target.address} is {operation.status}: {operation.message}")
        return operation

    def seen(self, target: Target, external_id: str | None) -> Observed:
        """What is observed once the kind has settled; Unjudged when nothing is."""
        found = self.adapter.observe(target, external_id) or self.settled(target, external_id)
        if found is None:
            raise Unjudged(f"{target.address} was made, but is not observed")
        return found

    def settled(self, target: Target, external_id: str | None) -> Observed | None:
        """What is observed after the kind's settling time."""
        self.bench.context.clock.sleep(self.capabilities.settling.total_seconds())
        return self.adapter.observe(target, external_id)

    def rebuilt(self, connection: BaseModel | None = None) -> Adapter:
        """The adapter of a provider built anew, as after a restart."""
        context = self.bench.context
        if connection is not None:
            context = replace(context, connection=connection)
        provider = self.bench.factory.build(context)
        self._providers.append(provider)
        return provider.adapters[self.kind]

    def clean(self) -> None:
        """Remove what was made. Best effort: deleting is a check of its own."""
        if self._made and self.capabilities.can_delete:
            for target, external_id in self._external_ids():
                with suppress(Exception):
                    self.adapter.delete(target, Observed(external_id), self.key())
        self._made.clear()
        for provider in self._providers:
            provider.close()
        self._providers.clear()

    def _external_ids(self) -> Iterator[tuple[Target, str]]:
        latest = {operation.external_id: target for target, operation in self._made}
        for external_id, target in reversed(latest.items()):
            if external_id:
                yield target, external_id
