"""The examples about models: what each of them is there to show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import HOME, Checkout, copy_of

from support.chat_servers import ChatServer
from support.desk_models import JUDGE, NEW, OLD, TEACHER, served_to_examples

ENVIRONMENTS = HOME / "examples/11-environments"


@pytest.fixture(autouse=True, scope="module")
def models() -> Iterator[ChatServer]:
    with served_to_examples() as server:
        yield server


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    return copy_of(f"examples/{request.param}", tmp_path / request.param)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("example", ["08-distil", "09-lora-folder"], indirect=True)
def test_what_trains_is_planned_to_the_end_without_training(example: Checkout) -> None:
    if example.folder.name == "09-lora-folder":
        example.run("plan", expect=1)
        example.run("models export builtin:tiny-chat --to base")
    plan = example.run("plan")
    order = ["Dataset/desk v1", "FineTuneJob/desk v1", "create   Endpoint/"]
    places = [plan.rindex(one) for one in order]
    assert places == sorted(places)


def test_no_question_of_the_distilled_suite_is_one_that_the_teacher_is_asked() -> None:
    folder = HOME / "examples/08-distil"
    asked = {line["messages"][-1]["content"] for line in lines(folder / "questions.jsonl")}
    scored = {line["messages"][-1]["content"] for line in lines(folder / "eval/tickets.jsonl")}
    assert len(asked) == 320
    assert not asked & scored


@pytest.mark.slow
@pytest.mark.parametrize("example", ["08-distil"], indirect=True)
def test_the_student_beats_looking_up_and_the_teacher_is_asked_once(
    example: Checkout, models: ChatServer
) -> None:
    example.run("apply --yes --wait")
    report = example.json("eval show desk")
    composites = {one["label"]: one["composite"]["score"] for one in report["subjects"]}
    student, nearest = composites["desk@1"], composites["nearest question"]
    assert student > nearest + 15
    assert composites[TEACHER] > nearest
    told = {row["id"] for row in lines(example.folder / "answers/teacher/output.jsonl")}
    assert len(told) == 320
    before = models.asked[TEACHER]
    assert example.run("apply --yes --wait").startswith("No changes.")
    assert models.asked[TEACHER] == before


@pytest.mark.slow
@pytest.mark.parametrize("example", ["09-lora-folder"], indirect=True)
def test_the_adapter_is_small_shares_a_process_and_leaves_as_a_full_model(
    example: Checkout,
) -> None:
    example.run("models export builtin:tiny-chat --to base")
    example.run("apply --yes --wait")
    runtimes = re.findall(r"^Runtime .*$", example.run("serve --status"), re.MULTILINE)
    assert [("./base" in one, "desk@1" in one) for one in runtimes] == [(True, True)]
    example.run("models export desk --to adapter --adapter")
    example.run("models export desk --to merged --merged")
    weights = example.folder / "base/model.safetensors"
    assert (example.folder / "adapter/adapter_model.safetensors").stat().st_size * 2 < (
        weights.stat().st_size
    )
    assert (example.folder / "merged/model.safetensors").stat().st_size == pytest.approx(
        weights.stat().st_size, rel=0.01
    )
    answered = lines(example.folder / "answers/backlog/output.jsonl")
    asked = lines(example.folder / "backlog.jsonl")
    assert [one["custom_id"] for one in answered] == [one["custom_id"] for one in asked]
    texts = [one["response"]["body"]["choices"][0]["message"]["content"] for one in answered]
    right = [
        json.dumps({"desk": one["custom_id"].partition("-")[0]}) == text
        for one, text in zip(answered, texts, strict=True)
    ]
    assert sum(right) >= 5, "the desk stands in the id; a guess has 2 of 8"


@pytest.mark.parametrize("example", ["10-judge"], indirect=True)
def test_a_judge_scores_and_prefers_and_another_rubric_asks_only_the_judge(
    example: Checkout, models: ChatServer
) -> None:
    example.run("apply --yes --wait")
    report = example.json("eval show desk")
    scores = {
        one["label"]: {name: part["score"] for name, part in one["capabilities"].items()}
        for one in report["subjects"]
    }
    assert scores[NEW]["facts"] == 100
    assert scores[OLD]["facts"] == 0
    assert scores[NEW]["preference"] == 100 - scores[OLD]["preference"] > 50
    before = dict(models.asked)
    manifest = example.folder / "judge.yaml"
    manifest.write_text(manifest.read_text().replace("correct but cold", "correct and cold"))
    example.run("apply --yes --wait")
    assert models.asked[JUDGE] == before[JUDGE] + 15, "each of 16 answers alone, two are equal"
    assert (models.asked[NEW], models.asked[OLD]) == (before[NEW], before[OLD])


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_what_is_rendered_is_what_the_overlay_says(environment: str) -> None:
    rendered = yaml.safe_load_all((ENVIRONMENTS / f"{environment}.yaml").read_text())
    assert list(rendered) == built(ENVIRONMENTS / "overlays" / environment)


def built(folder: Path) -> list[dict[str, Any]]:
    """What `kustomize build` makes of resources, labels and patches of mappings, in its order."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    found: list[dict[str, Any]] = []
    for name in said["resources"]:
        path = folder / name
        found += built(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for one in found:
        for label in said.get("labels", ()):
            one["metadata"].setdefault("labels", {}).update(label["pairs"])
    for patch in said.get("patches", ()):
        change = yaml.safe_load((folder / patch["path"]).read_text())
        merge(next(one for one in found if identity(one) == identity(change)), change)
    return sorted(found, key=identity)


def identity(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def merge(into: dict[str, Any], change: dict[str, Any]) -> None:
    for name, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value


@pytest.mark.parametrize("example", ["11-environments"], indirect=True)
def test_prod_waits_for_a_person_takes_over_in_steps_and_goes_back(example: Checkout) -> None:
    shown = fenced(example)
    decided = iter([0, 6, *[0] * (len(shown) - 2)])
    said = {line: example.run(line, expect=next(decided)) for line in shown}
    assert ".loopwright/prod-world.jsonl" in (example.folder / "prod.yaml").read_text()
    described = next(text for line, text in said.items() if line.startswith("describe"))
    assert "v1 approved, by" in described
    assert "promoted: Model/router@1" in described
    (record,) = example.json("get Endpoint/router --env prod")
    assert record["spec"]["model"] == {"base": "tiny-chat"}, "rolled back"
    assert example.run("plan prod.yaml --env prod").startswith("No changes.")


@pytest.mark.parametrize("example", ["11-environments"], indirect=True)
def test_prod_goes_back_by_itself_when_its_canary_fails(example: Checkout) -> None:
    prod = example.folder / "prod.yaml"
    prod.write_text(
        prod.read_text().replace(
            "    scores:", "    canaries:\n      router:\n        errorRate: 0.07\n    scores:"
        )
    )
    example.run("apply prod.yaml --env prod --yes --wait", expect=6)
    example.run("approve Endpoint/router prod.yaml --env prod")
    example.run("apply prod.yaml --env prod --yes --wait")
    (record,) = example.json("get Endpoint/router --env prod")
    assert record["spec"]["model"] == {"base": "tiny-chat"}
    described = example.run("describe Endpoint/router --env prod")
    assert "rejected, by its canary: error rate 7.0 % > 1 % at 10 %" in described


def fenced(example: Checkout) -> Sequence[str]:
    """The command lines of the page's fenced blocks, without `loopwright`."""
    text = (example.folder / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line.removeprefix("loopwright ") for block in blocks for line in block.splitlines()]
