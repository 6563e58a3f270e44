"""The daily breaker: what was started today plus what a plan would start, held against a budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from loopwright.clock import from_text
from loopwright.engine.workspace import Declared
from loopwright.planning.change import Action
from loopwright.planning.plan import Plan
from loopwright.state.store import StateReader


@dataclass(frozen=True, slots=True)
class Breaker:
    """The money that is left of a day (UTC). `budget` None: no bound."""

    budget: float | None
    spent: float = 0.0

    @classmethod
    def of(cls, declared: Declared, state: StateReader, now: datetime) -> Breaker:
        """Reads today's part of the journal, and only where the project states a budget."""
        budget = declared.project.daily_budget
        return cls(budget, spent_today(state, now) if budget is not None else 0.0)

    def refusal(self, plan: Plan) -> str:
        """Why nothing of the plan is started; empty while it fits."""
        likely = plan.totals.cost.likely if plan.totals.cost else 0.0
        if self.budget is None or not likely or self.spent + likely <= self.budget:
            return ""
        currency = f" {plan.totals.currency}" if plan.totals.currency else ""
        return (
            f"the plan costs about {likely:,.6g}{currency}; with {self.spent:,.6g} started today "
            f"that is over dailyBudget {self.budget:,.6g}"
        )

    def bounded(self, declared: Declared) -> Declared:
        """Declared, with a bound that keeps runs of later stages within the day too."""
        if self.budget is None:
            return declared
        return replace(declared, spendable=max(0.0, self.budget - self.spent))


def spent_today(state: StateReader, now: datetime) -> float:
    """Estimated cost of the runs whose intent was journalled since midnight UTC."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    total = 0.0
    for entry in state.journal(newest_first=True):
        if from_text(entry.at) < midnight:
            break
        if entry.kind == "intent" and entry.data.get("action") == Action.RUN.value:
            total += float(entry.data.get("cost") or 0.0)
    return total
