"""What an execution of a plan brought about, and what that makes the process end with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from loopwright.errors import EXIT_PRECEDENCE, ExitCode
from loopwright.planning.change import Change
from loopwright.resources.address import Address


@dataclass
class Applied:
    """What one execution of a plan brought about."""

    done: list[Change] = field(default_factory=list)
    failed: dict[Address, str] = field(default_factory=dict)
    running: dict[Address, str] = field(default_factory=dict)
    manual: dict[Address, str] = field(default_factory=dict)
    waiting: dict[Address, str] = field(default_factory=dict)
    decisions: dict[Address, str] = field(default_factory=dict)
    refused: dict[Address, str] = field(default_factory=dict)
    rejected: dict[Address, str] = field(default_factory=dict)
    """Candidates that were taking over and went back: decided, and nothing went wrong."""
    bugs: list[BaseException] = field(default_factory=list)
    interrupted: bool = False

    @property
    def exit_code(self) -> ExitCode:
        codes = {
            ExitCode.ERROR: self.interrupted,
            ExitCode.REFUSED: bool(self.refused),
            ExitCode.DECISION: bool(self.decisions),
            ExitCode.PARTIAL: bool(self.failed),
            ExitCode.WAITING: bool(self.running or self.waiting or self.manual),
        }
        return next((code for code in EXIT_PRECEDENCE if codes.get(code)), ExitCode.DONE)

    def then(self, after: Applied) -> Applied:
        """Two passes as one: what is done stays done, what waits is what waits now."""
        return replace(
            after,
            done=[*self.done, *after.done],
            failed={**self.failed, **after.failed},
            rejected={**self.rejected, **after.rejected},
        )
