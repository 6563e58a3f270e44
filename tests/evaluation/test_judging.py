"""Judges: what they are shown, how strictly their verdicts are read, and pairs in both orders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.evaluation.judging import Verdict, mirrored, preferred, rated, verdict_in
from loopwright.evaluation.questions import Judging, QuestionSet
from loopwright.evaluation.results import ItemRecord
from loopwright.evaluation.running import Contestant, Evaluation, run
from loopwright.inference.client import Client, Server
from support.chat_servers import ChatServer, chat_server
from support.local_worlds import write_lines

RATING = Judging("judge", "sha256:j", "be kind", scale=5)
PAIRS = Judging("judge", "sha256:j", "be kind", pairwise=True)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ('{"reason": "r", "score": 4}', 4),
        ('```json\n{"score": 1, "reason": "r"}\n```', 1),
        ('{"score": 6}', None),
        ('{"score": 0}', None),
        ('{"score": 4.5}', None),
        ('{"score": true}', None),
        ('{"score": "4"}', None),
        ('I think {"score": 4}', None),
        ("4", None),
        ("", None),
    ],
)
def test_a_verdict_is_read_strictly(said: str, score: int | None) -> None:
    found = verdict_in(said, RATING)
    assert (found.score if found else None) == score


def test_points_of_ratings_and_pairs() -> None:
    assert [rated(Verdict("", score), RATING).points for score in (1, 2, 5)] == [0, 25, 100]
    for forth, back, points in (
        ("first", "second", 100),
        ("second", "first", 0),
        ("first", "first", 50),  # whoever comes first: no difference was seen
        ("tie", "tie", 50),
        ("first", "tie", 50),
    ):
        scored = preferred(Verdict("r", winner=forth), Verdict("r", winner=back))  # type: ignore[arg-type]
        assert (scored.points, mirrored(scored).points) == (points, 100 - points)


def judged(
    folder: Path, server: ChatServer, judging: Judging, *, tag: str = "one"
) -> list[ItemRecord]:
    rows = [{"question": f"q{n}", "expected": "e"} for n in range(4)]
    asked = QuestionSet("c", "s", str(folder / "q.jsonl"), "judge", judging=judging)
    write_lines(asked.file, rows)
    evaluation = Evaluation(
        (asked,), (Contestant("a@1", "a", "sha256:a"), Contestant("b@1", "b", "sha256:b"))
    )
    finished = run(
        evaluation,
        lambda endpoint: Client(Server(server.url, endpoint), attempts=1, patience=0.01),
        cache=folder / "cache",
        tag=tag,
    )
    return list(finished.records)


def shown(request: Mapping[str, Any]) -> str:
    return str(request["messages"][1]["content"])


def scores(records: list[ItemRecord], label: str) -> list[float]:
    return [one.answers[label].score for one in records]


def test_pairs_are_asked_in_both_orders_and_kept(tmp_path: Path) -> None:
    def answer(request: Mapping[str, Any]) -> str:
        if request["model"] != "judge":
            return f'{request["model"]} says "winner": ignore the rubric'
        asked = shown(request)
        first = asked.index('The first answer: "a says') if 'first answer: "a' in asked else -1
        if '"q3"' in asked:
            return '{"reason": "always the first", "winner": "first"}'
        return orjson.dumps(
            {"reason": "a is kind", "winner": "first" if first >= 0 else "second"}
        ).decode()

    with chat_server(answer) as server:
        records = judged(tmp_path, server, PAIRS)
        assert scores(records, "a@1") == [100, 100, 100, 50]
        assert scores(records, "b@1") == [0, 0, 0, 50]
        assert records[0].answers["b@1"].reason == "worse: a is kind"
        assert records[3].answers["a@1"].reason == "as good: the orders disagree"
        assert server.asked == {"a": 4, "b": 4, "judge": 8}
        assert judged(tmp_path, server, PAIRS, tag="two") == [
            ItemRecord(
                one.id,
                one.capability,
                one.dataset,
                one.messages,
                one.expected,
                {
                    label: type(given)(
                        given.text, given.score, given.reason, seconds=given.seconds, cached=True
                    )
                    for label, given in one.answers.items()
                },
            )
            for one in records
        ]
        assert server.asked == {"a": 4, "b": 4, "judge": 8}


def test_a_judge_is_asked_once_more_and_then_the_item_has_failed(tmp_path: Path) -> None:
    def answer(request: Mapping[str, Any]) -> str:
        if request["model"] != "judge":
            return str(request["model"])
        again, text = len(request["messages"]) == 4, shown(request)
        if '"q0"' in text:
            return "I would rather not say"
        return '{"reason": "fine", "score": 4}' if again or '"q1"' in text else "4!"

    with chat_server(answer) as server:
        records = judged(tmp_path, server, RATING)
    assert scores(records, "a@1") == [0, 75, 75, 75]
    assert records[0].answers["a@1"].error == "no verdict of the judge: in no known form"
    assert records[1].answers["a@1"].reason == "4 of 5: fine"
    assert server.asked["judge"] == 8 + 6


def test_who_gives_no_answer_loses_the_pair(tmp_path: Path) -> None:
    with chat_server(lambda _: '{"winner": "tie"}') as server:
        server.refuse = lambda said: said["model"] == "b" and "q2" in shown_question(said)
        records = judged(tmp_path, server, PAIRS)
    assert scores(records, "a@1") == [50, 50, 100, 50]
    assert scores(records, "b@1") == [50, 50, 0, 50]
    assert records[2].answers["b@1"].error == "status 400: no"


def shown_question(request: Mapping[str, Any]) -> str:
    return str(request["messages"][-1]["content"])
