"""Makes calls slow, refused, lost before or lost after their effect, as the settings say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count

from loopwright.clock import Clock
from loopwright.errors import AmbiguousError, PermanentError, ProviderError, TransientError
from loopwright.hashing import sha256_hex
from loopwright.providers.base import Target
from loopwright.providers.memory.connection import FailJobRule, FailRule, FaultSettings
from loopwright.providers.memory.world import World


class Faults:
    """Decides what goes wrong. Counts of used-up rules live in the world and survive kills."""

    def __init__(
        self, settings: FaultSettings, *, world: World, clock: Clock, provider: str
    ) -> None:
        self._settings = settings
        self._world = world
        self._clock = clock
        self._provider = provider
        self._ordinals = count(len(world.writes))

    @contextmanager
    def around(self, action: str, *targets: Target) -> Iterator[None]:
        """Run one call. Raises TransientError, AmbiguousError or PermanentError for it."""
        if self._settings.latency_seconds:
            self._clock.sleep(self._settings.latency_seconds)
        if self._settings.transient_rate or self._settings.permanent_rate:
            self._draw(action, targets)
        rule = self._rule(action, targets) if self._settings.fail else None
        if rule and rule.how != "timeoutAfter":
            raise self._error(rule.how, action, targets)
        yield
        if rule:
            raise self._error(rule.how, action, targets)

    def doom(self, target: Target) -> FailJobRule | None:
        """The rule by which a job that starts now will fail. Uses the rule up."""
        for index, rule in enumerate(self._settings.fail_jobs):
            if _concerns(rule, target) and self._use_up(f"job {index}", rule):
                return rule
        return None

    def _rule(self, action: str, targets: tuple[Target, ...]) -> FailRule | None:
        for index, rule in enumerate(self._settings.fail):
            if (
                rule.action == action
                and any(_concerns(rule, target) for target in targets)
                and self._use_up(f"call {index}", rule)
            ):
                return rule
        return None

    def _use_up(self, place: str, rule: FailRule | FailJobRule) -> bool:
        name = f"{place} {rule.model_dump_json()}"
        with self._world.changing() as contents:
            if contents.fired.get(name, 0) >= rule.times:
                return False
            self._world.fire(name)
            return True

    def _draw(self, action: str, targets: tuple[Target, ...]) -> None:
        drawn = int(sha256_hex(b"%d %d" % (self._settings.seed, next(self._ordinals)))[:12], 16)
        share = drawn / float(1 << 48)
        if share < self._settings.permanent_rate:
            raise self._error("permanent", action, targets)
        if share < self._settings.permanent_rate + self._settings.transient_rate:
            raise self._error("transient", action, targets)

    def _error(self, how: str, action: str, targets: tuple[Target, ...]) -> ProviderError:
        address = str(targets[0].address) if len(targets) == 1 else ""
        error, why = _ERRORS[how]
        return error(
            f"cannot {action} {address or f'{len(targets)} objects'}: {why}",
            provider=self._provider,
            address=address,
            action=action,
        )


_ERRORS: Mapping[str, tuple[type[ProviderError], str]] = {
    "transient": (TransientError, "the world is busy"),
    "permanent": (PermanentError, "the world refuses it"),
    "timeoutBefore": (AmbiguousError, "no answer came"),
    "timeoutAfter": (AmbiguousError, "no answer came"),
}


def _concerns(rule: FailRule | FailJobRule, target: Target) -> bool:
    return rule.kind == target.address.kind and rule.name in (None, target.address.name)
