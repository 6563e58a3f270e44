"""Our scores are those of lm-evaluation-harness, on the same lines and the same answers.

Needs `lm_eval` (0.4.13 was tried) beside this package:
`PYTHON -m pytest -n 0 -m slow tests/evaluation/test_lm_eval_scores.py`.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.evaluation.items import load_items
from loopwright.evaluation.questions import QuestionSet
from loopwright.evaluation.scoring.base import Given
from loopwright.evaluation.scoring.methods import scorer_of
from support.local_worlds import write_lines

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
WORDS = ["the", "A", "dog,", "sat", "Paris", "isn't", "(very)", "far;", "1,024", "a", "e-mail"]
SIGNS = ["杭", "州", "西", "湖", "，", "在", "哪", "里", "？", "Hangzhou "]
ITEMS = 200
SETTINGS: dict[str, dict[str, Any]] = {
    "exactMatch": {"compare": {"ignoreCase": True}},
    "f1": {},
    "f1 of Chinese": {},
    "rougeL": {},
    "numeric": {},
}


def lines(method: str) -> list[dict[str, str]]:
    """Questions, what is expected, and what a model said: often right, often nearly."""
    rng = random.Random(method)
    found = []
    for number in range(ITEMS):
        among, between = (SIGNS, "") if "Chinese" in method else (WORDS, " ")
        words = [among[3], *rng.choices(among, k=rng.randint(1, 9))]
        expected = str(rng.randint(10, 9999)) if method == "numeric" else between.join(words)
        said = [one for one in words if rng.random() < 0.8] if rng.random() < 0.6 else words
        if method == "numeric":
            near = expected if rng.random() < 0.6 else str(rng.randint(10, 9999))
            said = ["It", "is", "12", "and", f"${int(near):,}", "dollars"]
        text = between.join(said)
        found.append(
            {
                "question": f"question {number}",
                "answer": expected,
                "said": text.upper() if method == "exactMatch" and rng.random() < 0.3 else text,
            }
        )
    return found


def ours(method: str, path: Path) -> list[float]:
    asked = QuestionSet("c", "s", str(path), method.split(maxsplit=1)[0], settings=SETTINGS[method])
    score = scorer_of(asked)
    said = [orjson.loads(line)["said"] for line in path.read_bytes().splitlines()]
    items = load_items(asked)
    return [score(Given(text), item).points for text, item in zip(said, items, strict=True)]


def theirs(method: str, path: Path) -> tuple[float, list[float]]:
    """The score of the task, and of each sample, 0-100."""
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks.mlqa import utils as mlqa
    from lm_eval.tasks.truthfulqa import utils as truthfulqa

    answers = {
        one["question"]: one["said"] for one in map(orjson.loads, path.read_bytes().splitlines())
    }

    class Recorded(LM):  # type: ignore[misc]
        def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
            return [answers[one.args[0]] for one in requests]

        def loglikelihood(self, requests: list[Any], **_: Any) -> Any:
            raise AssertionError

        loglikelihood_rolling = loglikelihood

    def f1(doc: dict[str, str], results: list[str]) -> dict[str, float]:
        language = "zh" if "Chinese" in method else "en"
        return {"f1": mlqa.f1_score(results[0], doc["answer"], language)}

    def rouge(doc: dict[str, str], results: list[str]) -> dict[str, float]:
        # Of one line each, rougeLsum is rougeL.
        return {"rougeL": truthfulqa.rouge([doc["answer"]], [results[0]])["rougeLsum"] / 100}

    exact = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
    by_method: dict[str, dict[str, Any]] = {
        "exactMatch": {"metric_list": [{**exact, "ignore_case": True}]},
        "f1": {
            "process_results": f1,
            "metric_list": [{"metric": "f1", "aggregation": "mean", "higher_is_better": True}],
        },
        "rougeL": {
            "process_results": rouge,
            "metric_list": [{"metric": "rougeL", "aggregation": "mean", "higher_is_better": True}],
        },
        "numeric": {  # as gsm8k's flexible-extract has it
            "metric_list": [{**exact, "regexes_to_ignore": [",", r"\$"]}],
            "filter_list": [
                {
                    "name": "flexible",
                    "filter": [
                        {
                            "function": "regex",
                            "group_select": -1,
                            "regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)",
                        },
                        {"function": "take_first"},
                    ],
                }
            ],
        },
    }
    by_method["f1 of Chinese"] = by_method["f1"]
    task = ConfigurableTask(
        config={
            "task": f"ours_{method.replace(' ', '_')}",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(path)}},
            "test_split": "test",
            "output_type": "generate_until",
            "generation_kwargs": {"until": ["\n"], "do_sample": False},
            "doc_to_text": "{{question}}",
            "doc_to_target": "{{answer}}",
            **by_method[method],
        }
    )
    found = simple_evaluate(Recorded(), tasks=[task], log_samples=True, bootstrap_iters=0)
    name = by_method[method]["metric_list"][0]["metric"]
    (results,) = found["results"].values()
    (score,) = [value for key, value in results.items() if key.startswith(f"{name},")]
    (samples,) = found["samples"].values()
    ordered = sorted(samples, key=lambda one: one["doc_id"])
    return 100 * score, [100 * one[name] for one in ordered]


@pytest.mark.parametrize("method", SETTINGS)
def test_scores_are_those_of_lm_eval(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    path = write_lines(tmp_path / "lines.jsonl", lines(method))
    mine = ours(method, path)
    score, samples = theirs(method, path)
    assert mine == pytest.approx(samples)
    assert sum(mine) / len(mine) == pytest.approx(score)
    assert 20 < score < 95  # neither all nor nothing
    print(f"{method}: ours {sum(mine) / len(mine):.4f}, lm-eval {score:.4f}")
