"""Makes the quickstart's held-out tickets: other words than any recorded call, labels by rule.

    python make_tickets.py --out ../eval

Needs the standard library only; the same seed gives the same lines everywhere.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import paraphrases_en
import paraphrases_zh
from dice import Dice
from make_calls import ROUTER_PROMPT
from tickets import Ticket, write_ticket

PHRASES = {"en": paraphrases_en, "zh": paraphrases_zh}
COUNTS = {"en": 160, "zh": 80}


def tickets(language: str, *, seed: int) -> Iterator[Ticket]:
    """Tickets that differ from each other."""
    dice, seen = Dice(seed, f"held-out/{language}"), set()
    while len(seen) < COUNTS[language]:
        ticket = write_ticket(dice, language, PHRASES)
        if ticket.text not in seen:
            seen.add(ticket.text)
            yield ticket


def as_line(ticket: Ticket) -> str:
    item = {
        "messages": [
            {"role": "system", "content": ROUTER_PROMPT},
            {"role": "user", "content": ticket.text},
        ],
        "expected": ticket.answer,
    }
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the quickstart's held-out tickets.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "eval")
    parser.add_argument("--seed", type=int, default=20261012)
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for language in COUNTS:
        path = options.out / f"tickets-{language}.jsonl"
        lines = [as_line(ticket) for ticket in tickets(language, seed=options.seed)]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        sys.stdout.write(f"{len(lines)} tickets in {path}\n")


if __name__ == "__main__":
    main()
