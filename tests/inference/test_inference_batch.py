"""A batch is asked once, whatever kills it, and each line is told of in one of two files."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.inference.batch import Batch, ServerAwayError
from loopwright.inference.journal import Journal
from loopwright.inference.reply import Reply


def line(number: int) -> bytes:
    body = {"messages": [{"role": "user", "content": f"question {number}"}], "max_tokens": 5}
    return orjson.dumps({"custom_id": f"id-{number}", "body": body})


LINES = [line(0), b"{not json", line(1), b"", line(0), *map(line, range(2, 20))]
"""Twenty that can be asked, one that is no JSON, one whose id was given before, an empty one."""


class Killed(BaseException):
    pass


class Server:
    """Counts what it is asked; refuses, is slow with, or kills at, what it is told to."""

    def __init__(self, *, refused: Iterable[str] = (), slow: Iterable[str] = (), dies: int = 0):
        self.asked: Counter[str] = Counter()
        self.refused, self.slow, self.dies = set(refused), set(slow), dies
        self.bodies: list[Any] = []
        self.away = False

    async def ask(self, path: str, request: Any) -> Reply:
        text = request["messages"][-1]["content"]
        await asyncio.sleep(3600 if text in self.slow else 0)
        if self.away:
            return Reply(0, None, "no answer from http://x")
        self.asked[text] += 1
        self.bodies.append(request)
        if self.dies and self.asked.total() == self.dies:
            raise Killed
        if text in self.refused:
            return Reply(400, {"error": {"message": "too long"}}, "status 400: too long")
        choice = {"message": {"role": "assistant", "content": f"answer to {text}"}}
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        return Reply(200, {"choices": [choice], "usage": usage}, request_id="r")


def batch(folder: Path, lines: list[bytes] = LINES) -> Batch:
    def read() -> Iterable[tuple[str, str, bytes]]:
        return ((f"in.jsonl:{n}", f"line-{n}", data) for n, data in enumerate(lines, start=1))

    made = Batch(read, Journal(folder / "journal.jsonl"), {"temperature": 0}, "tuned")
    made.check()
    return made


def asked(made: Batch, server: Server, *, seconds: float = 60, patience: float = 60) -> Batch:
    asyncio.run(
        made.ask(server, concurrency=4, seconds=seconds, patience=patience, told=lambda _: None)
    )
    return made


def told(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(one) for one in lines]


def test_every_line_is_in_one_file_or_the_other(tmp_path: Path) -> None:
    server = Server(refused={"question 3"})
    made = asked(batch(tmp_path), server)
    answers, errors = told(made.answers(in_order=True)), told(made.errors())
    assert [one["custom_id"] for one in answers] == [f"id-{n}" for n in range(20) if n != 3]
    first = answers[0]
    assert first["response"]["body"]["choices"][0]["message"]["content"] == "answer to question 0"
    assert (first["response"]["status_code"], first["response"]["request_id"]) == (200, "r")
    assert (first["error"], first["id"][:10]) == (None, "batch_req_")
    assert [(one["custom_id"], one["error"]["code"]) for one in errors] == [
        (None, "invalid_line"),
        ("id-0", "invalid_line"),
        ("id-3", "request_failed"),
    ]
    assert errors[0]["error"]["message"].startswith("in.jsonl:2: is not JSON")
    assert errors[1]["error"]["message"].startswith("in.jsonl:5: has a custom_id that an earlier")
    assert errors[2]["response"]["body"] == {"error": {"message": "too long"}}
    counts = made.counts
    assert (counts.lines, counts.completed, counts.failed, counts.invalid) == (22, 19, 1, 2)
    assert (counts.input_tokens, counts.output_tokens, counts.expired) == (57, 38, 0)
    assert server.bodies[0] == {
        "temperature": 0, "max_tokens": 5, "model": "tuned",
        "messages": [{"role": "user", "content": "question 0"}],
    }  # fmt: skip
    assert len({one["id"] for one in answers + errors}) == 22


@pytest.mark.parametrize("dies", range(1, 20, 3))
def test_a_kill_pays_for_no_line_twice_that_was_answered(tmp_path: Path, dies: int) -> None:
    server = Server(refused={"question 3"}, dies=dies)
    with pytest.raises(Killed):
        asked(batch(tmp_path), server)
    settled = set(Journal(tmp_path / "journal.jsonl").known())
    assert len(settled) >= dies - 4
    paid = Counter(server.asked)
    server.dies = 0
    made = asked(batch(tmp_path), server)
    again = {text for text, times in server.asked.items() if times > 1}
    assert len(again) <= 4  # those on their way when it died, at most as many as were asked at once
    assert set(paid) >= again
    whole = asked(batch(tmp_path / "undisturbed"), Server(refused={"question 3"}))
    assert list(made.answers(in_order=True)) == list(whole.answers(in_order=True))
    assert list(made.errors()) == list(whole.errors())
    assert made.counts == whole.counts


def test_results_come_in_the_order_of_the_answers_on_request(tmp_path: Path) -> None:
    class Backwards(Server):
        async def ask(self, path: str, request: Any) -> Reply:
            number = int(request["messages"][-1]["content"].split()[1])
            for _ in range(4 - number % 4):
                await asyncio.sleep(0)
            return await super().ask(path, request)

    made = asked(batch(tmp_path), Backwards())
    by_completion = [one["custom_id"] for one in told(made.answers(in_order=False))]
    by_input = [one["custom_id"] for one in told(made.answers(in_order=True))]
    assert by_input == [f"id-{n}" for n in range(20)]
    assert sorted(by_completion) == sorted(by_input) != by_completion


def test_what_is_not_answered_in_time_is_told_as_expired(tmp_path: Path) -> None:
    slow = {f"question {n}" for n in (5, 6, 7, 8)}
    made = asked(batch(tmp_path), Server(slow=slow), seconds=0.3)
    errors = [one for one in told(made.errors()) if one["error"]["code"] == "batch_expired"]
    assert made.counts.expired == len(errors)
    assert {"id-5", "id-6", "id-7", "id-8"} <= {one["custom_id"] for one in errors}
    counts = made.counts
    assert counts.completed + counts.expired + counts.invalid == counts.lines


def test_a_server_that_is_away_spoils_no_line(tmp_path: Path) -> None:
    server = Server()
    server.away = True
    with pytest.raises(ServerAwayError, match="no answer from"):
        asked(batch(tmp_path), server)
    server.away = False
    assert asked(batch(tmp_path), server).counts.completed == 20


def test_a_line_that_a_living_server_does_not_answer_is_a_line_that_failed(tmp_path: Path) -> None:
    class Chokes(Server):
        async def ask(self, path: str, request: Any) -> Reply:
            if request["messages"][-1]["content"] == "question 9":
                return Reply(0, None, "no answer from http://x")
            return await super().ask(path, request)

    made = asked(batch(tmp_path), Chokes())
    (failed,) = [one for one in told(made.errors()) if one["custom_id"] == "id-9"]
    assert (failed["response"], failed["error"]["message"]) == (None, "no answer from http://x")
    assert made.counts.completed == 19
