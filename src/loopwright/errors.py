"""The one tree of errors, and the exit codes they lead to.

A message says what could not be done, with facts; `hint` says what to do next. Retrying is
decided by the Transient/Permanent split of provider errors and by nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loopwright.lake.capture.records import Lost
    from loopwright.manifests.diagnostics import Diagnostic


class ExitCode(IntEnum):
    """What the process says when it ends. Where several hold: 1, 7, 6, 5, 4, 3."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    CHANGES = 3
    WAITING = 4
    PARTIAL = 5
    DECISION = 6
    REFUSED = 7


EXIT_PRECEDENCE = (
    ExitCode.ERROR,
    ExitCode.REFUSED,
    ExitCode.DECISION,
    ExitCode.PARTIAL,
    ExitCode.WAITING,
    ExitCode.CHANGES,
)


class LoopwrightError(Exception):
    """Base of every error a user may meet.

    `exit_code` is what the CLI ends with, `hint` the next thing to do.
    """

    exit_code: ExitCode = ExitCode.ERROR

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ManifestError(LoopwrightError):
    """The manifests cannot be used. Carries every diagnostic of the run, never only the first."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        count = len(diagnostics)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the manifests")
        self.diagnostics = tuple(diagnostics)


class StateError(LoopwrightError):
    """The state cannot be read or written."""


class StateLockedError(StateError):
    """Somebody else holds the lease on the state."""


class FencedError(StateError):
    """Our lease was taken over: this process may not write any more."""


class StateVersionError(StateError):
    """The state was written by a newer loopwright."""


class PlanError(LoopwrightError):
    """No plan can be made of these inputs."""


class StalePlanError(PlanError):
    """The world, the state or the manifests moved on since the plan was saved."""

    exit_code = ExitCode.DECISION


class DecisionNeededError(LoopwrightError):
    """A person has to decide before this can go on."""

    exit_code = ExitCode.DECISION


class RefusedError(LoopwrightError):
    """Refused by policy, budget or protection."""

    exit_code = ExitCode.REFUSED


class ProviderError(LoopwrightError):
    """A provider could not do what was asked. Facts: provider, address, action."""

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        address: str = "",
        action: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.provider = provider
        self.address = address
        self.action = action


class TransientError(ProviderError):
    """May succeed when tried again. `retry_after` in seconds where the provider gave one."""

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: str) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class AmbiguousError(TransientError):
    """The call may have taken effect (a timeout, a cut connection): look before trying again."""


class PermanentError(ProviderError):
    """Will fail again until a person changes something."""


class LakeError(LoopwrightError):
    """The lake cannot be read or written as asked."""


class LakeIntegrityError(LakeError):
    """A file of the lake is missing, swapped, truncated or not what the file manifest says."""


class LakeKeyError(LakeError):
    """A key is missing, wrong or not granted to this role."""


class CaptureError(LakeError):
    """A call could not be handed over to the log of its lake; `reason` is how the ledger has it."""

    def __init__(self, message: str, *, reason: Lost, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class SqlError(LakeError):
    """A query is not one that may run, or did not come to its end."""


class SqlLimitError(SqlError):
    """A query needs more time or memory than it may have."""


class DatasetError(LakeError):
    """A dataset version cannot be built or does not verify."""


class GatewayError(LoopwrightError):
    """The gateway cannot listen, or cannot serve as it is told to."""


class DaemonError(LoopwrightError):
    """The project daemon cannot be started, reached, or do what it is asked."""


class ModelError(LoopwrightError):
    """A model is missing, damaged, or not what its digest says."""


class TuningError(LoopwrightError):
    """A model cannot be tuned as asked."""


class ServingError(LoopwrightError):
    """A model cannot be served on this machine, or by the server that was named."""


class InferenceError(LoopwrightError):
    """A server cannot be asked, or the requests for it are not usable."""


class EvaluationError(LoopwrightError):
    """An evaluation cannot be run, scored or reported."""
