"""Support tickets and the labels that their text decides.

queue: by the issue. site: the service centre of the place named, `online` when none is.
priority: an alarm is urgent and a wish is low; otherwise the tone says, and no tone is normal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import phrases_en
import phrases_zh
from dice import Dice

PHRASES: dict[str, ModuleType] = {"en": phrases_en, "zh": phrases_zh}
QUEUES = {"hardware": 22, "shipping": 20, "app": 18, "billing": 15, "returns": 14, "account": 11}
TONES = {"normal": 58, "urgent": 22, "low": 20}
KINDS = {"issue": 90, "alarm": 6, "wish": 4}
LAYOUTS = (
    ("opener", "issue", "place", "order", "detail", "tone", "contact", "closing"),
    ("opener", "issue", "order", "place", "tone", "detail", "contact", "closing"),
    ("opener", "place", "issue", "detail", "order", "tone", "contact", "closing"),
    ("opener", "place", "tone", "issue", "order", "detail", "closing"),
    ("opener", "detail", "issue", "tone", "place", "closing"),
    ("order", "issue", "place", "tone", "closing"),
    ("tone", "issue", "detail", "place", "order", "contact"),
)
SHARES = {"opener": 0.4, "order": 0.33, "detail": 0.3, "contact": 0.03, "closing": 0.3}
_QUESTION = re.compile(r"(^|, |[a-z] )(can|how|when|where|is|do) (I|you|my|the|it|will|do) ")
_QUESTION_ZH = re.compile("吗$|怎么|什么时候|有没有|能不能")
SLIPS_ZH = (("账号", "帐号"), ("登录", "登陆"), ("的", "得"), ("再", "在"), ("App", "app"))


@dataclass(frozen=True)
class Ticket:
    text: str
    queue: str
    priority: str
    site: str

    @property
    def answer(self) -> str:
        """The labels as the teacher writes them: compact JSON."""
        labels = {"queue": self.queue, "priority": self.priority, "site": self.site}
        return json.dumps(labels, separators=(",", ":"))


def write_ticket(dice: Dice, language: str, wording: Mapping[str, ModuleType] = PHRASES) -> Ticket:
    phrases = wording[language]
    queue, kind = dice.weighted(QUEUES), dice.weighted(KINDS)
    tone, site = dice.weighted(TONES), dice.weighted(phrases.SITE_WEIGHTS)
    issues, priority = phrases.ISSUES[queue], tone
    if kind == "alarm" and queue in phrases.ALARMS:
        issues, priority = phrases.ALARMS[queue], "urgent"
    if kind == "wish" and queue in phrases.WISHES:
        issues, priority = phrases.WISHES[queue], "low"
        tone = "normal" if tone == "urgent" else tone  # nobody wishes for a widget in a panic
    parts = _parts(dice, phrases, issue=dice.pick(issues), tone=tone, site=site)
    parts["issue"] = _sentence(parts["issue"], chinese=language == "zh")
    order = [part for part in dice.pick(LAYOUTS) if part in parts]
    text = _style(dice, language, [parts[part] for part in order])
    return Ticket(text, queue, priority, site)


def _parts(dice: Dice, phrases: ModuleType, *, issue: str, tone: str, site: str) -> dict[str, str]:
    """The parts of one ticket by name; those that carry no label come and go."""
    slots = dict(phrases.SLOTS)
    chosen = {"issue": issue}
    if tone != "normal":
        chosen["tone"] = dice.pick(phrases.TONES[tone])
    if site != "online":
        slots["place"] = phrases.PLACES[site]
        if dice.chance(0.4):
            chosen["issue"] = dice.pick(phrases.PLACE_FRAMES).replace("{issue}", issue)
        else:
            chosen["place"] = dice.pick(phrases.PLACE_SENTENCES)
    pools = {
        "opener": phrases.OPENERS,
        "order": phrases.ORDERS,
        "detail": phrases.DETAILS,
        "contact": phrases.CONTACTS,
        "closing": phrases.CLOSINGS,
    }
    for name, share in SHARES.items():
        if dice.chance(share):
            chosen[name] = dice.pick(pools[name])
    bound: dict[str, str] = {}
    return {name: dice.expand(text, slots, bound) for name, text in chosen.items()}


def _sentence(clause: str, *, chinese: bool) -> str:
    if chinese:
        return clause + ("？" if _QUESTION_ZH.search(clause) else "。")
    asks = _QUESTION.search(clause) is not None
    return clause[0].upper() + clause[1:] + ("?" if asks else ".")


def _style(dice: Dice, language: str, parts: list[str]) -> str:
    """Joins the parts the way people type: mostly tidy, some in a hurry, now and then a slip."""
    if language == "zh":
        text = "".join(parts)
        if dice.chance(0.15):
            text = text.replace("。", "，").rstrip("，")
        return text.replace(*dice.pick(SLIPS_ZH), 1) if dice.chance(0.08) else text
    manner = dice.weighted({"tidy": 74, "lower": 14, "lines": 7, "bare": 5})
    text = ("\n" if manner == "lines" else " ").join(_after_greeting(parts))
    if manner in {"lower", "bare"}:
        text = text.lower()
    if manner == "bare":
        text = text.replace(".", "").replace(",", "")
    return _slip(dice, text) if dice.chance(0.1) else text


def _after_greeting(parts: list[str]) -> list[str]:
    """`Hello, my lock ...`: what follows a greeting goes on in lower case."""
    if len(parts) > 1 and parts[0].endswith(","):
        first = parts[1].split(" ", 1)[0]
        if first not in {"I", "URGENT!", "URGENT!!", "ASAP"}:
            parts = [parts[0], parts[1][0].lower() + parts[1][1:], *parts[2:]]
    return parts


def _slip(dice: Dice, text: str) -> str:
    """One typing slip in a longer word: two letters swapped, one lost or one doubled."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 5 and word.isalpha()]
    if not long:
        return text
    place = dice.pick(long)
    word = words[place]
    at = 1 + dice.below(len(word) - 3)
    middle = dice.pick((word[at + 1] + word[at], word[at], word[at] * 2 + word[at + 1]))
    words[place] = word[:at] + middle + word[at + 2 :]
    return " ".join(words)
