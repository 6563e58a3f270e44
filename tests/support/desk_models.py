"""Models of a support desk that go by rules: a teacher, an assistant in two versions, a judge.

One server has them all, by the name that a request asks for; what they say depends on nothing else
than the request, so that examples which need a large model can be tested without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from support.chat_servers import ChatServer, chat_server
from support.upstreams import last_words

TEACHER, OLD, NEW, JUDGE = "teacher-large", "desk-2025", "desk-2026", "judge-large"
_DESKS: Mapping[str, tuple[str, ...]] = {
    "shipping": ("parcel", "courier", "delivery", "tracking"),
    "billing": ("invoice", "refund", "charged", "card"),
    "account": ("password", "login", "account"),
    "repair": ("broken", "battery", "burnt", "noise"),
}
_ASSISTANTS: Mapping[str, Mapping[str, str]] = {
    OLD: {
        "refund": "Refunds take five days.",
        "password": "Use the link on the sign-in page.",
        "parcel": "Ask the courier.",
        "battery": "Sorry to hear that! Please send it back, the repair is free for two years.",
    },
    NEW: {
        "refund": "Sorry for the wait! A refund takes five days after the parcel is back.",
        "password": "Please use the link on the sign-in page; it sends you a new password.",
        "parcel": "Sorry about that! Please send us the order number, and we ask the courier.",
        "battery": "Send it back.",
    },
}
"""What they answer, by a word of the question; short and sweet otherwise."""
_KIND = re.compile(r"please|sorry|gladly|谢谢|请", re.IGNORECASE)
_JSON_TEXT = r'("(?:[^"\\]|\\.)*")'


def answer(request: Mapping[str, Any]) -> str:
    """What the model that is asked for says. Raises KeyError for one that is not here."""
    model, said = request["model"], last_words(dict(request))
    if model == TEACHER:
        return json.dumps({"desk": _desk(said)})
    if model == JUDGE:
        return json.dumps(_verdict(said))
    if "open" in said:
        return "9 to 17" if model == NEW else "9 to 18"
    texts = _ASSISTANTS[model]
    return next((text for word, text in texts.items() if word in said.lower()), "Gladly.")


def _desk(said: str) -> str:
    words = said.lower()
    return next((desk for desk, known in _DESKS.items() if any(w in words for w in known)), "none")


def _verdict(said: str) -> dict[str, Any]:
    """Kind words are what this judge counts, up to two; of a pair it takes the kinder answer."""
    first, second = _shown("The first answer", said), _shown("The second answer", said)
    if first is None or second is None:
        kindness = _kindness(_shown("The answer", said) or "")
        return {"reason": f"{kindness} kind words", "score": 1 + 2 * kindness}
    ours, theirs = _kindness(first), _kindness(second)
    winner = "tie" if ours == theirs else "first" if ours > theirs else "second"
    return {"reason": f"{ours} against {theirs} kind words", "winner": winner}


def _kindness(text: str) -> int:
    return min(2, len(_KIND.findall(text)))


def _shown(what: str, said: str) -> str | None:
    """The text that the judge is shown under these words."""
    found = re.search(f"^{what}: {_JSON_TEXT}", said, re.MULTILINE)
    return str(json.loads(found[1])) if found else None


@contextmanager
def desk_models() -> Iterator[ChatServer]:
    """A server with all of them, until the block ends."""
    with chat_server(answer) as server:
        yield server


@contextmanager
def served_to_examples() -> Iterator[ChatServer]:
    """The same, with the variables set by which the examples find them."""
    with desk_models() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPSTREAM_URL", server.url)
        patch.setenv("UPSTREAM_MODEL", TEACHER)
        patch.setenv("OLD_MODEL", OLD)
        patch.setenv("NEW_MODEL", NEW)
        patch.setenv("JUDGE_MODEL", JUDGE)
        yield server
