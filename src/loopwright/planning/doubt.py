"""Operations whose answer was lost: what is in doubt, and what a person can do about it."""

from __future__ import annotations

from loopwright.planning.change import Action
from loopwright.providers.base import Capabilities, Idempotency
from loopwright.state.records import Record

_MAKING = (Action.CREATE.value, Action.REPLACE.value, Action.RUN.value)


def is_in_doubt(record: Record | None, capabilities: Capabilities | None) -> bool:
    """Whether only a person can tell if something was made."""
    pending = record.pending if record else None
    return (
        pending is not None
        and not pending.sent
        and pending.action in _MAKING
        and capabilities is not None
        and capabilities.idempotency is Idempotency.NONE
    )


def both_ways_out(record: Record) -> str:
    """What a person is told of a create that nobody can look up."""
    action = record.pending.action if record.pending else "create"
    return (
        f"the answer to {action} {record.address} was lost and {record.provider} cannot say "
        f"whether it took effect. If it exists: loopwright adopt {record.address} --id ID. "
        f"If it does not: loopwright adopt {record.address} --absent"
    )
