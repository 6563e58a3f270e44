"""What the plan costs, takes, cannot take back, and asks of a person; danger comes last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.plan import Plan
from loopwright.planning.render.facts import cost_words, range_words
from loopwright.planning.render.sections import names_words
from loopwright.planning.render.wording import (
    REFUSALS,
    UNICODE,
    Signs,
    hours_words,
    money_words,
    number_words,
    plural,
)


class Weight(Enum):
    """How loudly a consequence is said."""

    FACT = 0
    CAUTION = 1
    DANGER = 2


@dataclass(frozen=True, slots=True)
class Consequence:
    """A label of a word or two, and what follows; each piece is best kept on one line."""

    label: str
    pieces: tuple[str, ...]
    weight: Weight = Weight.FACT


def consequences(plan: Plan, signs: Signs = UNICODE) -> list[Consequence]:
    """Sums first, then manual steps and cautions, then what is refused or destroyed."""
    return [*_sums(plan, signs), *_by_hand(plan), *_cautions(plan), *_dangers(plan)]


def _sums(plan: Plan, signs: Signs) -> Iterator[Consequence]:
    totals = plan.totals
    unknown = sum(not _is_counted(change) for change in _runs(plan))
    gap = f"{plural(unknown, 'run')} without an estimate"
    if totals.cost is not None:
        cost = cost_words(totals.cost, totals.currency, signs)
        yield Consequence("Cost", (cost, gap) if unknown else (cost,))
    elif unknown:
        yield Consequence("Cost", (f"not known yet: {gap}",))
    elif _runs(plan):
        yield Consequence("Cost", ("not known: the providers have no spec.prices",))
    if totals.hours is not None:
        hours = range_words(totals.hours, hours_words, signs=signs)
        yield Consequence("Time", (f"{hours} of running jobs",))
    amounts = tuple(
        range_words(value, number_words, noun, signs=signs)
        for value, noun in ((totals.rows, "rows"), (totals.tokens, "tokens"))
        if value is not None
    )
    if amounts:
        yield Consequence("Data", amounts)


def _runs(plan: Plan) -> list[Change]:
    return [
        change
        for change in plan.changes
        if change.action is Action.RUN and change.obstacle is Obstacle.NONE
    ]


def _is_counted(change: Change) -> bool:
    """Whether an estimate has numbers, and not only words."""
    found = change.estimate
    return found is not None and any((found.rows, found.tokens, found.hours, found.cost))


def _by_hand(plan: Plan) -> Iterator[Consequence]:
    held = [change for change in plan.pending if change.manual_steps]
    if held:
        steps = plural(sum(len(change.manual_steps) for change in held), "step")
        yield Consequence("By hand", (f"{steps} for {names_words(held)}",), Weight.CAUTION)


def _cautions(plan: Plan) -> Iterator[Consequence]:
    for caution in plan.cautions:
        about = f"{caution.address}: " if caution.address else ""
        hint = f" ({caution.hint})" if caution.hint else ""
        yield Consequence("Caution", (f"{about}{caution.message}{hint}",), Weight.CAUTION)


def _dangers(plan: Plan) -> Iterator[Consequence]:
    refused = [change for change in plan.changes if change.obstacle in REFUSALS]
    if refused:
        yield Consequence("Refused", _counted(refused), Weight.DANGER)
    free = [change for change in plan.changes if change.obstacle not in REFUSALS]
    replaced = [change for change in free if change.action is Action.REPLACE]
    if replaced:
        yield Consequence("Replaced", _counted(replaced), Weight.DANGER)
    deleted = [change for change in free if change.action is Action.DELETE]
    if deleted:
        yield Consequence("Deleted", _counted(deleted), Weight.DANGER)
    if plan.selection.delete_data:
        words = "lakes, dataset versions and models go too (--delete-data)"
        yield Consequence("Data", (words,), Weight.DANGER)


def _counted(changes: list[Change]) -> tuple[str]:
    return (f"{len(changes):,}: {names_words(changes)}",)


def envelope_words(plan: Plan, signs: Signs = UNICODE) -> str:
    """What an approval covers, e.g. `cost up to ¥900, up to 8 h, no deletes; no bound on rows`."""
    envelope = plan.envelope
    bounds = {
        "cost": envelope.cost is not None
        and f"cost up to {money_words(envelope.cost, envelope.currency, signs)}",
        "hours": envelope.hours is not None and f"up to {hours_words(envelope.hours)}",
        "rows": envelope.rows is not None and f"up to {envelope.rows:,} rows",
    }
    said = [words for words in bounds.values() if words]
    said.append(plural(envelope.deletes, "delete") if envelope.deletes else "no deletes")
    missing = [name for name, words in bounds.items() if not words]
    loose = f"; no bound on {' or '.join(missing)}" if missing and _runs(plan) else ""
    return ", ".join(said) + loose
