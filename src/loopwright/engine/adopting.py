"""Takes existing objects over: one by id or name, or all, to rebuild a lost state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from loopwright.clock import to_text
from loopwright.engine.ledger import described, operation_key
from loopwright.engine.pool import ProviderPool
from loopwright.engine.retry import Backoff, with_retries
from loopwright.engine.targets import Targets
from loopwright.engine.workspace import Declared, Workspace
from loopwright.errors import DecisionNeededError, LoopwrightError, StateError
from loopwright.hashing import digest
from loopwright.planning.change import Action, Change
from loopwright.planning.outlook import standing_digest
from loopwright.providers.base import Adapter, Observed, SupportsAdopt
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.records import Record, Revision, RunStatus
from loopwright.state.store import Entry, StateSession


class Adopting:
    """One adoption command. Writes records; at the provider only our owner tag."""

    def __init__(
        self, workspace: Workspace, declared: Declared, session: StateSession, *, by: str
    ) -> None:
        self._workspace, self._declared, self._session, self._by = (
            workspace,
            declared,
            session,
            by,
        )
        self._records = dict(session.records())
        self._pool = ProviderPool(
            workspace,
            declared.resources,
            self._records,
            project=declared.project,
            variables=declared.variables,
        )
        self._targets = Targets(declared.graph, self._records, session.lineage)

    def one(self, address: Address, external_id: str | None) -> str:
        """Adopt one object. Raises LoopwrightError unless exactly one is found."""
        resource = self._resource(address)
        known = self._records.get(address)
        if known and known.external_id and not known.pending:
            raise StateError(
                f"{address} is recorded as {known.external_id}",
                hint="forget that first: loopwright state rm",
            )
        found = self._find(resource, external_id)
        if not found:
            named = f"with the id {external_id}" if external_id else "of that name"
            raise LoopwrightError(f"the provider has nothing {named} for {address}")
        if len(found) > 1:
            ids = ", ".join(item.external_id for item in found)
            raise DecisionNeededError(
                f"{len(found)} objects could be {address}: {ids}", hint="say which with --id"
            )
        self._take(resource, found[0])
        return f"{address} is {found[0].external_id} now. Plan shows what differs."

    def everything(self) -> Iterator[str]:
        """Adopt whatever is declared, not recorded, and found once."""
        for address in self._declared.graph.order:
            resource = self._declared.resources[address]
            if address in self._records or resource.provider is None:
                continue
            found = self._find(resource, None)
            if len(found) == 1:
                self._take(resource, found[0])
                yield f"adopted   {address} as {found[0].external_id}"
            elif found:
                ids = ", ".join(item.external_id for item in found)
                yield f"ambiguous {address}: {ids}; adopt it with --id"
            else:
                yield f"not found {address}"

    def absent(self, address: Address) -> str:
        """Drop an intent whose create had no effect, on a person's word."""
        record = self._records.get(address)
        if record is None or record.pending is None:
            raise StateError(f"{address} has no operation in doubt")
        kept = record.external_id or record.revisions
        after = replace(record, pending=None) if kept else None
        entry = Entry(
            "verdict", str(address), data={"status": "absent", "by": self._by}, actor=self._by
        )
        self._session.commit([entry], {address: after})
        return f"{address} will be made by the next apply."

    def _resource(self, address: Address) -> Resource:
        resource = self._declared.resources.get(address)
        if resource is None or resource.provider is None:
            raise LoopwrightError(
                f"{address} is not declared as something a provider realises",
                hint="write its manifest first, then adopt what exists",
            )
        return resource

    def _find(self, resource: Resource, external_id: str | None) -> list[Observed]:
        adapter, target = self._adapter(resource), self._targets.declared(resource)
        if external_id:
            observed = self._ask(partial(adapter.observe, target, external_id))
            return [observed] if observed else []
        owned = self._ask(partial(adapter.observe, target, None))
        if owned is not None:
            return [owned]
        if isinstance(adapter, SupportsAdopt):
            return list(
                with_retries(
                    partial(adapter.find, target),
                    clock=self._workspace.clock,
                    backoff=Backoff(),
                    hide=self._pool.hide,
                )
            )
        return []

    def _take(self, resource: Resource, observed: Observed) -> None:
        address = resource.address
        adapter, target = self._adapter(resource), self._targets.declared(resource)
        if isinstance(adapter, SupportsAdopt):
            change = Change(address, Action.ADOPT, external_id=observed.external_id)
            key = operation_key(self._session.lineage, change, serial=self._session.serial)
            operation = with_retries(
                partial(adapter.adopt, target, observed, key),
                clock=self._workspace.clock,
                backoff=Backoff(),
                hide=self._pool.hide,
            )
            observed = replace(observed, outputs={**observed.outputs, **operation.outputs})
        record = self._record(resource, observed)
        entry = Entry(
            "adopted", str(address), data={"external_id": observed.external_id}, actor=self._by
        )
        self._session.commit([entry], {address: record})
        self._records[address] = record

    def _record(self, resource: Resource, observed: Observed) -> Record:
        now = to_text(self._workspace.clock.now())
        record = Record(
            resource.address,
            external_id=observed.external_id,
            spec={**resource.desired(), **observed.spec},
            outputs=observed.outputs,
            created_at=now,
            updated_at=now,
        )
        if resource.nature.is_run:
            record = _with_run(record, observed, now)
        given = standing_digest(resource, {}, files={}, promoted={})
        return described(
            record,
            resource,
            self._declared.graph.needs(resource.address),
            given=given,
            origin=self._declared.origins.get(resource.address, ""),
        )

    def _adapter(self, resource: Resource) -> Adapter:
        provider = resource.provider
        if provider is None:
            raise AssertionError("only realised kinds have adapters")
        return self._pool.adapter(provider.name, resource.kind)

    def _ask(self, call: partial[Observed | None]) -> Observed | None:
        return with_retries(
            call, clock=self._workspace.clock, backoff=Backoff(), hide=self._pool.hide
        )


def _with_run(record: Record, observed: Observed, now: str) -> Record:
    """An adopted run is its own first revision; what made it is as the provider tells."""
    fingerprint = str(observed.outputs.get("fingerprint") or digest(dict(observed.outputs)))
    revision = Revision(
        number=int(observed.outputs.get("version", 1)),
        fingerprint=fingerprint,
        status=RunStatus.SUCCEEDED,
        external_id=observed.external_id,
        spec=record.spec,
        outputs=observed.outputs,
        reason="adopted",
        finished_at=now,
    )
    return replace(
        record,
        revisions=(revision,),
        current=revision.number,
        fingerprint=fingerprint,
        digest=str(observed.outputs.get("digest") or fingerprint),
    )
