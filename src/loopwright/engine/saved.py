"""A saved plan is an approval: written once, applied exactly, refused when the world moved on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import PlanError, StalePlanError
from loopwright.hashing import digest
from loopwright.planning.plan import Plan
from loopwright.planning.render.json import from_document, to_document
from loopwright.state.store import StateReader


@dataclass(frozen=True)
class SavedPlan:
    """A plan, its id, and how its manifests were read."""

    id: str
    plan: Plan
    paths: tuple[str, ...]
    var_files: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan, paths: tuple[str, ...], var_files: tuple[str, ...] = ()) -> SavedPlan:
        return cls(plan_id(plan), plan, paths, var_files)


def plan_id(plan: Plan) -> str:
    """Twelve hex digits: the same plan of the same state has the same id."""
    document = to_document(plan)
    document["header"] = {**document["header"], "refreshed_at": ""}
    return digest(document).removeprefix("sha256:")[:12]


def write_saved(saved: SavedPlan, path: Path) -> None:
    """Write it whole or not at all."""
    data: dict[str, Any] = {
        "format": "loopwright.saved-plan",
        "id": saved.id,
        "paths": list(saved.paths),
        "var_files": list(saved.var_files),
        "plan": to_document(saved.plan),
    }
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))
        partial.replace(path)
    except OSError as error:
        raise PlanError(f"cannot write the plan to {path}: {error.strerror}") from error


def read_saved(path: Path) -> SavedPlan:
    """Raises PlanError when it is not a saved plan, or was changed by hand."""
    try:
        data = orjson.loads(path.read_bytes())
        if data["format"] != "loopwright.saved-plan":
            raise KeyError("format")
        plan = from_document(data["plan"])
        saved = SavedPlan(data["id"], plan, tuple(data["paths"]), tuple(data["var_files"]))
    except OSError as error:
        raise PlanError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(
            f"{path} is not a saved plan", hint="make one with `loopwright plan --out FILE`"
        ) from error
    if plan_id(plan) != saved.id:
        raise PlanError(f"{path} was changed after it was saved", hint="plan again")
    return saved


def is_saved_plan(path: Path) -> bool:
    """Whether a file looks like one, without reading all of it."""
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return b'"loopwright.saved-plan"' in handle.read(200)


def check_fresh(saved: SavedPlan, now: Plan, reader: StateReader, *, resumes: bool) -> Plan:
    """The plan to execute: `now`, proven to be what was approved.

    Raises StalePlanError, before anything is written, when state, manifests or a touched
    object moved on. With `resumes` the plan's own earlier writes do not count.
    """
    old = saved.plan
    _same("the state is another one", old.header.lineage or now.header.lineage, now.header.lineage)
    _same("the environment is another one", old.header.environment, now.header.environment)
    _same("the manifests changed since", old.header.manifests, now.header.manifests)
    foreign = _foreign_writes(saved, reader)
    if foreign and (foreign != "this plan" or not resumes):
        what = "it was applied already" if foreign == "this plan" else "the state moved on"
        left = "go on with --resume" if now.pending else "nothing of it is left to do"
        hint = left if foreign == "this plan" else None
        raise StalePlanError(f"the saved plan is stale: {what}", hint=hint or "plan again")
    if resumes:
        return _subset(old, now)
    moved = [
        address for address, seen in sorted(old.world.items()) if now.world.get(address) != seen
    ]
    if moved:
        raise StalePlanError(
            f"the saved plan is stale: {', '.join(moved)} changed outside since", hint="plan again"
        )
    if _essence(old) != _essence(now):
        raise StalePlanError(
            "the saved plan is stale: planning now gives something else", hint="plan again"
        )
    return now


def _same(problem: str, before: str, after: str) -> None:
    if before != after:
        raise StalePlanError(f"the saved plan is stale: {problem}", hint="plan again")


def _foreign_writes(saved: SavedPlan, reader: StateReader) -> str:
    """Who wrote since the plan was made: nobody, this plan itself, or somebody else."""
    if reader.serial == saved.plan.header.serial:
        return ""
    own = False
    for entry in reader.journal(newest_first=True):
        if entry.kind == "lease":
            continue
        if entry.run != saved.id:
            break
        own = True
    since = reader.serial - saved.plan.header.serial
    mine = sum(1 for entry in reader.journal(run=saved.id))
    return "this plan" if own and mine >= since else "others"


def _subset(old: Plan, now: Plan) -> Plan:
    """Of a resumed plan: what it listed and has not done yet."""
    listed = {change.address for change in old.pending}
    extra = [str(change.address) for change in now.pending if change.address not in listed]
    if extra:
        raise StalePlanError(f"the saved plan does not cover {', '.join(extra)}", hint="plan again")
    return now


def _essence(plan: Plan) -> list[Any]:
    """What decides what is done: not wording, not numbers that move by themselves."""
    return [
        (
            str(change.address),
            change.action.value,
            change.stage,
            change.fingerprint,
            [(field.path, str(field.after)) for field in change.fields],
        )
        for change in plan.pending
    ]
