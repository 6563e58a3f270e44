"""Which lines are held out for validation: never one of a group, nor one of two nearly equal ones.

A group is what `split.by` says: calls of a session, of a subject, or each call for itself. Groups
whose prompts are nearly the same stay together, so that no question that is trained on is asked
again in validation. A group alone goes by its own name, on every machine; joined ones go where
their earliest call's group goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from loopwright.lake.datasets.near_duplicates import near_pairs
from loopwright.lake.datasets.recipe import Split
from loopwright.lake.datasets.sampling import in_validation
from loopwright.lake.datasets.version import TRAIN, VALIDATION


class Group(NamedTuple):
    """What must not be torn apart: `by` says what kind of name it is."""

    by: str
    name: str


class Moment(NamedTuple):
    """When a call came, and its id: the order of calls."""

    ts: datetime
    call_id: str


@dataclass
class Parting:
    """Takes the kept calls one by one, and then says where each goes."""

    split: Split
    salt: str
    _groups: list[Group] = field(default_factory=list)
    _first: dict[Group, Moment] = field(default_factory=dict)
    _sketches: dict[bytes, Group] = field(default_factory=dict)
    _joined: dict[Group, Group] = field(default_factory=dict)

    def add(self, group: Group, moment: Moment, sketch: bytes | None) -> None:
        """The next kept call; `sketch` of its prompt."""
        self._groups.append(group)
        self._first[group] = min(moment, self._first.get(group, moment))
        if sketch is not None and self._sketches.setdefault(sketch, group) != group:
            self._join(group, self._sketches[sketch])

    def splits(self) -> list[str]:
        """The split of every call, in the order they were added."""
        sketches = list(self._sketches)
        for one, other in near_pairs(sketches):
            self._join(self._sketches[sketches[one]], self._sketches[sketches[other]])
        earliest: dict[Group, Group] = {}
        for group in sorted(self._first, key=self._first.__getitem__):
            earliest.setdefault(self._root(group), group)
        sides = {group: self._side(earliest[self._root(group)]) for group in self._first}
        return [sides[group] for group in self._groups]

    def _side(self, group: Group) -> str:
        held_out = in_validation(
            self.split.validation, salt=self.salt, by=group.by, group=group.name
        )
        return VALIDATION if held_out else TRAIN

    def _join(self, one: Group, other: Group) -> None:
        one, other = self._root(one), self._root(other)
        if one != other:
            self._joined[other] = one

    def _root(self, group: Group) -> Group:
        while group in self._joined:
            above = self._joined[group]
            if above in self._joined:  # shorten the way for the next time
                self._joined[group] = self._joined[above]
            group = above
        return group
