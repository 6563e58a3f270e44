"""Which texts are nearly the same: sketches of their words, and what is near by them.

A sketch is one-permutation MinHash (Li, Owen and Zhang 2012; empty bins filled as in Shrivastava
2017) over runs of three words, 64 bins of 8 bits each (b-bit minwise hashing, Li and Koenig 2010).
Texts are near when 57 of 64 bins agree: at about 0.9 of their runs in common. Near pairs are found
by banding (Broder 1997); with these numbers none is missed, so the result is a matter of the texts
alone. No seed, no clock, no order of files.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import pairwise
from zlib import crc32

SKETCH_BYTES = 64
NEAR_BYTES = 57

_RUN = 3
_BIN_SHIFT = 26  # 32 bits less the 6 that name a bin
_WIDE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: each is a word
_WORD = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")
_BANDS_A_PART = SKETCH_BYTES - NEAR_BYTES + 1


def folded(text: str) -> str:
    """The text without differences of case and of form (full width, ligatures)."""
    return unicodedata.normalize("NFKC", text).casefold()


def runs_of(text: str) -> set[int]:
    """Hashes of the runs of words in a text; of all its words together where they are fewer."""
    words = _WORD.findall(folded(text))
    if not words:
        return set()
    if len(words) < _RUN:
        return {_hash(" ".join(words))}
    return {_hash(f"{a} {b} {c}") for a, b, c in zip(words, words[1:], words[2:], strict=False)}


def sketch_of(runs: Collection[int], *, wording: Collection[int] = frozenset()) -> bytes | None:
    """64 bytes that tell a set of runs; None for an empty one, which is near to nothing.

    Runs in `wording`, which many texts share, are left out unless there are no others.
    """
    least: list[int | None] = [None] * SKETCH_BYTES
    for run in set(runs).difference(wording) or runs:
        place = run >> _BIN_SHIFT
        held = least[place]
        if held is None or run < held:
            least[place] = run
    return _filled(least) if runs else None


def are_near(a: bytes, b: bytes) -> bool:
    """Whether two sketches agree in enough bins. Joined sketches must agree in each part."""
    agreeing = (int.from_bytes(a) ^ int.from_bytes(b)).to_bytes(len(a))
    return all(
        agreeing.count(0, start, start + SKETCH_BYTES) >= NEAR_BYTES
        for start in range(0, len(a), SKETCH_BYTES)
    )


def bands(sketch: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbered parts of a sketch, one of which at least two near ones have in common."""
    return ((number, _band(sketch, number)) for number in range(_band_count(sketch)))


def near_pairs(sketches: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Places of near sketches, the earlier first, each pair once or more often.

    Of equal sketches only neighbours are paired: they are near to the same others.
    """
    places: dict[bytes, list[int]] = {}
    for place, sketch in enumerate(sketches):
        places.setdefault(sketch, []).append(place)
    for equal in places.values():
        yield from pairwise(equal)
    firsts = {sketch: equal[0] for sketch, equal in places.items()}
    for bucket in _buckets(list(firsts)):
        for number, sketch in enumerate(bucket):
            for other in bucket[:number]:
                if are_near(sketch, other):
                    yield firsts[other], firsts[sketch]


def _buckets(sketches: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Sketches that have a band in common; one band after the other, to hold few at a time."""
    for number in range(_band_count(sketches[0]) if sketches else 0):
        found: dict[bytes, list[bytes]] = {}
        for sketch in sketches:
            found.setdefault(_band(sketch, number), []).append(sketch)
        yield from (bucket for bucket in found.values() if len(bucket) > 1)


def _band_count(sketch: bytes) -> int:
    """One more than the bins in which near sketches may differ, rounded up to divide evenly."""
    return _BANDS_A_PART * (len(sketch) // SKETCH_BYTES)


def _band(sketch: bytes, number: int) -> bytes:
    """The same few bins of each part."""
    width = SKETCH_BYTES // _band_count(sketch)
    starts = range(number * width, len(sketch), SKETCH_BYTES)
    return b"".join(sketch[start : start + width] for start in starts)


def _hash(text: str) -> int:
    """32 bits, the same on every machine. The factor spreads what a CRC leaves close together."""
    return crc32(text.encode(errors="surrogatepass")) * 0x9E3779B1 & 0xFFFFFFFF


def _filled(least: Sequence[int | None]) -> bytes:
    """A byte of each bin's run; an empty one takes the first run there is, in its own order."""
    full = {place: run for place, run in enumerate(least) if run is not None}
    return bytes(
        _byte(
            full[place] if place in full else full[next(one for one in givers if one in full)],
            place,
        )
        for place, givers in enumerate(_givers())
    )


def _byte(run: int, place: int) -> int:
    """Eight bits of a run, others in each bin, so that few runs are told apart as well as many."""
    return ((run ^ place * 0x9E3779B1) * 0x85EBCA6B >> 24) & 0xFF


@cache
def _givers() -> tuple[tuple[int, ...], ...]:
    """For each bin the others, in an order that looks like chance and never changes."""
    bins = range(SKETCH_BYTES)
    return tuple(tuple(sorted(bins, key=lambda other: _hash(f"{one} {other}"))) for one in bins)
