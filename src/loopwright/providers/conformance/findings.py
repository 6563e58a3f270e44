"""What the suite says, and the two ways in which a check ends early."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule of the contract, judged for one kind."""

    check: str
    kind: str
    verdict: Verdict
    rule: str
    """The rule in a sentence."""
    message: str = ""
    """What was seen that breaks it, or why it could not be judged."""


class Broken(Exception):
    """The adapter breaks the rule."""


class Unjudged(Exception):
    """The rule does not apply, or another rule's check says why it cannot be judged."""


def must(holds: bool, message: str) -> None:
    """Raises Broken unless it holds."""
    if not holds:
        raise Broken(message)
