"""Logs as lm-evaluation-harness 0.4 writes them with `--output_path` and `--log_samples`.

`MODEL/results_TIME.json` holds a task a dataset, a group a capability and one group of all;
`MODEL/samples_TASK_TIME.jsonl` a line an item. Values are shares of 1, as there, not points.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

from loopwright.disk import Disk
from loopwright.evaluation.formats.answers import started, tool_text
from loopwright.evaluation.results import Answer, EvaluationResult, ItemRecord, Score, Subject

METRICS = {"exactMatch": "exact_match", "numeric": "exact_match", "multipleChoice": "acc"}
"""Methods that are called otherwise there."""
WHOLE = "score"
"""Metric of a group: its datasets may have been scored by different methods."""
_OWNER_ONLY = 0o600
_ENDS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\u0085\u2028\u2029"}
"""What some readers take for the end of a line."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A dataset as a task: its name in files, its metric, the items in order."""

    name: str
    capability: str
    metric: str
    weight: float
    score: Score
    answered: Sequence[tuple[ItemRecord, Answer]]


def write(result: EvaluationResult, records: Sequence[ItemRecord], folder: Path) -> list[Path]:
    """Write a folder for each that answered; give the paths.

    Raises LakeError when the disk is full or read-only.
    """
    return list(_written(result, records, folder))


def _written(
    result: EvaluationResult, records: Sequence[ItemRecord], folder: Path
) -> Iterator[Path]:
    disk = Disk()
    time = re.sub(":", "-", started(result).isoformat(timespec="microseconds")[:26])
    for subject in result.subjects:
        place = folder / re.sub(r'["<>:/|\\?*\[\]]+', "__", subject.label)
        disk.make_folders(place)
        tasks = list(_tasks(subject, records))
        for task in tasks:
            lines = "".join(f"{_json(sample)}\n" for sample in _samples(task)).translate(_ENDS)
            path = place / f"samples_{task.name}_{time}.jsonl"
            disk.write_atomic(path, lines.encode(), mode=_OWNER_ONLY)
            yield path
        path = place / f"results_{time}.json"
        text = json.dumps(_results(result, subject, tasks), ensure_ascii=False, indent=2)
        disk.write_atomic(path, text.encode(), mode=_OWNER_ONLY)
        yield path


def _tasks(subject: Subject, records: Sequence[ItemRecord]) -> Iterator[_Task]:
    taken: set[str] = set()
    for entry in subject.datasets:
        name = base = re.sub(r"\W", "_", f"{entry.capability}_{entry.dataset}")
        while name in taken:
            name = f"{base}_{len(taken)}"
        taken.add(name)
        answered = [
            (record, answer)
            for record in records
            if (record.capability, record.dataset) == (entry.capability, entry.dataset)
            and (answer := record.answers.get(subject.label))
        ]
        metric = METRICS.get(entry.method, entry.method)
        yield _Task(name, entry.capability, metric, entry.weight, entry.score, answered)


def _samples(task: _Task) -> Iterator[dict[str, Any]]:
    for number, (record, answer) in enumerate(task.answered):
        doc = {"id": record.id, "messages": list(record.messages), "expected": record.expected}
        prompt = _json(record.messages)
        target = record.expected if isinstance(record.expected, str) else _json(record.expected)
        said = answer.text or tool_text(answer)
        yield {
            "doc_id": number,
            "doc": doc,
            "target": target,
            "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {}}},
            "resps": [[said]],
            "filtered_resps": [said],
            "filter": "none",
            "metrics": [task.metric],
            "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
            "prompt_hash": _hash(prompt),
            "target_hash": _hash(target),
            task.metric: answer.score / 100,
        }


def _results(
    result: EvaluationResult, subject: Subject, tasks: Sequence[_Task]
) -> Mapping[str, Any]:
    groups = dict(_groups(result, subject))
    names = {
        capability: [task.name for task in tasks if task.capability == capability]
        for capability in dict.fromkeys(task.capability for task in tasks)
    }
    of_tasks = {task.name: _task_values(task) for task in tasks}
    return {
        "results": {**of_tasks, **groups},
        "groups": groups,
        "group_subtasks": {
            _group(result.suite): [_group(name) for name in names],
            **{_group(name): children for name, children in names.items()},
            **{task.name: [] for task in tasks},
        },
        "configs": {
            task.name: {
                "task": task.name,
                "output_type": "generate_until",
                "num_fewshot": 0,
                "metric_list": [
                    {"metric": task.metric, "aggregation": "mean", "higher_is_better": True}
                ],
                "metadata": {"weight": task.weight},
            }
            for task in tasks
        },
        "versions": dict.fromkeys((*of_tasks, *groups), 1),
        "n-shot": {task.name: 0 for task in tasks},
        "higher_is_better": {
            **{task.name: {task.metric: True} for task in tasks},
            **{name: {WHOLE: True} for name in groups},
        },
        "n-samples": {
            task.name: {"original": len(task.answered), "effective": len(task.answered)}
            for task in tasks
        },
        "config": {"model": "loopwright", "model_args": {"model": subject.label}},
        "date": started(result).timestamp(),
        "task_hashes": {task.name: _task_hash(task) for task in tasks},
        "model_source": "loopwright",
        "model_name": subject.label,
        "model_name_sanitized": re.sub(r'["<>:/|\\?*\[\]]+', "__", subject.label),
        "model_digest": subject.digest,
        "evaluation": f"{result.name}@{result.revision}",
    }


def _group(name: str) -> str:
    """Groups and tasks share one space of names there."""
    return f"group:{name}"


def _groups(result: EvaluationResult, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    if subject.composite:
        yield _group(result.suite), _group_values(result.suite, subject.composite)
    for name, score in subject.capabilities.items():
        yield _group(name), _group_values(name, score)


def _group_values(name: str, score: Score) -> dict[str, Any]:
    return {"alias": name, f"{WHOLE},none": score.score / 100, f"{WHOLE}_stderr,none": "N/A"}


def _task_values(task: _Task) -> dict[str, Any]:
    """As there: the mean, and the sample's standard deviation over the root of its size."""
    points = [answer.score / 100 for _, answer in task.answered]
    error = stdev(points) / len(points) ** 0.5 if len(points) > 1 else "N/A"
    return {
        "alias": task.name,
        f"{task.metric},none": task.score.score / 100,
        f"{task.metric}_stderr,none": error,
    }


def _task_hash(task: _Task) -> str:
    samples = _samples(task)
    return _hash("".join(s["doc_hash"] + s["prompt_hash"] + s["target_hash"] for s in samples))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
