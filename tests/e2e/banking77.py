"""The Banking77 queries as recorded calls, for the optional test on real text.

The data is not part of this repository; `SOURCE` says where it is looked for.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "banking77"
SYSTEM_PROMPT = "Name the intent of the banking customer's message."
FIRST_CALL = 1_790_000_000  # Unix seconds; one call a minute from here


def write_calls(source_dir: Path, out: Path) -> int:
    """Writes each row of `source_dir/train.csv` (text, category) as one JSON line; says how many.

    Raises FileNotFoundError when the folder holds no `train.csv`.
    """
    with (
        (source_dir / "train.csv").open(encoding="utf-8", newline="") as source,
        out.open("w", encoding="utf-8", newline="\n") as lines,
    ):
        count = 0
        for count, row in enumerate(csv.DictReader(source), start=1):
            record = _exchange(row["text"], row["category"], at=FIRST_CALL + 60 * count)
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    return count


def _exchange(query: str, intent: str, *, at: int) -> dict[str, Any]:
    return {
        "endpoint": "intent-router",
        "model": "teacher-large",
        "created": at,
        "messages": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": query},
            {"role": "assistant", "content": intent},
        ],
    }
