"""Leaked questions, near-duplicates, corrections and the split: rules that only text can decide."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import dataset_calls as made
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.errors import DatasetError
from loopwright.lake.compaction import compact
from loopwright.lake.datasets.building import build
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.datasets.decontamination import Leak, Screen
from loopwright.lake.datasets.held_out import HeldOut, questions_in
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.datasets.near_duplicates import (
    SKETCH_BYTES,
    are_near,
    near_pairs,
    runs_of,
    sketch_of,
)
from loopwright.lake.datasets.rendering import Exchange
from loopwright.lake.datasets.verifying import verify
from loopwright.lake.ingest import append_feedback
from loopwright.lake.store import Lake

few = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
many = settings(max_examples=200, deadline=None, derandomize=True)

WORDS = [f"{head}{tail}" for head in ("bar", "kel", "mon", "tir", "sol") for tail in "aeiouvwxyz"]
QUESTIONS = (
    "Where do I find the form that lets me change the postal address of a card already ordered?",
    "Why was my transfer to the savings account declined twice this morning without any reason?",
    "我昨天在网上申请的银行卡什么时候可以寄到我现在住的地址，需要我本人签收吗？",
    "Is it open?",
)


def said(question: str, answer: str = "fine") -> Exchange:
    asked = {"messages": [{"role": "user", "content": question}]}
    return Exchange(asked, {"role": "assistant", "content": answer})


def spaced(text: str) -> str:
    return " ".join(text.replace(" ", ""))


# Of them one writes in full width, another takes accents apart.
DISGUISES: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.title,
    lambda text: text.replace(" ", ""),
    lambda text: text.replace(" ", "\n\t "),
    lambda text: text.replace(" ", " - ").replace("?", "!!!"),
    spaced,
    lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    lambda text: unicodedata.normalize("NFD", text),
)
around = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)


@many
@given(
    st.sampled_from(QUESTIONS),
    st.lists(st.sampled_from(DISGUISES), max_size=3),
    around,
    around,
    st.booleans(),
)
def test_a_planted_question_is_found_in_every_disguise(
    question: str, disguises: list[Callable[[str], str]], before: str, after: str, answered: bool
) -> None:
    """Whole questions long enough to tell, anywhere in what the user or the model says."""
    for disguise in disguises:
        question = disguise(question)
    short = len(question.replace(" ", "")) < 30
    planted = question if short else f"{before}. {question} {after}"
    exchange = said("hello", planted) if answered and not short else said(planted)
    assert Screen({"suite/ability/set": QUESTIONS}).finding(exchange) is not None


@many
@given(around, around)
def test_words_of_ones_own_are_no_leak(question: str, answer: str) -> None:
    assert Screen({"set": QUESTIONS}).finding(said(question, answer)) is None


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (QUESTIONS[0].upper(), Leak.EQUAL),
        (f"Hello! {QUESTIONS[0]} Thanks.", Leak.CONTAINED),
        ("the form that lets me change the postal address of a card", Leak.CONTAINED),
        (f"Do tell: {QUESTIONS[1][:80]} oh well, never mind, all the same", Leak.SHARED_RUN),
        ("银行卡什么时候可以寄到我现在住的地址", Leak.CONTAINED),
        ("is it OPEN", Leak.EQUAL),
        ("Please say, is it open today?", None),
        ("What is the postal address?", None),
    ],
)
def test_both_directions_and_the_least_that_counts(question: str, expected: Leak | None) -> None:
    found = Screen({"set": QUESTIONS}).finding(said(question))
    assert (found and found.leak) == expected


def test_the_wording_that_all_questions_of_a_set_share_gives_nothing_away() -> None:
    template = "Classify the ticket below into exactly one of the queues that we have. Ticket: {}"
    tickets = ["my card never came", "refund has not arrived", "app crashes at login",
               "password reset loops"]  # fmt: skip
    for place in (template, "Ticket: {}. " + template.removesuffix(" Ticket: {}")):
        screen = Screen({"set": [place.format(ticket) for ticket in tickets]})
        assert screen.finding(said(place.format("the atm ate it"))) is None
        assert screen.finding(said(place.format(tickets[2]).upper())) is not None
        assert screen.finding(said(place.format("my card has not come"))) is None  # as one begins


texts = st.lists(st.sampled_from(WORDS), min_size=30, max_size=60)


@settings(many, max_examples=40)
@given(st.lists(texts, min_size=2, max_size=5), st.data())
def test_no_near_pair_is_missed_and_no_other_is_told(bases: list[list[str]], data: Any) -> None:
    """Against the definition: every pair whose sketches agree, found without comparing all."""
    sketches = []
    for base in bases:
        for _ in range(3):
            place = data.draw(st.integers(0, len(base) - 1))
            changed = [*base[:place], data.draw(st.sampled_from(WORDS)), *base[place + 1 :]]
            sketches.append(sketch_of(runs_of(" ".join(changed))))
    known = {sketch: number for number, sketch in enumerate(sketches)}
    pairs = {
        frozenset((sketches[a], sketches[b]))
        for a, b in near_pairs(sketches)
        if sketches[a] != sketches[b]
    }
    expected = {
        frozenset((a, b)) for a in known for b in known if a != b and are_near(a, b)
    }  # fmt: skip
    assert pairs == expected
    assert all(a < b for a, b in near_pairs(sketches))


@many
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=80).map(" ".join))
def test_a_sketch_sees_words_and_nothing_else(text: str) -> None:
    sketch = sketch_of(runs_of(text))
    assert sketch is not None
    assert len(sketch) == SKETCH_BYTES
    assert sketch == sketch_of(runs_of(text.upper().replace(" ", ",  ")))
    assert sketch_of(runs_of(" ?! ")) is None


def long_text(number: int, *, change: int = 0) -> str:
    """Two hundred words; `change` puts another one at a place near the end."""
    words = [f"{WORDS[place * place % len(WORDS)]}{number}{place}" for place in range(200)]
    return " ".join([*words[:198], f"other{change}", words[199]])


def near_copies(groups: Iterable[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """For each (text, copies): calls that are nearly the same, hours apart, in no order."""
    for number, copies in groups:
        for copy in range(copies):
            at = (number * 7 + copy * 5) % 60
            answer = {"role": "assistant", "content": long_text(number, change=copy)}
            yield made.record(
                100 * number + copy,
                text=long_text(number, change=copy),
                answer=answer,
                ts=made.START + made.timedelta(hours=at),
            )


NEAR = {"cleaning": {"dedup": "near"}}


@few
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(1, 3),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from([0.3, 0.5]),
)
def test_of_near_calls_the_earliest_stays_whatever_is_drawn_and_however_files_lie(
    tmp_path_factory: pytest.TempPathFactory,
    copies: list[int],
    pieces: int,
    salt: str,
    ratio: float,
) -> None:
    calls = list(near_copies(enumerate(copies)))
    root = tmp_path_factory.mktemp("near") / "lake"
    lake = made.make_lake(root, *made.cut_up(calls, pieces))
    by_text: dict[str, list[tuple[Any, str]]] = {}
    for call in calls:
        by_text.setdefault(call["call_id"][:-2], []).append((call["ts"], call["call_id"]))
    earliest = {min(same)[1] for same in by_text.values()}

    def drawn(**sampling: Any) -> list[str]:
        recipe = made.recipe(sampling={**sampling, "salt": salt}, **NEAR)
        return [one.call_id for one in Lines(lake.snapshot(), recipe, purpose="test")]

    everything = drawn(ratio=1)
    assert set(everything) == earliest
    small, large = drawn(ratio=ratio), drawn(ratio=2 * ratio)
    assert large[: len(small)] == small
    assert set(large) <= earliest
    compact(lake)
    assert drawn(ratio=1) == everything


def test_calls_that_differ_in_their_answers_are_not_near(tmp_path: Path) -> None:
    calls = [
        made.record(n, text=long_text(1, change=n), answer={"role": "assistant", "content": word})
        for n, word in enumerate(("yes", "no", "yes"))
    ]
    lines = lines_of(made.make_lake(tmp_path / "lake", calls), **NEAR)
    assert [one.call_id for one in lines] == ["call-00000", "call-00001"]
    assert lines.tally.dropped == {"near_duplicate": 1}


def lines_of(lake: Lake, **spec: Any) -> Lines:
    recipe = made.recipe(sampling={"count": 1000, "order": "chronological"}, **spec)
    return Lines(lake.snapshot(), recipe, purpose="test")


@few
@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=6),
    st.integers(2, 9),
    st.sampled_from(["call", "session", "subject"]),
)
def test_neither_groups_nor_nearly_equal_prompts_are_torn_by_the_split(
    tmp_path_factory: pytest.TempPathFactory, copies: list[int], sessions: int, by: str
) -> None:
    calls = [
        made.record(
            100 * n + copy,
            text=long_text(n, change=copy),
            session_id=f"s{(n + 3 * copy) % sessions}",
            request={"user": f"u{(n + copy) % sessions}"},
        )
        for n, count in enumerate(copies)
        for copy in range(count)
    ]
    lake = made.make_lake(tmp_path_factory.mktemp("split") / "lake", *made.cut_up(calls, 2))
    lines = lines_of(lake, split={"validation": 0.4, "by": by})
    ids = [one.call_id for one in lines]
    side = dict(zip(ids, lines.splits(), strict=True))
    assert len(side) == len(calls)
    for mine in calls:
        for other in calls:
            near = mine["call_id"][:-2] == other["call_id"][:-2]
            same_session = by == "session" and mine["session_id"] == other["session_id"]
            same_user = by == "subject" and user_of(mine) == user_of(other)
            if near or same_session or same_user:
                assert side[mine["call_id"]] == side[other["call_id"]]


def user_of(call: dict[str, Any]) -> str:
    return str(orjson.loads(call["request"])["user"])


def test_both_sides_get_lines_where_prompts_share_a_template(tmp_path: Path) -> None:
    template = " ".join(WORDS * 2) + " ticket {} {} {}"
    calls = [made.record(n, text=template.format(f"a{n}", f"b{n}", f"c{n}")) for n in range(60)]
    lines = lines_of(made.make_lake(tmp_path / "lake", calls), split={"validation": 0.3})
    assert len(list(lines)) == 60
    assert set(lines.splits()) == {"train", "validation"}


@pytest.fixture
def judged(tmp_path: Path) -> Lake:
    """Six calls, of which some were corrected: twice, by a judge only, by something unsayable."""
    lake = made.make_lake(tmp_path / "lake", made.records(6))
    rows = [
        correction(1, "first", minute=1),
        correction(1, "second", minute=5),
        correction(2, "machine's", minute=1, source="judge"),
        {**correction(3, "x", minute=1), "text": '{"role": "assistant", "audio": {"id": "1"}}'},
        correction(99, "of no call here", minute=1),
    ]
    append_feedback(lake, reversed(rows))
    return lake


def correction(number: int, text: str, *, minute: int, source: str = "human") -> dict[str, Any]:
    return {
        "feedback_id": f"f-{number}-{minute}-{source}",
        "call_id": f"call-{number:05}",
        "ts": made.START + made.timedelta(days=1, minutes=minute),
        "endpoint": "chat",
        "name": "answer",
        "kind": "correction",
        "source": source,
        "text": orjson.dumps({"role": "assistant", "content": text}).decode(),
    }


def test_the_newest_correction_by_a_person_is_what_is_taught(judged: Lake) -> None:
    lines = lines_of(judged, targets="corrected")
    answers = {one.call_id: orjson.loads(one.data)["messages"][-1]["content"] for one in lines}
    assert answers["call-00001"] == "second"
    assert answers["call-00002"] == "answer to question 2"
    assert "call-00003" not in answers
    assert (lines.tally.corrected, lines.tally.kept) == (1, 5)
    plain = lines_of(judged)
    assert b"second" not in b"".join(one.data for one in plain)
    assert plain.tally.corrected == 0


def test_corrections_past_the_cut_do_not_change_a_version(judged: Lake, tmp_path: Path) -> None:
    recipe = made.recipe(sampling={"ratio": 1}, targets="corrected")
    facts = {"catalog": Catalog(tmp_path / "sets"), "name": "talks", "owner": "me"}
    first = build(judged, recipe, **facts)
    append_feedback(judged, [correction(4, "late", minute=9)])
    assert build(judged, recipe, cut=first.cut, **facts).digest == first.digest
    assert build(judged, recipe, **facts).corrected == 2
    assert verify(facts["catalog"], "talks", 1, lake=judged).ok


def test_a_call_whose_text_is_gone_is_counted_as_expired(tmp_path: Path) -> None:
    calls = [made.record(1), {**made.record(2), "request": "", "response": ""}]
    lines = lines_of(made.make_lake(tmp_path / "lake", calls))
    assert [one.call_id for one in lines] == ["call-00001"]
    assert lines.tally.dropped == {"expired": 1}


def test_leaks_are_counted_by_set_and_rebuilt_after_the_file_of_questions_changed(
    tmp_path: Path,
) -> None:
    calls = [made.record(n, text=text) for n, text in enumerate((*QUESTIONS, "mine", "also mine"))]
    lake, catalog = made.make_lake(tmp_path / "lake", calls), Catalog(tmp_path / "sets")
    file = tmp_path / "questions.csv"
    file.write_text("id,question,label\n" + "".join(f'{n},"{one}",card\n' for n, one in
                    enumerate(QUESTIONS)), encoding="utf-8")  # fmt: skip
    name = "suite/ability/paraphrases"
    held_out = {name: HeldOut(catalog).keep(file)}
    recipe = made.recipe(sampling={"ratio": 1}, heldOut=held_out)
    manifest = build(
        lake, recipe, catalog=catalog, name="talks", owner="me",
        held_out=HeldOut(catalog).questions(held_out),
    )  # fmt: skip
    assert manifest.dropped == {"contaminated": 4}
    assert manifest.leaks == {name: {"equal": 4}}
    assert manifest.recipe["heldOut"] == held_out
    with pytest.raises(DatasetError, match="its questions are not given"):
        build(lake, recipe, catalog=catalog, name="unheld", owner="me")
    file.unlink()
    assert verify(catalog, "talks", 1, lake=lake).ok


def test_questions_are_read_from_every_usual_shape(tmp_path: Path) -> None:
    long = "x" * 60
    rows = [
        {"question": "q1", "answer": "card"},
        {"messages": [{"role": "system", "content": "s" * 50},
                      {"role": "user", "content": [{"type": "text", "text": "q2"}]},
                      {"role": "assistant", "content": "short"}]},
        {"input": "q3", "reference": long},
        {"input": "q4", "label": "y" * 70},
        {"input": "q5", "label": "y" * 70},
    ]  # fmt: skip
    file = tmp_path / "q.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    assert list(questions_in(file)) == ["q1", "q2", "q3", "q4", "q5", long]
