"""What became of the calls of one endpoint at one gateway, as sets of sequence numbers.

The same words are used for one segment, one ledger line, and a gateway's whole life. No I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from loopwright.lake.capture.ranges import NONE, Ranges, runs_of


@dataclass(slots=True)
class Account:
    """Numbers by what became of them; reasons are the words of `records`.

    A call may be told twice: delivered counts before excluded, and excluded before lost.
    """

    accepted: Ranges = NONE
    delivered: Ranges = NONE
    excluded: dict[str, Ranges] = field(default_factory=dict)
    lost: dict[str, Ranges] = field(default_factory=dict)
    removed: dict[str, Ranges] = field(default_factory=dict)
    """Delivered, and gone from the lake since: erased, or past their time."""
    up_to: int = 0
    """So many were accepted, wherever their markers are."""

    @property
    def all(self) -> Ranges:
        """Every number that was ever given."""
        known = self.accepted | self.settled
        return known | Ranges(((1, self.up_to),)) if self.up_to else known

    @property
    def settled(self) -> Ranges:
        """Those of which it is known what became of them."""
        return self.delivered | joined(self.excluded) | joined(self.lost)

    def add(self, other: Account) -> None:
        """Take over what another account tells of the same endpoint."""
        self.accepted |= other.accepted
        self.delivered |= other.delivered
        self.up_to = max(self.up_to, other.up_to)
        for mine, more in (
            (self.excluded, other.excluded),
            (self.lost, other.lost),
            (self.removed, other.removed),
        ):
            for reason, numbers in more.items():
                mine[reason] = mine.get(reason, NONE) | numbers

    def to_json(self) -> dict[str, Any]:
        """What is there, as lists of runs."""
        told: dict[str, Any] = {"up_to": self.up_to} if self.up_to else {}
        for name in ("accepted", "delivered"):
            if numbers := getattr(self, name):
                told[name] = numbers.to_json()
        for name in ("excluded", "lost", "removed"):
            reasons = {str(why): one.to_json() for why, one in getattr(self, name).items() if one}
            if reasons:
                told[name] = reasons
        return told


Accounts = dict[str, Account]
"""By endpoint."""


def from_json(told: Mapping[str, Mapping[str, Any]]) -> Accounts:
    """Undo `Account.to_json`, by endpoint."""
    total = Sum()
    total.add(told)
    return total.accounts()


def add_all(mine: Accounts, more: Mapping[str, Account]) -> None:
    """Take over what others tell, endpoint by endpoint."""
    for endpoint, account in more.items():
        mine.setdefault(endpoint, Account()).add(account)


def joined(by_reason: Mapping[str, Ranges]) -> Ranges:
    return reduce(Ranges.__or__, by_reason.values(), NONE)


class Sum:
    """What many parts tell of the endpoints, added up once, however many they are."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
        self._up_to: dict[str, int] = {}

    def add(self, told: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over `Account.to_json` by endpoint."""
        for endpoint, account in told.items():
            for name in ("accepted", "delivered"):
                self._runs[endpoint, name, ""].extend(runs_of(account.get(name, ())))
            for name in ("excluded", "lost", "removed"):
                for why, numbers in account.get(name, {}).items():
                    self._runs[endpoint, name, why].extend(runs_of(numbers))
            self._up_to[endpoint] = max(self._up_to.get(endpoint, 0), account.get("up_to", 0))

    def accounts(self) -> Accounts:
        found = {endpoint: Account(up_to=number) for endpoint, number in self._up_to.items()}
        for (endpoint, name, why), runs in self._runs.items():
            if why:
                getattr(found[endpoint], name)[why] = Ranges.joined(runs)
            else:
                setattr(found[endpoint], name, Ranges.joined(runs))
        return found
