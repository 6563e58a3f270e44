"""The corpus of `builtin:tiny-chat`: short made-up messages and simple questions about them.

A neighbouring task of routing tickets, not that task: other questions, other answers, other
wording; products and places are the same nouns. The same seed gives the same text everywhere.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from loopwright.models.builtin import phrases_en, phrases_zh

Chat = list[dict[str, str]]

_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{(\w+)\}")
WORDS = (
    "account, app, billing, hardware, returns, shipping, payment, delivery, support, sales, security",
    "queue, priority, site, label, intent, category, topic, language, sentiment, status, reason, team",
    "urgent, high, normal, medium, low, open, closed, pending, true, false, null, none, online, offline",
    "Route the ticket. Classify the message. Answer with JSON: queue, priority, site. Label the text.",
    "You are a helpful assistant. Answer briefly. Extract the fields. Translate. Summarise. Which intent?",
    "shanghai, shenzhen, chengdu, beijing, singapore, london, berlin, paris, tokyo, sydney, toronto",
    '{"queue":"billing","priority":"normal","site":"london"},{"intent":"card_arrival","label":"low"}',
    '{"queue":"shipping","priority":"urgent","site":"beijing"},{"name":"look_up","arguments":{}}',
    "工单, 客服, 分类, 标签, 优先级, 队列, 站点, 紧急, 普通, 低, 用户, 订单, 请回答, 用一个词, 意图",
)
"""Common words and signs of support desks: the tokenizer learns them, the model never sees them."""

_SAID = {"en": phrases_en, "zh": phrases_zh}
_ASKED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "en": {
        "topic": ("What is the message about?", "Name the topic.", "Topic of this message?"),
        "haste": ("How soon is an answer needed?", "When does the writer want an answer?"),
        "place": ("Which place is named?", "Where is the writer?"),
        "region": ("In which region is that?", "Which part of the world is it?"),
        "product": ("Which thing is named?", "What is the product?"),
        "repeat": ("Repeat the message.", "Say it again, word for word."),
    },
    "zh": {
        "topic": ("这条消息是关于什么的？", "说出主题。"),
        "haste": ("多久需要答复？", "写信人要多快？"),
        "place": ("提到了什么地方？", "写信人在哪里？"),
        "region": ("那是在哪个地区？", "是哪个地区？"),
        "product": ("提到了什么东西？", "是什么产品？"),
        "repeat": ("重复这条消息。", "原样再说一遍。"),
    },
}
_NOT_SAID = {"en": "not said", "zh": "没有说"}
_IN_JSON = {"en": "Answer with JSON: {fields}.", "zh": "用JSON回答：{fields}。"}


class Dice:
    """Choices from `random.Random.random()` alone, whose sequence Python promises to keep."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed).random

    def below(self, limit: int) -> int:
        return int(self._draw() * limit)

    def chance(self, share: float) -> bool:
        return self._draw() < share

    def pick(self, options: Sequence[str]) -> str:
        return options[self.below(len(options))]

    def expand(self, text: str, slots: Mapping[str, str], bound: dict[str, str]) -> str:
        """Fill a phrase: `(a|b)` picks one, `{slot}` its phrase, `#` a digit."""

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name not in bound:
                bound[name] = self.expand(slots[name], slots, bound)
            return bound[name]

        while match := _CHOICE.search(text):
            text = text[: match.start()] + self.pick(match[1].split("|")) + text[match.end() :]
        text = re.sub("#", lambda _: str(self.below(10)), text)
        return _SLOT.sub(fill, text)


@dataclass(frozen=True, slots=True)
class Message:
    """A made-up message, and what is true of it."""

    language: str
    text: str
    facts: Mapping[str, str]


def chats(count: int, *, seed: int) -> Iterator[Chat]:
    """Conversations of a question about a message and its answer; a few are small talk."""
    dice = Dice(seed)
    for _ in range(count):
        language = "en" if dice.chance(0.6) else "zh"
        if dice.chance(0.02):
            yield _talk(dice, _SAID[language])
        else:
            yield _asked(dice, _message(dice, language))


def _message(dice: Dice, language: str) -> Message:
    said = _SAID[language]
    topic = dice.pick(tuple(said.TOPICS))
    bound: dict[str, str] = {}
    slots = dict(said.SLOTS)
    facts = {"topic": topic, "haste": _NOT_SAID[language], "region": _NOT_SAID[language]}
    is_placed = dice.chance(0.75)
    if is_placed:
        facts["region"] = dice.pick(tuple(said.REGIONS))
        slots["place"] = said.REGIONS[facts["region"]]
    main = dice.expand(dice.pick(said.TOPICS[topic]), slots, bound)
    parts = []
    if is_placed and dice.chance(0.5):
        frame = dice.expand(dice.pick(said.PLACE_FRAMES), slots | {"said": main}, bound)
        parts.append(_sentence(frame, language))
    else:
        parts.append(_sentence(main, language))
        if is_placed:
            parts.append(dice.expand(dice.pick(said.PLACE_SAID), slots, bound))
    if dice.chance(0.55):
        facts["haste"] = dice.pick(tuple(said.HASTE))
        parts.append(dice.expand(dice.pick(said.HASTE[facts["haste"]]), slots, bound))
    if dice.chance(0.3):
        parts.append(dice.expand(dice.pick(said.ASIDES), slots, bound))
    parts = _shuffled(dice, parts)
    if dice.chance(0.35):
        parts.insert(0, dice.expand(dice.pick(said.OPENERS), slots, bound))
    if dice.chance(0.3):
        parts.append(dice.expand(dice.pick(said.CLOSINGS), slots, bound))
    facts["place"] = bound.get("place", _NOT_SAID[language])
    facts["product"] = bound.get("product", _NOT_SAID[language])
    if "place" not in bound:
        facts["region"] = _NOT_SAID[language]
    text = ("" if language == "zh" else " ").join(parts)
    return Message(language, _styled(dice, text, language), facts)


def _asked(dice: Dice, message: Message) -> Chat:
    """One question, or several facts at once as JSON."""
    asked = _ASKED[message.language]
    if dice.chance(0.6):
        names = _shuffled(dice, ["topic", "haste", "place", "region", "product"])
        names = names[: 2 + dice.below(3)]
        system = _IN_JSON[message.language].replace("{fields}", ", ".join(names))
        found = {name: message.facts[name] for name in names}
        answer = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    else:
        name = dice.pick(tuple(asked))
        system = dice.pick(asked[name])
        answer = message.text if name == "repeat" else message.facts[name]
    return _chat(system, message.text, answer)


def _talk(dice: Dice, said: ModuleType) -> Chat:
    opening = dice.pick(tuple(said.TALK))
    return [
        {"role": "user", "content": dice.expand(opening, {}, {})},
        {"role": "assistant", "content": said.TALK[opening]},
    ]


def _chat(system: str, user: str, answer: str) -> Chat:
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": user},
        {"role": "assistant", "content": answer},
    ]


def _sentence(text: str, language: str) -> str:
    text = text.strip()
    return f"{text}。" if language == "zh" else f"{text[0].upper()}{text[1:]}."


def _shuffled(dice: Dice, parts: list[str]) -> list[str]:
    left, found = list(parts), []
    while left:
        found.append(left.pop(dice.below(len(left))))
    return found


def _styled(dice: Dice, text: str, language: str) -> str:
    if language == "en" and dice.chance(0.2):
        text = text.lower()
    if dice.chance(0.08):
        text = text.replace(".", "").replace("。", "，")
    return text
