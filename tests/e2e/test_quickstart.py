"""The first minutes with the README: its commands, as they stand, in a fresh clone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import openai
import pytest
from checkout import Checkout, copy_of

from support.readme import READMES, blocks, outputs, without_installing

APPLY = without_installing(blocks("README.md")[0][0])
LOOK, SERVE = blocks("README.md")[1:3]
TICKET = "My parcel has not arrived after six days. We are in Leeds."
LABELS = {"queue", "priority", "site"}


def clone(folder: Path) -> Checkout:
    """What the quickstart needs of the repository."""
    folder.mkdir()
    copy_of("manifests", folder / "manifests")
    return Checkout(folder)


def digest(checkout: Checkout) -> str:
    (version,) = checkout.json("dataset list")
    return str(version["digest"])


def shape(text: str) -> str:
    """What a command says without its numbers, which differ a little between processors."""
    return re.sub(r"[+-]?\d[\d,.]*", "#", text)


def test_the_readme_from_its_first_command_to_its_last(tmp_path: Path) -> None:
    """In one test, so that the loop is turned once however tests are spread over processes."""
    applied = first_command(tmp_path / "loopwright")
    the_first_command_turned_the_whole_loop(applied)
    the_second_apply_runs_nothing(applied)
    the_lines_it_trained_on_are_there_for_other_tools_too(applied)
    the_commands_to_look_around_all_work(applied)
    another_share_plans_the_exact_cascade_with_its_numbers(applied)
    an_edit_is_one_screen_that_says_what_happens_and_why(applied)
    the_openai_client_is_answered_by_the_promoted_model(applied)
    the_commands_to_serve_and_ask_all_work(applied)


def first_command(folder: Path) -> Checkout:
    checkout = clone(folder)
    said = checkout.shell(APPLY)
    for page in READMES:
        shown = outputs(page)[0]
        assert shape(said).endswith(shape(shown)), f"{page} shows another end:\n{said}"
        for line in shown.splitlines():
            if line.startswith(("  CallImport/", "  Dataset/", "  Export/")):
                assert line in said, f"{page} shows other numbers"
    return checkout


def the_first_command_turned_the_whole_loop(applied: Checkout) -> None:
    (model,) = applied.json("models list")
    assert (model["name"], model["version"]) == ("ticket-router", 1)
    (endpoint,) = applied.json("get Endpoint/ticket-router")
    assert endpoint["spec"]["model"] == {"model": "Model/ticket-router@1"}
    (run,) = applied.json("get EvalRun/ticket-router")
    scores = run["outputs"]
    assert scores["composite"] >= 40
    assert scores["composite"] > 10 + max(scores["floors"].values())
    assert scores["baseline"]["composite"] < 5
    page = (applied.folder / scores["report"]).read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "nearest question" in page


def the_second_apply_runs_nothing(applied: Checkout) -> None:
    assert applied.run("plan manifests").startswith("No changes. 11 resources match")
    assert applied.shell(APPLY).startswith("No changes.")
    assert [one["version"] for one in applied.json("models list")] == [1]


def the_lines_it_trained_on_are_there_for_other_tools_too(applied: Checkout) -> None:
    (version,) = applied.json("dataset list")
    folder = applied.folder / "exports/ticket-router"
    lines = [
        json.loads(line)
        for name in ("train.jsonl", "validation.jsonl")
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
    ]
    assert len(lines) == version["rows"] > 1500
    assert {line["messages"][-1]["role"] for line in lines} == {"assistant"}
    made = applied.folder / ".loopwright/default/datasets/ticket-router/v1"
    assert json.loads((made / "manifest.json").read_text())["digest"] == version["digest"]
    assert (made / "train.jsonl").read_bytes() == (folder / "train.jsonl").read_bytes()
    assert "as it was written" in applied.run("lake verify")
    key = applied.folder / ".loopwright/keys/support.key"
    assert key.stat().st_mode & 0o077 == 0


def the_commands_to_look_around_all_work(applied: Checkout) -> None:
    said = {line.removeprefix(".venv/bin/loopwright "): applied.shell(line) for line in LOOK}
    plan = said["plan manifests"]
    assert plan.startswith("No changes. 11 resources match the manifests")
    assert plan.count("\n") == 1
    (chat,) = (text for line, text in said.items() if line.startswith("chat "))
    assert json.loads(chat).keys() == LABELS, "the promoted model answers"
    lineage = said["models lineage ticket-router"]
    for part in ("FineTuneJob/ticket-router", "Dataset/ticket-router", "builtin:tiny-chat"):
        assert part in lineage
    verified = said["dataset verify ticket-router"]
    assert "is as it was built" in verified
    assert digest(applied) in verified


def another_share_plans_the_exact_cascade_with_its_numbers(applied: Checkout) -> None:
    (line,) = (line for line in LOOK if "--var RATIO" in line)
    plan = applied.shell(line)
    for told in (
        "Dataset/ticket-router v2  sampling.ratio 0.8 -> 0.9",
        "FineTuneJob/ticket-router v2",
        "EvalRun/ticket-router v2",
        "Endpoint/ticket-router-candidate",
        "if it passes: model becomes",
    ):
        assert told in plan
    assert re.search(r"≈ [\d,]+ rows · .* · ≈ [\d,]+ steps · ", plan)
    assert len(plan.splitlines()) <= 45


def the_openai_client_is_answered_by_the_promoted_model(applied: Checkout) -> None:
    (endpoint,) = applied.json("get Endpoint/ticket-router")
    question = [{"role": "user", "content": TICKET}]
    with openai.OpenAI(base_url=endpoint["outputs"]["url"], api_key="any") as client:
        whole = client.chat.completions.create(
            model="ticket-router", messages=question, temperature=0, max_tokens=48
        )
        parts = client.chat.completions.create(
            model="ticket-router", messages=question, temperature=0, max_tokens=48, stream=True
        )
        streamed = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    assert whole.model == "ticket-router@1"
    assert json.loads(whole.choices[0].message.content or "").keys() == LABELS
    assert streamed == whole.choices[0].message.content
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 5


def the_commands_to_serve_and_ask_all_work(applied: Checkout) -> None:
    *asking, stop = SERVE
    status, _, by_outcome, _, audit = (applied.shell(line) for line in asking)
    assert "ticket-router: running, serves ticket-router@1, calls recorded by" in status
    assert "ok" in by_outcome
    assert re.search(r"accepted calls? (is|are) accounted for", audit)
    applied.shell(stop)
    assert "the project daemon does not run" in applied.shell(".venv/bin/loopwright plan manifests")


@pytest.mark.slow
def test_two_clones_and_a_compacted_lake_give_the_same_digest(tmp_path: Path) -> None:
    first, second = clone(tmp_path / "first"), clone(tmp_path / "second")
    for one in (first, second):
        one.run("apply manifests --yes --wait --target Dataset/ticket-router")
    assert digest(second) == digest(first)
    second.run("lake compact")
    assert digest(first) in second.run("dataset verify ticket-router")


def an_edit_is_one_screen_that_says_what_happens_and_why(applied: Checkout) -> None:
    manifest = applied.folder / "manifests/flywheel.yaml"
    before = manifest.read_text(encoding="utf-8")
    manifest.write_text(before.replace("validation: 0.1", "validation: 0.2"), encoding="utf-8")
    try:
        plan = applied.run("plan manifests")
    finally:
        manifest.write_text(before, encoding="utf-8")
    assert len(plan.splitlines()) <= 50
    assert "Dataset/ticket-router v2  split.validation 0.1 -> 0.2" in plan
    assert re.search(r"Export/ticket-router v2 +Dataset/ticket-router is about to change", plan)
