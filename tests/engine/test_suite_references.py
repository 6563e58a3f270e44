"""What an EvalSuite refers to decides evaluations: the judge's model, a dataset's version."""

from __future__ import annotations

from typing import Any

from loopwright.engine.targets import Targets
from loopwright.planning.change import Action
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from support.projects import TestProject, declared, resource

RUN, DATASET = Address("EvalRun", "look"), Address("Dataset", "sft")
RUBRIC = "kind"


def loop(*, judge: str = "big", rubric: str = RUBRIC, ratio: float = 0.5) -> list[Resource]:
    judged: dict[str, Any] = {
        "name": "tone",
        "dataset": "Dataset/sft",
        "method": "judge",
        "judge": {"endpoint": "Endpoint/judge", "rubric": rubric},
    }
    return [
        resource("Provider", "mem", type="memory"),
        resource("Lake", "main", provider="mem", storage="lake"),
        resource("Endpoint", "chat", provider="mem", model={"base": "tiny"}),
        resource("Endpoint", "judge", provider="mem", model={"base": judge}),
        resource(
            "Dataset", "sft", provider="mem", source={"lake": "main"}, sampling={"ratio": ratio}
        ),
        resource("EvalSuite", "s", capabilities=[{"name": "manners", "datasets": [judged]}]),
        resource("EvalRun", "look", provider="mem", suite="s", endpoint="chat"),
    ]


def test_a_run_gets_what_its_suite_refers_to(project: TestProject) -> None:
    resources = loop()
    project.apply(resources)
    graph = declared(resources).graph
    records = {one: project.record(str(one)) for one in graph.resources}
    target = Targets(graph, records, "me").declared(graph.resources[RUN])
    where = "suite.capabilities.0.datasets.0"
    assert target.inputs["suite"].spec["capabilities"][0]["name"] == "manners"
    assert target.inputs[f"{where}.dataset"].outputs["version"] == 1
    assert target.inputs[f"{where}.judge.endpoint"].address == Address("Endpoint", "judge")


def test_another_judge_model_or_rubric_makes_another_run_and_no_other_dataset(
    project: TestProject,
) -> None:
    project.apply(loop())
    for changed in (loop(judge="bigger"), loop(judge="bigger", rubric="kind and short")):
        plan = project.plan(changed)
        run, dataset = plan.change(RUN), plan.change(DATASET)
        assert run is not None
        assert run.action is Action.RUN
        assert dataset is None or dataset.action is Action.NOOP
        project.apply(changed)
    assert project.record(str(RUN)).current == 3
    assert project.record(str(DATASET)).current == 1


def test_a_new_dataset_version_makes_another_run(project: TestProject) -> None:
    project.apply(loop())
    project.apply(loop(ratio=0.6))
    assert (project.record(str(DATASET)).current, project.record(str(RUN)).current) == (2, 2)
