"""Observes the world and gathers a `Situation`. Reads only; makes no write call, ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from loopwright.clock import Clock, to_text
from loopwright.engine.files import file_digests
from loopwright.engine.foreseeing import (
    counted_later,
    foreseen,
    planned_makers,
    to_estimate_later,
    with_planned,
)
from loopwright.engine.looking import with_progress
from loopwright.engine.pinning import Asked, Pinned, ask_pins, to_ask
from loopwright.engine.pool import ProviderPool
from loopwright.engine.retry import Backoff, with_retries
from loopwright.engine.targets import Targets
from loopwright.engine.workspace import Declared
from loopwright.errors import LoopwrightError, PlanError, ProviderError
from loopwright.graph import Graph
from loopwright.planning.change import Action, Obstacle
from loopwright.planning.plan import Caution, Header, Plan, Selection
from loopwright.planning.planner import Planner
from loopwright.planning.promotion import effective_spec
from loopwright.planning.situation import Situation
from loopwright.planning.totals import hold_to_envelope
from loopwright.providers.base import (
    Adapter,
    Capabilities,
    Estimate,
    LastRun,
    Observed,
    Severity,
    SupportsCheck,
    SupportsEstimate,
    SupportsList,
    SupportsNormalForm,
    Target,
)
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.records import Record
from loopwright.state.store import StateReader

_BACKOFF = Backoff(tries=3)


@dataclass(frozen=True)
class Refresher:
    """Looks at everything that a plan is about."""

    declared: Declared
    pool: ProviderPool
    clock: Clock
    environment: str
    parallelism: int = 10

    def situation(self, reader: StateReader, selection: Selection) -> Situation:
        """Raises PlanError naming every object that could not be observed."""
        records = dict(reader.records())
        graph = self.declared.graph if not selection.destroy else Graph({}, ())
        moved = self._moves(records, graph.resources)
        relocated = {old: new for new, old in moved.items()}
        current = {relocated.get(address, address): record for address, record in records.items()}
        targets = Targets(graph, current, reader.lineage)
        wanted = list(_wanted(graph.resources, current, targets))
        asked = to_ask(graph.resources.values(), current, targets, self.pool)
        with self._pinning(asked) as pinning:
            observed = self._observe_all(wanted) if selection.refresh else {}
            pinned = pinning()
        if selection.refresh:
            records = with_progress(records, self.pool, targets)
        files = file_digests(graph, self.declared.origins)
        return Situation(
            graph=graph,
            records=records,
            observed=observed,
            capabilities=self._capabilities(graph.resources, records),
            header=Header(
                environment=self.environment,
                lineage=reader.lineage,
                serial=reader.serial,
                manifests=self.declared.digest,
                sources=self.declared.sources,
                commit=self.declared.commit,
                refreshed_at=to_text(self.clock.now()) if selection.refresh else "",
                observed=len(observed),
            ),
            now=self.clock.now(),
            project=self.declared.project,
            selection=selection,
            file_digests=files
            | {at: {**files.get(at, {}), **pins} for at, pins in pinned.pins.items()},
            pins=pinned.pins,
            normal=self._normal(graph.resources, targets),
            unpinned=pinned.problems,
            origins=self.declared.origins,
            variables=self.declared.variables,
            moved=moved,
        )

    def plan(
        self, reader: StateReader, selection: Selection, *, applies: bool = False
    ) -> tuple[Planner, Plan]:
        """Observe, plan, ask providers for numbers where something would run, and plan again.

        What whoever acts may not do is a caution; raises PlanError over it when the plan `applies`.
        """
        situation = self.situation(reader, selection)
        planner = Planner(situation)
        plan = planner.plan()
        cautions = self._check(situation, plan, applies=applies)
        estimates = self._estimates(situation, planner, plan)
        if estimates:
            planner = Planner(replace(situation, estimates=estimates))
            plan = hold_to_envelope(planner.plan(), situation.project.envelope)
        return planner, replace(self._within_the_day(plan), cautions=cautions)

    def estimate(
        self,
        planner: Planner,
        address: Address,
        planned: Mapping[Address, Estimate] | None = None,
    ) -> Estimate | None:
        """Numbers for one run; None where nobody can tell. Its inputs are in place now, or are
        `planned` by stages before it.

        A failure holds up this run alone, so it is part of the answer and not raised.
        """
        graph = planner.graph
        resource = graph.resources[address]
        adapter = self._adapter(resource)
        if not isinstance(adapter, SupportsEstimate):
            return None
        targets = Targets(graph, planner.records, planner.situation.header.lineage)
        target = with_planned(targets.declared(resource), graph, planned or {})
        last = _last_run(planner.records.get(address))
        try:
            return with_retries(
                partial(adapter.estimate, target, last),
                clock=self.clock,
                backoff=_BACKOFF,
                hide=self.pool.hide,
            )
        except LoopwrightError as error:
            return Estimate(failed="; ".join(filter(None, (error.message, error.hint))))

    def _within_the_day(self, plan: Plan) -> Plan:
        left = self.declared.spendable
        if left is None:
            return plan
        stated = self.declared.project.envelope.cost
        cost = left if stated is None else min(left, stated)
        return replace(plan, envelope=replace(plan.envelope, cost=cost))

    @contextmanager
    def _pinning(self, asked: list[Asked]) -> Iterator[Callable[[], Pinned]]:
        """Asks for pins beside what else is looked at."""
        if not asked:
            yield Pinned
            return
        ask = partial(
            ask_pins, asked, pool=self.pool, clock=self.clock, parallelism=self.parallelism
        )
        with ThreadPoolExecutor(max_workers=1) as beside:
            yield beside.submit(ask).result

    def _normal(
        self, resources: Mapping[Address, Resource], targets: Targets
    ) -> dict[Address, Mapping[str, Any]]:
        found: dict[Address, Mapping[str, Any]] = {}
        for address, resource in resources.items():
            adapter = self._adapter(resource) if resource.nature.is_run else None
            if isinstance(adapter, SupportsNormalForm):
                found[address] = adapter.normal(targets.declared(resource, with_attached=False))
        return found

    def _moves(
        self, records: Mapping[Address, Record], resources: Mapping[Address, Resource]
    ) -> dict[Address, Address]:
        found = {}
        for move in self.declared.project.moved:
            old, new = Address.parse(move.source), Address.parse(move.to)
            if old in records and new not in records and new in resources:
                found[new] = old
        return found

    def _adapter(self, resource: Resource) -> Adapter | None:
        if resource.provider is None:
            return None
        return self.pool.adapter(resource.provider.name, resource.kind)

    def _capabilities(
        self, resources: Mapping[Address, Resource], records: Mapping[Address, Record]
    ) -> dict[Address, Capabilities]:
        found = {}
        for address, resource in resources.items():
            if resource.provider is not None:
                provider = resource.provider.name
                found[address] = self.pool.adapter(provider, address.kind).capabilities
        for address, record in records.items():
            if address not in found and record.provider:
                found[address] = self.pool.adapter(record.provider, address.kind).capabilities
        return found

    def _observe_all(
        self, wanted: Sequence[tuple[str, Target, str | None]]
    ) -> dict[Address, Observed | None]:
        groups: dict[tuple[str, str], list[tuple[Target, str | None]]] = {}
        for provider, target, external_id in wanted:
            groups.setdefault((provider, target.address.kind), []).append((target, external_id))
        found: dict[Address, Observed | None] = {}
        errors: list[str] = []
        with ThreadPoolExecutor(max_workers=self.parallelism) as workers:
            jobs = [
                workers.submit(self._observe, provider, kind, batch)
                for (provider, kind), whole in sorted(groups.items())
                for batch in self._batches(provider, kind, whole)
            ]
            for job in jobs:
                try:
                    found.update(job.result())
                except ProviderError as error:
                    errors.append(error.message)
        if errors:
            raise PlanError(
                "cannot observe the world: " + "; ".join(dict.fromkeys(errors)),
                hint="try again, or plan from state alone with --no-refresh",
            )
        return found

    def _batches(
        self, provider: str, kind: str, whole: list[tuple[Target, str | None]]
    ) -> Iterator[list[tuple[Target, str | None]]]:
        if isinstance(self.pool.adapter(provider, kind), SupportsList):
            yield whole
        else:
            yield from ([one] for one in whole)

    def _observe(
        self, provider: str, kind: str, batch: list[tuple[Target, str | None]]
    ) -> Mapping[Address, Observed | None]:
        adapter, throttle = self.pool.adapter(provider, kind), self.pool.throttle(provider)

        def look() -> Mapping[Address, Observed | None]:
            if throttle:
                throttle.wait()
            if isinstance(adapter, SupportsList):
                return adapter.observe_all(batch)
            target, external_id = batch[0]
            return {target.address: adapter.observe(target, external_id)}

        return with_retries(look, clock=self.clock, backoff=_BACKOFF, hide=self.pool.hide)

    def _check(self, situation: Situation, plan: Plan, *, applies: bool) -> tuple[Caution, ...]:
        """Ask providers what they think of what would be done: what a person should know.

        Raises PlanError with all that cannot be done.
        """
        targets = Targets(situation.graph, situation.records, situation.header.lineage)
        fatal = {Severity.ERROR} | ({Severity.FORBIDDEN} if applies else set())
        problems: list[tuple[str, str]] = []
        cautions: list[Caution] = []
        for change in plan.pending:
            resource = situation.resources.get(change.address)
            adapter = self._adapter(resource) if resource else None
            if resource is None or not isinstance(adapter, SupportsCheck):
                continue
            spec = effective_spec(resource, situation.record(change.address))
            for opinion in adapter.check(targets.declared(resource, spec=spec)):
                if opinion.severity in fatal:
                    where = self.declared.place(change.address, opinion.path)
                    message = self.pool.hide(f"{where}: {change.address}: {opinion.message}")
                    problems.append((message, opinion.hint))
                elif opinion.severity is not Severity.OK:
                    message = self.pool.hide(opinion.message)
                    cautions.append(Caution(str(change.address), message, opinion.hint))
        if problems:
            raise _refused(problems)
        return tuple(cautions)

    def _estimates(
        self, situation: Situation, planner: Planner, plan: Plan
    ) -> dict[Address, Estimate]:
        found: dict[Address, Estimate] = {}
        for address in _to_estimate(situation, plan):
            estimate = self.estimate(planner, address)
            if estimate is not None:
                found[address] = estimate
        for address in to_estimate_later(situation, plan):
            makers = planned_makers(plan, situation.graph, address)
            planned = {maker: found.get(maker, Estimate()) for maker in makers}
            estimate = self._foreseen(planner, address, planned)
            if estimate is not None:
                found[address] = estimate
        return found

    def _foreseen(
        self, planner: Planner, address: Address, planned: Mapping[Address, Estimate]
    ) -> Estimate | None:
        """Numbers by what is `planned` of a run's inputs, or a word on when there will be some."""
        able = planner.situation.capabilities[address].estimates_planned
        if not able:
            return counted_later(Estimate(), planned) if planned else None
        estimate = self.estimate(planner, address, planned)
        if estimate is None or estimate.failed:
            return None  # it may succeed once these are there
        if uncounted := [maker for maker, one in planned.items() if one.rows is None]:
            return counted_later(estimate, uncounted)
        return foreseen(estimate) if planned else estimate


def _refused(problems: Sequence[tuple[str, str]]) -> PlanError:
    """Every message with its hint below it; a hint of several in a row is below the last."""
    lines: list[str] = []
    for number, (message, hint) in enumerate(problems):
        lines.append(message)
        if hint and hint not in (one for _, one in problems[number + 1 : number + 2]):
            lines.append(f"  hint: {hint}")
    hint = problems[-1][1]
    return PlanError("\n".join(lines[:-1] if hint else lines), hint=hint or None)


def _to_estimate(situation: Situation, plan: Plan) -> Iterable[Address]:
    """Runs that would start now, and series that new calls may trigger."""
    for change in plan.changes:
        resource = situation.resources.get(change.address)
        if resource is None or not resource.nature.is_run:
            continue
        capabilities = situation.capabilities.get(change.address)
        is_early = capabilities is not None and capabilities.estimates_early
        starts = change.action is Action.RUN and (is_early or not change.after)
        watches = resource.trigger.min_new_calls and change.obstacle is Obstacle.NONE
        if starts or (watches and not change.after):
            yield change.address


def _last_run(record: Record | None) -> LastRun | None:
    current = record.current_revision if record else None
    if current is None:
        return None
    return LastRun(current.number, current.outputs, current.finished_at)


def _wanted(
    resources: Mapping[Address, Resource], records: Mapping[Address, Record], targets: Targets
) -> Iterator[tuple[str, Target, str | None]]:
    """Everything realised: what is declared, and what is recorded and still out there."""
    for address, resource in resources.items():
        if resource.provider is None:
            continue
        record = records.get(address)
        spec = record.spec if record and record.spec else None
        target = targets.declared(resource, spec=spec, with_attached=False)
        provider = record.provider if record and record.provider else resource.provider.name
        yield provider, target, _observed_id(record)
    for address, record in records.items():
        if address not in resources and record.provider and record.external_id:
            yield record.provider, targets.recorded(record), record.external_id


def _observed_id(record: Record | None) -> str | None:
    return (record.external_id or None) if record else None
