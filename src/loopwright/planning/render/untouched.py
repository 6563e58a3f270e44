"""What is left alone on purpose, grouped by the reason."""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.planning.change import Action
from loopwright.planning.plan import Plan
from loopwright.planning.render.wording import UNICODE, Signs
from loopwright.resources.address import Address

_NAMED = 3


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Addresses that share a reason."""

    reason: str
    addresses: tuple[Address, ...]

    def names(self, signs: Signs = UNICODE) -> str:
        """The first few names and how many more there are."""
        named = ", ".join(map(str, self.addresses[:_NAMED]))
        more = len(self.addresses) - _NAMED
        return f"{named} {signs.ellipsis} and {more:,} more" if more > 0 else named


def left_alone(plan: Plan) -> list[LeftAlone]:
    """Suspended, outside the selection, held, refused promotions: in the order of the plan."""
    by_reason: dict[str, dict[Address, None]] = {}
    for quiet in plan.quiet:
        by_reason.setdefault(quiet.reason, {})[quiet.address] = None
    for change in plan.changes:
        if change.action is Action.NOOP and change.reason:
            by_reason.setdefault(change.reason, {})[change.address] = None
    return [LeftAlone(reason, tuple(found)) for reason, found in by_reason.items()]
