"""Three-way comparison of a standing resource: last applied, desired, observed.

Only declared fields are compared: a field that neither the manifest nor the last apply names
is the provider's own business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from loopwright.planning.change import Drift, DriftClass
from loopwright.providers.base import Capabilities, FieldChange
from loopwright.resources.address import Address
from loopwright.state.records import AcceptedDrift

_ABSENT: Any = type("Absent", (), {"__repr__": lambda _: "absent"})()


@dataclass(frozen=True, slots=True)
class FieldRules:
    """What the kind and the provider say about fields; dotted paths cover what is below them."""

    policy: frozenset[str]
    write_only: frozenset[str]
    immutable: frozenset[str]
    updatable: frozenset[str] | None
    ignored: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        *,
        policy: frozenset[str],
        write_only: frozenset[str],
        immutable: frozenset[str],
        capabilities: Capabilities,
        ignored: tuple[str, ...],
    ) -> FieldRules:
        return cls(
            policy=policy,
            write_only=write_only | capabilities.write_only,
            immutable=immutable,
            updatable=capabilities.updatable,
            ignored=frozenset(path.removeprefix("spec.") for path in ignored),
        )

    def forces_replace(self, path: str) -> bool:
        if covers(self.immutable, path):
            return True
        return self.updatable is not None and not covers(self.updatable, path)


def covers(paths: frozenset[str], path: str) -> bool:
    """Whether a path, or one it lies below, is among `paths`."""
    while path:
        if path in paths:
            return True
        path = path.rpartition(".")[0]
    return False


def leaves(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every leaf; lists and empty objects are leaves."""
    for name, value in spec.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Every leaf that differs between two specs, sorted by path."""
    if before == after:
        return
    old, new = dict(leaves(before)), dict(leaves(after))
    for path in sorted(old.keys() | new.keys()):
        left, right = old.get(path), new.get(path)
        if left != right and not _is_empty_pair(left, right):
            yield FieldChange(path, left, right)


def _is_empty_pair(left: Any, right: Any) -> bool:
    """An empty object or list and nothing at all say the same."""
    return left in (None, {}, []) and right in (None, {}, [])


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an update has to change, what changes in our record alone, and what drifted."""

    in_world: tuple[FieldChange, ...]
    recorded_only: tuple[FieldChange, ...]
    drift: tuple[Drift, ...]


def three_way(
    address: Address,
    *,
    prior: Mapping[str, Any],
    desired: Mapping[str, Any],
    observed: Mapping[str, Any] | None,
    rules: FieldRules,
    accepted: Mapping[str, AcceptedDrift],
) -> Comparison:
    """Compare over declared fields. Without an observation the world is as last applied."""
    if prior == desired and _shows_only(observed or {}, desired):
        return Comparison((), (), ())
    return _Comparer(address, rules, accepted).run(
        dict(leaves(prior)), dict(leaves(desired)), dict(leaves(observed or {}))
    )


def _shows_only(observed: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Whether the world tells nothing but what is desired; the common case, and a quick one."""
    return all(name in desired and desired[name] == value for name, value in observed.items())


def _switched(
    desired: AbstractSet[str], observed: AbstractSet[str], known: AbstractSet[str]
) -> frozenset[str]:
    """Objects that hold something nobody declared in the place of what is desired: a union of
    which another member was chosen. Of these the world tells everything."""
    missing = {_nearest(path, observed) for path in desired - observed}
    foreign = {_nearest(path, known) for path in observed - known}
    return frozenset(missing & foreign - {""})


def _nearest(path: str, others: AbstractSet[str]) -> str:
    """The closest object above a path that some of the others lie in, too; "" for the spec."""
    while path := path.rpartition(".")[0]:
        if any(other.startswith(f"{path}.") for other in others):
            return path
    return ""


class _Comparer:
    def __init__(
        self, address: Address, rules: FieldRules, accepted: Mapping[str, AcceptedDrift]
    ) -> None:
        self.address, self.rules, self.accepted = address, rules, accepted
        self.in_world: list[FieldChange] = []
        self.recorded: list[FieldChange] = []
        self.drift: list[Drift] = []

    def run(
        self, prior: dict[str, Any], desired: dict[str, Any], observed: dict[str, Any]
    ) -> Comparison:
        known = prior.keys() | desired.keys()
        switched = _switched(desired.keys(), observed.keys(), known)
        told = {path for path in observed if covers(switched, path)}
        for path in sorted(known | told):
            absent = None if covers(switched, path) else _ABSENT
            self._field(path, prior.get(path), desired.get(path), observed.get(path, absent))
        for path in sorted(observed.keys() - known - told):
            if observed[path] not in (None, {}, []):
                self._note(path, DriftClass.DEFAULT, None, observed[path])
        return Comparison(tuple(self.in_world), tuple(self.recorded), tuple(self.drift))

    def _field(self, path: str, prior: Any, desired: Any, observed: Any) -> None:
        edited = prior != desired and not _is_empty_pair(prior, desired)
        if covers(self.rules.policy, path):
            if edited:
                self.recorded.append(FieldChange(path, prior, desired))
            return
        known = observed is not _ABSENT and not covers(self.rules.write_only, path)
        current = observed if known else prior
        if current == desired or _is_empty_pair(current, desired):
            if edited:
                self.recorded.append(FieldChange(path, prior, desired))
            return
        if known and current != prior and not self._heals(path, prior, current):
            return
        if edited or current != prior:
            forces = self.rules.forces_replace(path)
            self.in_world.append(FieldChange(path, current, desired, forces_replace=forces))

    def _heals(self, path: str, prior: Any, current: Any) -> bool:
        """Note a change made outside; False when it is to be left as it is."""
        accepted = self.accepted.get(path)
        if accepted is not None and accepted.value == current:
            self._note(path, DriftClass.ACCEPTED, prior, current, f"until {accepted.until}")
            return False
        if covers(self.rules.ignored, path):
            self._note(path, DriftClass.IGNORED, prior, current)
            return False
        self._note(path, DriftClass.OUTSIDE, prior, current)
        return True

    def _note(
        self, path: str, drift_class: DriftClass, before: Any, after: Any, note: str = ""
    ) -> None:
        self.drift.append(Drift(self.address, drift_class, path, before, after, note))
