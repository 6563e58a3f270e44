"""Asks adapters what names in specs stand for, for fingerprints and for what others are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from loopwright.clock import Clock
from loopwright.engine.pool import ProviderPool
from loopwright.engine.retry import Backoff, with_retries
from loopwright.engine.targets import Targets
from loopwright.errors import LoopwrightError
from loopwright.planning.promotion import effective_spec
from loopwright.providers.base import SupportsPins, Target
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.records import Record

_BACKOFF = Backoff(tries=2)


@dataclass(frozen=True, slots=True)
class Pinned:
    """What was found, and what could not be."""

    pins: Mapping[Address, Mapping[str, str]] = field(default_factory=dict)
    """Field path -> what its value stands for."""
    problems: Mapping[Address, str] = field(default_factory=dict)


Asked = tuple[SupportsPins, Target]


def to_ask(
    resources: Iterable[Resource],
    records: Mapping[Address, Record],
    targets: Targets,
    pool: ProviderPool,
) -> list[Asked]:
    """Everything whose adapter pins names, with the spec that is asked for."""
    found: list[Asked] = []
    for resource in resources:
        if resource.provider is None:
            continue
        adapter = pool.adapter(resource.provider.name, resource.kind)
        if isinstance(adapter, SupportsPins):
            spec = effective_spec(resource, records.get(resource.address))
            found.append((adapter, targets.declared(resource, spec=spec, with_attached=False)))
    return found


def ask_pins(asked: list[Asked], *, pool: ProviderPool, clock: Clock, parallelism: int) -> Pinned:
    """A failure is of one resource, and its plan says it."""

    def ask(one: Asked) -> Mapping[str, str] | str:
        adapter, target = one
        try:
            return with_retries(
                lambda: adapter.pins(target), clock=clock, backoff=_BACKOFF, hide=pool.hide
            )
        except LoopwrightError as error:
            return pool.hide("; ".join(filter(None, (error.message, error.hint))))

    with ThreadPoolExecutor(max_workers=parallelism) as workers:
        answers = list(workers.map(ask, asked))
    told = {target.address: answer for (_, target), answer in zip(asked, answers, strict=True)}
    return Pinned(
        {
            address: {path.removeprefix("spec."): pin for path, pin in sorted(answer.items())}
            for address, answer in told.items()
            if not isinstance(answer, str) and answer
        },
        {address: answer for address, answer in told.items() if isinstance(answer, str)},
    )
