"""An evaluation as people have them: capabilities, a baseline, floors, failures, odd texts."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any

from loopwright.evaluation.results import (
    Answer,
    Comparison,
    DatasetScore,
    Difference,
    EvaluationResult,
    Interval,
    ItemRecord,
    Part,
    Score,
    Subject,
)

EVALUATED, BASELINE = "ticket-router@2", "builtin:tiny-chat"
MOST, NEAREST = "most frequent answer", "nearest question"
LABELS = {
    EVALUATED: Part.EVALUATED,
    BASELINE: Part.BASELINE,
    MOST: Part.FLOOR,
    NEAREST: Part.FLOOR,
}
DATASETS = {
    ("routing", "paraphrases"): ("exact", 2.0, 150),
    ("routing", "unseen-sites"): ("jsonSchema", 1.0, 90),
    ("answers", "客服问答"): ("f1", 1.0, 80),
    ("answers", "code-fixes"): ("rougeL", 1.0, 40),
    ("tools", "look-up-order"): ("toolCall", 1.0, 40),
}
CHANCES = {EVALUATED: 0.91, BASELINE: 0.06, MOST: 0.12, NEAREST: 0.55}
HOSTILE = "</script><img src=x onerror=alert(1)><!-- <b>bold</b> & \u2028 {{name}} ${x}"


def an_evaluation(
    *, items: int = 400, baseline: bool = True, capabilities: Sequence[str] = (), seed: int = 7
) -> tuple[EvaluationResult, list[ItemRecord]]:
    """The result and its records; `capabilities` keeps only these."""
    rng = random.Random(seed)
    labels = [label for label in LABELS if baseline or label != BASELINE]
    kept = {key: kind for key, kind in DATASETS.items() if key[0] in (capabilities or (key[0],))}
    total = sum(count for _, _, count in kept.values())
    records = [
        _record(capability, dataset, number, labels, rng)
        for (capability, dataset), (_, _, count) in kept.items()
        for number in range(max(1, round(count * items / total)))
    ]
    subjects = [_subject(label, kept, records) for label in labels]
    result = EvaluationResult(
        name="router-eval",
        revision=3,
        suite="router",
        confidence=0.95,
        subjects=subjects,
        comparisons=[_comparison(other, records, kept) for other in labels[1:]],
        lineage={
            "models": {EVALUATED: _digest(EVALUATED)},
            "job": {
                "job": "FineTuneJob/ticket-router",
                "revision": 2,
                "dataset": "tickets@v3",
                "datasetDigest": _digest("tickets"),
                "hyperparameters": {"epochs": 3, "learningRate": 0.0002, "loraRank": 16},
            },
            "base": f"builtin:tiny-chat ({_digest('base')})",
        },
        started_at="2026-11-22T09:30:00Z",
        finished_at="2026-11-22T09:31:42Z",
        digest=_digest("result"),
        notes=["2 questions of router/tools gave no answer within 60 s and score 0."],
    )
    return result, records


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _record(
    capability: str, dataset: str, number: int, labels: Sequence[str], rng: random.Random
) -> ItemRecord:
    question, expected, wrong, calls = _TEXTS[dataset](number, rng)
    answers = {}
    for label in labels:
        draw = rng.random()
        right = draw < CHANCES[label]
        failed = label == EVALUATED and draw > 0.992
        answers[label] = Answer(
            text="" if failed or (calls and right) else (expected if right else wrong),
            score=0.0 if failed else 100.0 if right else _partial(dataset, rng),
            reason="" if right else "differs from what is expected",
            error="no answer within 60 s" if failed else "",
            tool_calls=[calls] if calls and right else (),
            seconds=round(rng.uniform(0.01, 0.4), 3),
            cached=label == BASELINE and rng.random() < 0.5,
        )
    messages = [
        {"role": "system", "content": "You route tickets of a support desk. Answer in JSON only."},
        {"role": "user", "content": question},
    ]
    return ItemRecord(
        id=hashlib.sha256(f"{capability}/{dataset}/{number}".encode()).hexdigest()[:24],
        capability=capability,
        dataset=dataset,
        messages=messages,
        expected=json.loads(expected) if dataset == "unseen-sites" else calls or expected,
        answers=answers,
    )


def _partial(dataset: str, rng: random.Random) -> float:
    return round(rng.uniform(0, 70), 1) if dataset in ("客服问答", "code-fixes") else 0.0


Text = tuple[str, str, str, Mapping[str, Any] | None]


def _ticket(number: int, rng: random.Random) -> Text:
    site, queue = (
        rng.choice(["Leeds", "Porto", "成都"]),
        rng.choice(["network", "hardware", "accounts"]),
    )
    label = {"queue": queue, "priority": "high", "site": site}
    question = f"Since this morning nothing loads at {site}. Ticket {number}, please hurry."
    if number % 41 == 3:
        question += "\n\n" + HOSTILE
    if number % 37 == 5:
        question += "\n" + " ".join(f"line-{n:04} of a long trace" for n in range(400))
    if number % 53 == 7:
        question += "\n" + "unbroken" * 120
    wrong = json.dumps(label | {"queue": "billing"}, ensure_ascii=False)
    return question, json.dumps(label, ensure_ascii=False), wrong, None


def _chinese(number: int, rng: random.Random) -> Text:
    good = f"您好，订单 {number} 已于今天上午发出，预计两天内送达，请注意查收。"
    return (
        f"我的订单 {number} 什么时候能到？已经等了{rng.randint(2, 9)}天了。",
        good,
        good[:12] + "请稍后再试。",
        None,
    )


def _code(number: int, rng: random.Random) -> Text:
    good = f"```python\ndef total(rows):\n    return sum(row[{number}] for row in rows if row)\n```"
    bad = good.replace(" if row", "").replace("sum", "max")
    return (
        f"Mend this:\n```python\ndef total(rows): return sum(rows[{number}])\n```",
        good,
        bad,
        None,
    )


def _tool(number: int, rng: random.Random) -> Text:
    call = {
        "type": "function",
        "function": {"name": "look_up_order", "arguments": json.dumps({"order": number})},
    }
    return f"Where is order {number}?", "", "I do not know that order.", call


_TEXTS: Mapping[str, Callable[[int, random.Random], Text]] = {
    "paraphrases": _ticket,
    "unseen-sites": _ticket,
    "客服问答": _chinese,
    "code-fixes": _code,
    "look-up-order": _tool,
}


def _score(points: Sequence[float], failed: int = 0) -> Score:
    half = 1.96 * pstdev(points) / len(points) ** 0.5
    mean = fmean(points)
    interval = Interval(max(0.0, mean - half), min(100.0, mean + half))
    return Score(mean, interval, len(points), failed)


def _of(records: Sequence[ItemRecord], capability: str, dataset: str = "") -> list[ItemRecord]:
    return [r for r in records if r.capability == capability and dataset in ("", r.dataset)]


def _subject(
    label: str, kept: Mapping[tuple[str, str], tuple[str, float, int]], records: list[ItemRecord]
) -> Subject:
    def score(chosen: Sequence[ItemRecord]) -> Score:
        answers = [record.answers[label] for record in chosen]
        return _score([a.score for a in answers], sum(bool(a.error) for a in answers))

    model = LABELS[label] != Part.FLOOR
    return Subject(
        label=label,
        part=LABELS[label],
        endpoint="router-candidate" if model else "",
        digest=_digest(label) if model else "",
        composite=score(records),
        capabilities={
            name: score(_of(records, name)) for name in dict.fromkeys(c for c, _ in kept)
        },
        datasets=[
            DatasetScore(
                capability, dataset, method, weight, score(_of(records, capability, dataset))
            )
            for (capability, dataset), (method, weight, _) in kept.items()
        ],
        input_tokens=48_211 if model else 0,
        output_tokens=9_020 if model else 0,
        cost=0.0123 if label == EVALUATED else None,
        seconds={"p50": 0.041, "p95": 0.212} if model else {},
        cached=sum(record.answers[label].cached for record in records),
    )


def _comparison(
    other: str, records: list[ItemRecord], kept: Mapping[tuple[str, str], Any]
) -> Comparison:
    def difference(chosen: Sequence[ItemRecord]) -> Difference:
        deltas = [r.answers[EVALUATED].score - r.answers[other].score for r in chosen]
        half = 1.96 * pstdev(deltas) / len(deltas) ** 0.5
        mean = fmean(deltas)
        return Difference(
            mean,
            Interval(mean - half, mean + half),
            wins=sum(d > 0 for d in deltas),
            ties=sum(d == 0 for d in deltas),
            losses=sum(d < 0 for d in deltas),
            quantiles={"0.05": mean - half, "0.5": mean},
        )

    return Comparison(
        other=other,
        composite=difference(records),
        capabilities={c: difference(_of(records, c)) for c in dict.fromkeys(c for c, _ in kept)},
        datasets={f"{c}/{d}": difference(_of(records, c, d)) for c, d in kept},
    )
