"""An EvalRun as the evaluation wants it: sets of questions, who is asked, floors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from loopwright.evaluation.questions import Judging, QuestionSet
from loopwright.lake.datasets.version import TRAIN, VALIDATION
from loopwright.providers.base import Resolved, Target
from loopwright.providers.local.places import Places
from loopwright.resources.address import Address

_SETTINGS = (
    "compare",
    "pattern",
    "schema",
    "tolerance",
    "relativeTolerance",
    "choices",
    "partialCredit",
    "extract",
)


def question_sets(target: Target, places: Places) -> tuple[QuestionSet, ...]:
    """Every set of the suite in its order. One that is drawn from a dataset without a version
    yet has no path."""
    return tuple(
        _question_set(target, places, f"suite.capabilities.{number}.datasets.{place}", name, said)
        for number, capability in enumerate(_suite(target).spec["capabilities"])
        for name in [capability["name"]]
        for place, said in enumerate(capability["datasets"])
    )


def drawn_without_split(target: Target, places: Places) -> Iterator[str]:
    """The datasets that sets are drawn from and whose version has no validation split."""
    for asked in question_sets(target, places):
        if asked.path and asked.file.name == f"{VALIDATION}.jsonl" and not asked.file.is_file():
            yield asked.file.parent.parent.name


def contestants(target: Target) -> list[dict[str, str]]:
    """Label, endpoint, digest and name in answers of the evaluated model, and of the baseline if
    there is one."""
    found: list[dict[str, str]] = []
    for path in ("endpoint", "baseline"):
        if (said := target.inputs.get(path)) is None:
            continue
        label = str(said.outputs.get("serves") or said.address.name)
        if any(one["label"] == label for one in found):
            label = f"{label} ({said.address.name})"
        found.append(
            {
                "label": label,
                "endpoint": said.address.name,
                "digest": model_digest(said),
                "serves": name_in_answers(said),
            }
        )
    return found


def name_in_answers(endpoint: Resolved) -> str:
    """What answers call the model, which our own runtime says as it is recorded; empty: other
    servers may have a name of their own for it."""
    is_ours = "upstream" not in endpoint.spec.get("model", {"upstream": {}})
    is_embedded = is_ours and not (endpoint.spec.get("runtime") or {}).get("vllm")
    return str(endpoint.outputs.get("serves") or "") if is_embedded else ""


def model_digest(endpoint: Resolved) -> str:
    """Of the model that answers; where that is not told, of the endpoint as it is declared."""
    return str(endpoint.outputs.get("modelDigest") or endpoint.digest)


def floors_file(target: Target, places: Places) -> Path | None:
    """The training split that floors learn from; None where none is asked for or there yet."""
    found = target.inputs.get("floors")
    if found is None or not found.outputs:
        return None
    return places.path(str(found.outputs["path"])) / f"{TRAIN}.jsonl"


def _suite(target: Target) -> Resolved:
    return target.inputs["suite"]


def _question_set(
    target: Target, places: Places, path: str, capability: str, said: Mapping[str, Any]
) -> QuestionSet:
    asked = QuestionSet(
        capability,
        said["name"],
        _file(target, places, path, said),
        said["method"],
        float(said.get("weight", 1)),
        {name: one for name in _SETTINGS if (one := _settled(said.get(name)))},
        said.get("parameters") or {},
        said.get("systemPrompt"),
        said.get("turns", "last"),
        said.get("limit"),
    )
    judge = said.get("judge")
    if not judge:
        return asked
    return replace(asked, judging=_judging(judge, target.inputs.get(f"{path}.judge.endpoint")))


def _file(target: Target, places: Places, path: str, said: Mapping[str, Any]) -> str:
    if "file" in said:
        return str((_suite(target).base_dir / str(said["file"])).absolute())
    drawn = target.inputs.get(f"{path}.dataset")
    if drawn is None or not drawn.outputs:
        return ""
    return str(places.path(str(drawn.outputs["path"])) / f"{VALIDATION}.jsonl")


def _judging(judge: Mapping[str, Any], endpoint: Resolved | None) -> Judging:
    return Judging(
        Address.parse(judge["endpoint"]).name,
        model_digest(endpoint) if endpoint else "",
        judge["rubric"],
        judge.get("scale", 5),
        judge.get("pairwise", False),
        judge.get("parameters") or {},
    )


def _settled(value: Any) -> Any:
    """Without what says nothing, so that a default of a later release changes no item."""
    if isinstance(value, Mapping) and set(map(type, value.values())) == {bool}:
        return {name: one for name, one in value.items() if one}
    return value
