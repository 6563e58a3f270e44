"""Makes the quickstart's recorded calls: three weeks of a fictitious support desk.

    python make_calls.py --out support-desk.jsonl.gz

The same seed gives the same lines on every machine and Python from 3.11 on.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

from chats import write_chats
from dice import Dice
from recorded import Call, as_line, moment
from tickets import QUEUES, Ticket, write_ticket
from tool_calls import write_exchange

ROUTER_PROMPT = "Route the ticket. Answer with JSON: queue, priority, site."
LANGUAGES = {"en": 2, "zh": 1}
TICKETS, FORMER_TICKETS, CHATS, TOOL_CALLS = 2_400, 160, 900, 400
ERRORS = (
    ("Rate limit reached, please retry later.", "rate_limit_error", "rate_limit_exceeded"),
    ("The server is overloaded.", "server_error", "overloaded"),
    ("The upstream did not answer in time.", "server_error", "timeout"),
)
PREFACES = {
    "en": ("```json\n%s\n```", "Here is the routing: %s"),
    "zh": ("```json\n%s\n```", "好的，结果如下：%s"),
}


class Users:
    """Pseudonymous users: each keeps one language, and a few of them write often."""

    def __init__(self, dice: Dice, count: int) -> None:
        self._dice = dice
        self._ids = [f"u-{dice.hex(8)}" for _ in range(count)]

    def pick(self, language: str) -> str:
        third = len(self._ids) // 3
        pool = self._ids[:third] if language == "zh" else self._ids[third:]
        return pool[min(self._dice.below(len(pool)), self._dice.below(len(pool)))]


def routed(dice: Dice, users: Users) -> Iterator[Call]:
    """Tickets routed by the teacher; now and then one is sent twice, or answered with chatter."""
    for index in range(TICKETS):
        language = dice.weighted(LANGUAGES)
        ticket = write_ticket(dice, language)
        call = _routing(dice, language, ticket, users.pick(language))
        if dice.chance(0.008):
            said = dice.pick(PREFACES[language]) % ticket.answer
            call = dataclasses.replace(call, reply={"role": "assistant", "content": said})
        yield call
        if index % 80 == 0:
            yield dataclasses.replace(call, at=call.at + 20 + dice.below(90))


def formerly_routed(dice: Dice, users: Users) -> Iterator[Call]:
    """Tickets of the first days, routed by a smaller model that is often wrong."""
    for _ in range(FORMER_TICKETS):
        language = dice.weighted(LANGUAGES)
        ticket = write_ticket(dice, language)
        guess = dataclasses.replace(
            ticket,
            queue=ticket.queue if dice.chance(0.6) else dice.pick(tuple(QUEUES)),
            priority="normal",
            site=ticket.site if dice.chance(0.4) else "online",
        )
        call = _routing(dice, language, ticket, users.pick(language), model="router-small")
        reply = {"role": "assistant", "content": guess.answer}
        yield dataclasses.replace(call, reply=reply)


def _routing(
    dice: Dice, language: str, ticket: Ticket, user: str, model: str = "teacher-large"
) -> Call:
    messages = (
        {"role": "system", "content": ROUTER_PROMPT},
        {"role": "user", "content": ticket.text},
    )
    return Call(
        endpoint="ticket-router",
        model=model,
        served_by=model,
        messages=messages,
        reply={"role": "assistant", "content": ticket.answer},
        at=moment(dice, language),
        user=user,
        params={"temperature": 0, "max_tokens": 64},
    )


def chatted(dice: Dice, users: Users) -> Iterator[Call]:
    made = 0
    while made < CHATS:
        language = dice.weighted(LANGUAGES)
        calls = list(write_chats(dice, language, users.pick(language)))
        made += len(calls)
        yield from calls


def with_tools(dice: Dice, users: Users) -> Iterator[Call]:
    made = 0
    while made < TOOL_CALLS:
        language = dice.weighted(LANGUAGES)
        calls = list(write_exchange(dice, language, users.pick(language)))
        made += len(calls)
        yield from calls


SOURCES = {
    "tickets": routed,
    "former": formerly_routed,
    "chats": chatted,
    "tools": with_tools,
}


def with_failures(dice: Dice, calls: Iterator[Call]) -> Iterator[Call]:
    """Some requests fail and are sent again; some answers stop at the token limit."""
    for call in calls:
        delay = 0
        if dice.chance(0.015):
            message, kind, code = dice.pick(ERRORS)
            error = {"message": message, "type": kind, "code": code}
            yield dataclasses.replace(call, reply=None, error=error)
            delay = 2 + dice.below(30)
        text = (call.reply or {}).get("content") or ""
        reply, finish = call.reply, call.finish
        if dice.chance(0.012) and len(text) > 12:
            text = text[: 6 + dice.below(len(text) - 8)]
            reply, finish = {"role": "assistant", "content": text}, "length"
        yield dataclasses.replace(call, at=call.at + delay, reply=reply, finish=finish)


def make_lines(seed: int) -> list[str]:
    """All calls in order of time, one JSON line each; a few lines were written twice."""
    users = Users(Dice(seed, "users"), 720)
    calls: list[Call] = []
    for name, source in SOURCES.items():
        calls += with_failures(Dice(seed, f"{name}/failures"), source(Dice(seed, name), users))
    dice = Dice(seed, "lines")
    lines: list[str] = []
    for index, call in enumerate(sorted(calls, key=lambda call: call.at)):
        lines.append(as_line(dice, call))
        if index % 700 == 350:
            lines.append(lines[-1])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the quickstart's recorded calls.")
    home = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=home / "support-desk.jsonl.gz")
    parser.add_argument("--seed", type=int, default=20260921)
    options = parser.parse_args()
    lines = make_lines(options.seed)
    with (
        options.out.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as packed,
    ):
        packed.write("".join(f"{line}\n" for line in lines).encode())
    sys.stdout.write(f"{len(lines)} recorded calls in {options.out}\n")


if __name__ == "__main__":
    main()
