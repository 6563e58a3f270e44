"""f1 and rougeL: how far the words of an answer are those of the expected one.

Chinese, Japanese and Korean text is cut as sacrebleu does it, one sign a word; other text at
white space and punctuation, as SQuAD's F1 and Google's ROUGE do.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from loopwright.evaluation.questions import Item
from loopwright.evaluation.scoring.base import FULL, Given, Scored, Scorer, accepted, as_text, best

_ASIAN = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_KANA_OR_HANGUL = re.compile("([\u3040-\u30ff\uac00-\ud7af])")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def token_f1(settings: Mapping[str, Any]) -> Scorer:
    """Harmonic mean of the shares of words that are right and that are found, as SQuAD's."""
    del settings
    return _f1


def rouge_l(settings: Mapping[str, Any]) -> Scorer:
    """F-measure of the longest common subsequence of words, as `rouge-score` gives it."""
    del settings
    return _rouge


def _f1(given: Given, item: Item) -> Scored:
    told = squad_words(given.text)
    return best(_overlap(told, squad_words(as_text(one))) for one in accepted(item.expected))


def _overlap(told: list[str], wanted: list[str]) -> Scored:
    if not told or not wanted:
        return Scored(FULL if told == wanted else 0.0, "" if told == wanted else "has no words")
    common = sum((Counter(told) & Counter(wanted)).values())
    points = FULL * 2 * common / (len(told) + len(wanted))
    return Scored(points, f"{common} of {len(wanted)} words, {len(told)} said")


def _rouge(given: Given, item: Item) -> Scored:
    return best(_longest(given.text, as_text(one)) for one in accepted(item.expected))


def _longest(told: str, wanted: str) -> Scored:
    asian = is_asian(told) or is_asian(wanted)
    found = _scorer(asian).score(wanted, told)["rougeL"]
    reason = f"precision {found.precision:.2f}, recall {found.recall:.2f}"
    return Scored(FULL * found.fmeasure, reason)


@cache
def _scorer(asian: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_AsianWords() if asian else None)


class _AsianWords:
    """A tokenizer as `rouge-score` takes one."""

    def tokenize(self, text: str) -> list[str]:
        return [word for word in words(text.lower()) if any(map(str.isalnum, word))]


def squad_words(text: str) -> list[str]:
    """Lower case, without punctuation and articles."""
    text = text.lower().translate(_PUNCTUATION)
    if is_asian(text):
        text = "".join(one for one in text if not unicodedata.category(one).startswith("P"))
    return words(_ARTICLES.sub(" ", text))


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    if not is_asian(text):
        return text.split()
    return str(_zh()(_KANA_OR_HANGUL.sub(r" \1 ", text))).split()


def is_asian(text: str) -> bool:
    """Whether a text holds signs that are words by themselves."""
    return _ASIAN.search(text) is not None


@cache
def _zh() -> Any:
    from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

    return TokenizerZh()  # type: ignore[no-untyped-call]  # they leave it untyped
