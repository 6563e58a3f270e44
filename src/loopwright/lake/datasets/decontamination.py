"""Does a call give a question of an evaluation away? The rule, and the search for it.

Texts are compared without case, spaces and punctuation. Two of them share too much when they
are equal, when one of at least 40 letters lies whole in the other, when a run of 60 letters (about
13 words, as Brown et al. 2020 have it) is in both, or when they are nearly the same by their
sketches. The rule is symmetric: a question in a call and a call in a question are both found.
What many questions of a set have in common is the set's own wording and gives nothing away.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from loopwright.lake.datasets.near_duplicates import are_near, bands, folded, runs_of, sketch_of
from loopwright.lake.datasets.passages import other_words_of, questions_of
from loopwright.lake.datasets.reasons import DropReason
from loopwright.lake.datasets.rendering import Exchange, Unsayable

SHARED_RUN = 60
CONTAINED = 40

_BLOCK = CONTAINED // 2  # a run of 2n - 1 letters holds a whole block of n
_COMMON = 10  # questions that a set's own wording is in
_FEW = 200  # questions up to which wording is looked for letter by letter
_WIDE = re.compile("([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")
_NO_LETTER = re.compile(r"[\W_]+")


class Leak(StrEnum):
    """How a call gives a question away."""

    EQUAL = "equal"
    CONTAINED = "contained"
    SHARED_RUN = "shared_run"
    NEAR = "near"


class Finding(NamedTuple):
    """The set whose question is given away, and how."""

    held_out: str
    leak: Leak


class Contaminated(Unsayable):
    """This call would give a question of an evaluation away."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(DropReason.CONTAMINATED)
        self.finding = finding


def letters(text: str) -> str:
    """Letters and digits alone. A sign that is a word by itself counts as three of them."""
    return _WIDE.sub(r"\1\1\1", _NO_LETTER.sub("", folded(text)))


class Screen:
    """Holds calls against the questions of every set; `questions` by the name of the set."""

    def __init__(
        self, questions: Mapping[str, Iterable[str]], *, wording: Collection[int] = frozenset()
    ) -> None:
        self._wording = wording
        self._sets = [_Set.of(name, texts, wording) for name, texts in sorted(questions.items())]

    def finding(self, exchange: Exchange) -> Finding | None:
        """The first set, by name, that the call gives something of away. None for a clean call."""
        if not self._sets:
            return None
        passages = [_Passage.of(text, self._wording) for text in questions_of(exchange)]
        for text in other_words_of(exchange):
            other = _Passage.of(text, self._wording)
            if len(other.letters) >= CONTAINED:  # a short answer is many a question's
                passages.append(other)
        for held_out in self._sets:
            for passage in passages:
                leak = held_out.leak(passage)
                if leak:
                    return Finding(held_out.name, leak)
        return None


class _Passage(NamedTuple):
    letters: str
    sketch: bytes | None

    @classmethod
    def of(cls, text: str, wording: Collection[int]) -> _Passage:
        return cls(letters(text), sketch_of(runs_of(text), wording=wording))


class _Place(NamedTuple):
    """Where a block stands: in which question, from which letter on."""

    question: int
    start: int


class _Set:
    """The questions of one set, indexed by blocks of letters and by bands of sketches."""

    def __init__(self, name: str, passages: Sequence[_Passage]) -> None:
        self.name = name
        self._texts = [passage.letters for passage in passages]
        self._whole = frozenset(self._texts)
        self._blocks = _index(self._texts)
        self._wording = _taken_out(self._blocks, _wording(self._texts, self._blocks))
        self._bands: dict[tuple[int, bytes], list[bytes]] = {}
        for sketch in sorted({passage.sketch for passage in passages if passage.sketch}):
            for band in bands(sketch):
                self._bands.setdefault(band, []).append(sketch)

    @classmethod
    def of(cls, name: str, texts: Iterable[str], wording: Collection[int]) -> _Set:
        passages = {passage.letters: passage for text in texts
                    if (passage := _Passage.of(text, wording)).letters}  # fmt: skip
        return cls(name, [passage for _, passage in sorted(passages.items())])

    def leak(self, passage: _Passage) -> Leak | None:
        if passage.letters in self._whole:
            return Leak.EQUAL
        found = {self._shared(passage.letters, *hit) for hit in self._hits(passage.letters)}
        for leak in (Leak.CONTAINED, Leak.SHARED_RUN):
            if leak in found:
                return leak
        return Leak.NEAR if self._is_near(passage.sketch) else None

    def _hits(self, text: str) -> Iterator[tuple[int, _Place]]:
        """Where a block of a question stands in the text."""
        blocks = self._blocks
        for start in range(len(text) - _BLOCK + 1):
            for place in blocks.get(text[start : start + _BLOCK], ()):
                yield start, place

    def _shared(self, text: str, start: int, place: _Place) -> Leak | None:
        """What the run around a common block amounts to."""
        question = self._texts[place.question]
        back = _alike(reversed(text[:start]), reversed(question[: place.start]))
        on = _alike(text[start:], question[place.start :])
        own = self._own_letters(place.question, place.start - back, place.start + on)
        if own >= CONTAINED and min(len(text), len(question)) <= back + on:
            return Leak.CONTAINED
        return Leak.SHARED_RUN if own >= SHARED_RUN else None

    def _own_letters(self, question: int, start: int, end: int) -> int:
        """Letters of a stretch of a question that are not the wording of all."""
        own, at = 0, start
        for block in sorted(self._wording.get(question, ())):
            if at < block + _BLOCK and block < end:
                own += max(0, block - at)
                at = block + _BLOCK
        return own + max(0, end - at)

    def _is_near(self, sketch: bytes | None) -> bool:
        if sketch is None:
            return False
        candidates = {held for band in bands(sketch) for held in self._bands.get(band, ())}
        return any(are_near(sketch, held) for held in candidates)


def _alike(a: Iterable[str], b: Iterable[str]) -> int:
    """How many letters two texts have in common from their beginnings on."""
    length = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        length += 1
    return length


def _index(texts: Sequence[str]) -> dict[str, list[_Place]]:
    """Where the blocks of every text stand: one after the other, and one at the very end."""
    found: dict[str, list[_Place]] = {}
    for question, text in enumerate(texts):
        last = len(text) - _BLOCK
        for start in sorted({*range(0, last + 1, _BLOCK), last}) if last >= 0 else ():
            found.setdefault(text[start : start + _BLOCK], []).append(_Place(question, start))
    return found


def _taken_out(index: dict[str, list[_Place]], blocks: Iterable[str]) -> dict[int, list[int]]:
    """Take blocks out of an index; where they stood, by question."""
    found: dict[int, list[int]] = {}
    for block in blocks:
        for place in index.pop(block):
            found.setdefault(place.question, []).append(place.start)
    return found


def _wording(texts: Sequence[str], blocks: Mapping[str, Sequence[_Place]]) -> list[str]:
    """Blocks that many of the texts hold. In few texts all places count; in many, those alone
    where blocks begin, since every such place is then taken by enough of them."""
    held_by = Counter({block: len({at.question for at in held}) for block, held in blocks.items()})
    if len(texts) <= _FEW:
        held_by = Counter({block: sum(block in text for text in texts) for block in blocks})
    many = min(_COMMON, max(3, len(texts) // 2))
    return [block for block, count in held_by.items() if count >= many]
