"""Logs as Inspect (inspect_ai) reads them: an `EvalLog` in JSON for each that answered.

The task is the suite; a sample is an item, its id `capability/dataset/item`. Values are shares
of 1, as there, not points. `inspect view --log-dir FOLDER` shows them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any

from loopwright import __version__
from loopwright.disk import Disk
from loopwright.evaluation.formats.answers import moment, started, tool_call
from loopwright.evaluation.reports.items import message_text, shown
from loopwright.evaluation.results import Answer, EvaluationResult, ItemRecord, Score, Subject
from loopwright.hashing import digest

SCORER = "loopwright"
_ROLES = ("system", "user", "assistant", "tool")
_OWNER_ONLY = 0o600
Answered = Sequence[tuple[ItemRecord, Answer]]


def write(result: EvaluationResult, records: Sequence[ItemRecord], folder: Path) -> list[Path]:
    """Write a log for each that answered; give the paths.

    Raises LakeError when the disk is full or read-only.
    """
    return list(_written(result, records, folder))


def _written(
    result: EvaluationResult, records: Sequence[ItemRecord], folder: Path
) -> Iterator[Path]:
    disk = Disk()
    disk.make_folders(folder)
    for subject in result.subjects:
        log = _log(result, subject, records)
        name = "_".join(re.sub(r"[^\w.+-]", "-", part) for part in _name(log))
        path = folder / f"{name}.json"
        disk.write_atomic(path, json.dumps(log, ensure_ascii=False).encode(), mode=_OWNER_ONLY)
        yield path


def _name(log: Mapping[str, Any]) -> Sequence[str]:
    return log["eval"]["created"], log["eval"]["task"], log["eval"]["task_id"]


def _log(
    result: EvaluationResult, subject: Subject, records: Sequence[ItemRecord]
) -> dict[str, Any]:
    answered = [(r, answer) for r in records if (answer := r.answers.get(subject.label))]
    return {
        "version": 2,
        "status": "success",
        "eval": _spec(result, subject, answered),
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": _results(subject, answered),
        "stats": _stats(result, subject),
        "samples": [_sample(subject, *one, number) for number, one in enumerate(answered)],
    }


def _spec(result: EvaluationResult, subject: Subject, answered: Answered) -> dict[str, Any]:
    run = f"{result.name}@{result.revision}"
    return {
        "eval_id": _id(run, subject.label, "eval"),
        "run_id": _id(run),
        "created": started(result).isoformat(),
        "task": result.suite,
        "task_id": _id(run, subject.label),
        "task_version": result.revision,
        "dataset": {
            "name": result.suite,
            "samples": len(answered),
            "sample_ids": [_sample_id(record) for record, _ in answered],
            "shuffled": False,
        },
        "model": f"loopwright/{subject.label}",
        "config": {"epochs": 1},
        "packages": {"loopwright": __version__},
        "metadata": {
            "evaluation": run,
            "part": subject.part.value,
            "modelDigest": subject.digest,
            "lineage": dict(result.lineage),
        },
        "scorers": [{"name": SCORER}],
    }


def _id(*parts: str) -> str:
    """The same run has the same ids, 22 signs as there."""
    return digest(list(parts)).removeprefix("sha256:")[:22]


def _sample_id(record: ItemRecord) -> str:
    return f"{record.capability}/{record.dataset}/{record.id}"


def _results(subject: Subject, answered: Answered) -> dict[str, Any]:
    """The whole as the scorer's mean; then a score a capability and a dataset."""
    scores = [_score(SCORER, subject.composite, answered)] if subject.composite else []
    for name, score in subject.capabilities.items():
        scores.append(_score(name, score, [one for one in answered if one[0].capability == name]))
    for entry in subject.datasets:
        own = [
            (record, answer)
            for record, answer in answered
            if (record.capability, record.dataset) == (entry.capability, entry.dataset)
        ]
        found = _score(f"{entry.capability}/{entry.dataset}", entry.score, own)
        scores.append(found | {"params": {"method": entry.method, "weight": entry.weight}})
    failed = sum(bool(answer.error) for _, answer in answered)
    return {
        "total_samples": len(answered),
        "completed_samples": len(answered) - failed,
        "scores": scores,
    }


def _score(name: str, score: Score, answered: Answered) -> dict[str, Any]:
    points = [answer.score / 100 for _, answer in answered]
    error = stdev(points) / len(points) ** 0.5 if len(points) > 1 else 0.0
    values = {
        "mean": score.score / 100,
        "low": score.interval.low / 100,
        "high": score.interval.high / 100,
        "stderr": error,
    }
    return {
        "name": name,
        "scorer": SCORER,
        "scored_samples": len(answered),
        "unscored_samples": 0,
        "metrics": {key: {"name": key, "value": value} for key, value in values.items()},
    }


def _stats(result: EvaluationResult, subject: Subject) -> dict[str, Any]:
    usage = {
        "input_tokens": subject.input_tokens,
        "output_tokens": subject.output_tokens,
        "total_tokens": subject.input_tokens + subject.output_tokens,
    }
    cost = {} if subject.cost is None else {"total_cost": subject.cost}
    return {
        "started_at": started(result).isoformat(),
        "completed_at": moment(result.finished_at or result.started_at).isoformat(),
        "model_usage": {f"loopwright/{subject.label}": usage | cost},
    }


def _sample(subject: Subject, record: ItemRecord, answer: Answer, number: int) -> dict[str, Any]:
    asked = [_message(message, place) for place, message in enumerate(record.messages)]
    said = _said(answer, number)
    model = f"loopwright/{subject.label}"
    failed = {"message": answer.error, "traceback": "", "traceback_ansi": ""}
    return {
        "id": _sample_id(record),
        "epoch": 1,
        "input": asked,
        "target": shown(record.expected),
        "messages": [*asked, said],
        "output": {
            "model": model,
            "choices": [{"message": said, "stop_reason": "unknown" if answer.error else "stop"}],
            "completion": answer.text,
            "time": answer.seconds,
        },
        "scores": {SCORER: _points(answer)},
        "metadata": {"capability": record.capability, "dataset": record.dataset},
        "total_time": answer.seconds,
        **({"error": failed} if answer.error else {}),
    }


def _points(answer: Answer) -> dict[str, Any]:
    why = answer.error or answer.reason
    return {
        "value": answer.score / 100,
        "answer": answer.text,
        **({"explanation": why} if why else {}),
        "metadata": {"cached": answer.cached},
    }


def _message(message: Mapping[str, Any], place: int) -> dict[str, Any]:
    """A message as there; a role that there is not is told as a user's."""
    role = message.get("role")
    found: dict[str, Any] = {"role": role if role in _ROLES else "user"}
    calls = message.get("tool_calls") or ()
    found["content"] = message_text({"content": message.get("content")})
    if role == "assistant" and calls:
        found["tool_calls"] = [tool_call(call, place * 100 + n) for n, call in enumerate(calls)]
    if role == "tool" and message.get("tool_call_id"):
        found["tool_call_id"] = message["tool_call_id"]
    return found


def _said(answer: Answer, number: int) -> dict[str, Any]:
    calls = [tool_call(call, number * 100 + n) for n, call in enumerate(answer.tool_calls)]
    found = {"role": "assistant", "content": answer.text, "source": "generate"}
    return found | ({"tool_calls": calls} if calls else {})
