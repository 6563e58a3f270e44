"""How fast runs of one kind went on this machine, so that the next plan says how long one takes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from loopwright.disk import Disk
from loopwright.errors import LakeError
from loopwright.providers.base import Range

_KEPT = 10
_SPREAD = 1.5


@dataclass(frozen=True, slots=True)
class Throughput:
    """Rates by what decides them, e.g. `train/<base digest>/lora/cpu`; the newest ten of each."""

    path: Path

    def note(self, key: str, rate: float) -> None:
        """Remember a rate, units a second. Best effort: it is for estimates alone."""
        if rate <= 0:
            return
        with suppress(LakeError):
            Disk().make_folders(self.path.parent)
            with Disk().lock(self.path.with_name(f"{self.path.name}.lock")):
                known = self._load()
                rates = [*known.get(key, []), round(rate, 3)][-_KEPT:]
                Disk().write_atomic(self.path, orjson.dumps({**known, key: rates}))

    def seconds(self, key: str, units: Range) -> Range | None:
        """How long so many units take here; None while nothing is known.

        Between the fastest and the slowest run there was, and half as much again either way:
        a machine is not always as busy.
        """
        rates, middle = sorted(self._load().get(key, [])), self.typical(key)
        if middle is None:
            return None
        fastest, slowest = rates[-1] * _SPREAD, rates[0] / _SPREAD
        return Range(units.likely / middle, units.low / fastest, units.high / slowest)

    def typical(self, key: str) -> float | None:
        """The middle one of the rates; None while there is none."""
        rates = sorted(self._load().get(key, []))
        return rates[len(rates) // 2] if rates else None

    def _load(self) -> dict[str, list[float]]:
        try:
            found = orjson.loads(self.path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return dict(found) if isinstance(found, dict) else {}
