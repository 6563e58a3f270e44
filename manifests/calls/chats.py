"""Support chats: sessions of one to five turns, each turn recorded as a call with its history."""

from __future__ import annotations

from collections.abc import Iterator

import phrases_en
import phrases_zh
import scripts_en
import scripts_zh
from dice import Dice
from recorded import DAY, FIRST_DAY, Call, Message, moment

PROMPTS = {
    "en": "You are the support assistant of Lanhai Devices. Be brief and kind.",
    "zh": "你是蓝海智能的客服助手，请简短、友好地回答。",
}
SCRIPTS = {"en": scripts_en, "zh": scripts_zh}
SLOTS = {"en": phrases_en.SLOTS, "zh": phrases_zh.SLOTS}
TURNS = {"1": 60, "2": 13, "3": 13, "4": 9, "5": 5}
OLD, NEW = "mini-2026-09", "mini-2026-10"
CANARY, SWITCH = FIRST_DAY + 9 * DAY, FIRST_DAY + 12 * DAY


def write_chats(dice: Dice, language: str, user: str) -> Iterator[Call]:
    """The calls of one session, oldest first."""
    opening, turns = moment(dice, language), int(dice.weighted(TURNS))
    session = f"s-{dice.hex(10)}" if turns > 1 else None
    served_by = version(dice, opening)
    history: list[Message] = [{"role": "system", "content": PROMPTS[language]}]
    bound: dict[str, str] = {}
    at = opening
    for question, answer in _script(dice, language, turns):
        slots = SLOTS[language]
        asked = question if len(history) > 1 else _framed(dice, language, question)
        history.append({"role": "user", "content": dice.expand(asked, slots, bound)})
        reply = {"role": "assistant", "content": dice.expand(answer, slots, bound)}
        yield Call(
            endpoint="support-chat",
            model="mini",
            served_by=served_by,
            messages=tuple(history),
            reply=reply,
            at=at,
            user=user,
            session=session,
            params={"temperature": 0.7, "max_tokens": 400},
        )
        history.append(reply)
        at += 25 + dice.below(240)


def _framed(dice: Dice, language: str, question: str) -> str:
    """A first question with the words that people put around it."""
    script = SCRIPTS[language]
    before = dice.pick(script.BEFORE) if dice.chance(0.5) else ""
    after = dice.pick(script.AFTER) if dice.chance(0.5) else ""
    return before + question + after


def version(dice: Dice, at: int) -> str:
    """The new version takes a fifth of the sessions for three days, then all of them."""
    if at < CANARY:
        return OLD
    return NEW if at >= SWITCH or dice.chance(0.2) else OLD


def _script(dice: Dice, language: str, turns: int) -> list[tuple[str, str]]:
    """A topic's own turns, then follow-ups that fit any topic, none twice."""
    script = list(dice.pick(SCRIPTS[language].TOPICS))[:turns]
    while len(script) < turns:
        turn = dice.pick(SCRIPTS[language].FOLLOW_UPS)
        if turn not in script:
            script.append(turn)
    return script
