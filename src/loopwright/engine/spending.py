"""Keeps the runs of one approval inside its envelope."""

from __future__ import annotations

from loopwright.planning.change import Action, Change
from loopwright.planning.plan import Envelope


class Spending:
    """Sums what was started; says when one more would leave the envelope."""

    def __init__(self, envelope: Envelope) -> None:
        self._bounds = {
            "cost": envelope.cost,
            "rows": envelope.rows,
            "hours": envelope.hours,
        }
        self._spent = dict.fromkeys(self._bounds, 0.0)

    def take(self, change: Change) -> str:
        """Count a run in. Returns what is over, or nothing when it is covered."""
        if change.action is not Action.RUN or change.estimate is None:
            return ""
        likely = {
            name: value.likely
            for name in self._bounds
            if (value := getattr(change.estimate, name)) is not None
        }
        for name, value in likely.items():
            bound = self._bounds[name]
            if bound is not None and self._spent[name] + value > bound:
                return (
                    f"{name} would come to {self._spent[name] + value:,.6g}, over the approved "
                    f"{bound:,.6g}; plan again and approve that"
                )
        for name, value in likely.items():
            self._spent[name] += value
        return ""
