"""Master keys of lakes that lose a subject: ours are renewed, so that older copies close.

A key of the user's own cannot be changed from here: what is left to do is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.cli.recorded_data import RecordedLake


@runtime_checkable
class RenewsKeys(Protocol):
    """What a provider offers that makes master keys by itself."""

    def may_renew_key(self, key: Mapping[str, str]) -> bool: ...
    def renew_key(self, key: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class KeyFate:
    """What becomes of one master key."""

    reference: Mapping[str, str]
    lakes: tuple[str, ...]
    """Names of the lakes and inference datasets under it that lose calls."""
    renewed: bool

    @property
    def where(self) -> str:
        kind, value = next(iter(self.reference.items()))
        return f"{kind} {value}"

    @property
    def names(self) -> str:
        return ", ".join(self.lakes)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {"key": dict(self.reference), "lakes": list(self.lakes), "renewed": self.renewed}


def key_fates(places: Iterable[RecordedLake]) -> Iterator[KeyFate]:
    """Each master key of these lakes once."""
    for held in _by_key(places):
        reference, keeper = held[0].outputs["masterKey"], held[0].keeper
        ours = isinstance(keeper, RenewsKeys) and keeper.may_renew_key(reference)
        yield KeyFate(reference, tuple(place.name for place in held), ours)


def renew_keys(places: Iterable[RecordedLake]) -> None:
    """Renew those that were made here. Raises LoopwrightError; calling it again goes on."""
    for place, *_ in _by_key(places):
        reference, keeper = place.outputs["masterKey"], place.keeper
        if isinstance(keeper, RenewsKeys) and keeper.may_renew_key(reference):
            try:
                keeper.renew_key(reference)
            except LoopwrightError as error:
                error.hint = error.hint or "`loopwright erase --resume` goes on"
                raise


def closing_words(fates: Iterable[KeyFate]) -> Iterator[str]:
    """What is left to people once all is erased."""
    for one in fates:
        if one.renewed:
            yield (
                f"The master key in {one.where} was renewed: back it up again. A backup of the old "
                "key together with an old copy of the lake still opens: destroy one of them."
            )
        else:
            yield (
                f"Copies of {one.names} from before still open with the master key in "
                f"{one.where}, which is yours: run `loopwright lake rotate NAME --new-key "
                "env:NAME|file:PATH`, and destroy the old key."
            )


def _by_key(places: Iterable[RecordedLake]) -> Iterator[list[RecordedLake]]:
    found: dict[tuple[int, str], list[RecordedLake]] = {}
    for place in places:
        if "masterKey" in place.outputs:
            key = (id(place.keeper), repr(sorted(place.outputs["masterKey"].items())))
            found.setdefault(key, []).append(place)
    yield from found.values()
