"""Hypothesis strategies: valid manifest sets of every shape, and meddling with a fake cloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from loopwright.resources.base import Resource
from support.projects import TestProject, resource

Meddling = Callable[[TestProject], None]
Draw = Callable[[st.SearchStrategy[Any]], Any]

_maybe = st.booleans()
_limits = st.sampled_from([None, {"rpm": 60, "tpm": 6000}, {"rpm": 600, "tpm": 60000}])
_lifecycles = st.sampled_from([{}, {}, {"deletionPolicy": "retain"}, {"deletionPolicy": "delete"}])
_samplings = st.sampled_from(
    [{}, {"ratio": 0.1}, {"ratio": 0.5, "salt": "b"}, {"count": 50}, {"count": 80, "salt": "c"}]
)
_bases = st.sampled_from(["tiny", "small"])


@st.composite
def connections(draw: Draw) -> dict[str, Any]:
    """How the cloud behaves: how it knows a call again, how long it works, what it adds."""
    found: dict[str, Any] = {"idempotency": draw(st.sampled_from(["token", "name", "none"]))}
    if draw(_maybe):
        found["jobSeconds"] = {"Dataset": 7, "FineTuneJob": 20, "Endpoint": 3}
    if draw(_maybe):
        found["serverDefaults"] = {"Endpoint": {"rateLimit": {"rpm": 5, "tpm": 50}}}
    return found


@st.composite
def manifest_sets(draw: Draw, *, connection: dict[str, Any] | None = None) -> list[Resource]:
    """Any number of lakes, endpoints, datasets, jobs, evaluations and exports that fit together."""
    said = draw(connections()) if connection is None else connection
    drawing = _Drawing(draw)
    drawing.add("Provider", "mem", type="memory", connection=said)
    for name in drawing.some("main", "side"):
        drawing.realised("Lake", name, storage=f"lakes/{name}", retain=True)
    for name in drawing.some("chat", "search"):
        drawing.endpoint(name, {"base": draw(_bases)})
    for name in drawing.some("first", "second") if drawing.names("Lake") else ():
        drawing.dataset(name)
    for name in drawing.some("router", "ranker") if drawing.names("Dataset") else ():
        drawing.realised(
            "FineTuneJob", name, retain=True, base=draw(_bases), dataset=drawing.one("Dataset")
        )
    drawing.promotion()
    drawing.rest()
    return drawing.found


class _Drawing:
    """One set in the making."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.found: list[Resource] = []

    def names(self, kind: str) -> list[str]:
        return [found.metadata.name for found in self.found if found.kind == kind]

    def one(self, kind: str) -> str:
        return self.draw(st.sampled_from(self.names(kind)))

    def some(self, *names: str) -> list[str]:
        return [name for name in names if self.draw(_maybe)]

    def add(self, kind: str, name: str, **spec: Any) -> None:
        said = {field: value for field, value in spec.items() if value is not None}
        self.found.append(resource(kind, name, **said))

    def realised(self, kind: str, name: str, *, retain: bool = False, **spec: Any) -> None:
        """`retain`: kept by itself, so that a policy is drawn for the others only."""
        lifecycle = {} if retain else self.draw(_lifecycles)
        self.add(kind, name, provider="mem", lifecycle=lifecycle, **spec)

    def endpoint(self, name: str, model: dict[str, Any], **spec: Any) -> None:
        limit, runs = self.draw(_limits), self.draw(_maybe)
        self.realised("Endpoint", name, model=model, rateLimit=limit, running=runs, **spec)
        if self.names("Lake") and self.draw(_maybe):
            self.realised("Delivery", name, endpoint=name, lake=self.one("Lake"))

    def dataset(self, name: str) -> None:
        other = self.names("Dataset")
        target = {"versionOf": other[0]} if other and self.draw(_maybe) else None
        self.realised(
            "Dataset",
            name,
            retain=True,
            source={"lake": self.one("Lake")},
            sampling=self.draw(_samplings),
            split={"validation": 0.1} if self.draw(_maybe) else None,
            target=target,
        )

    def promotion(self) -> None:
        """A candidate, its evaluation, and with luck an endpoint that takes the model over."""
        if not self.names("FineTuneJob") or not self.draw(_maybe):
            return
        job = self.one("FineTuneJob")
        dataset = {"name": "held-out", "dataset": self.one("Dataset"), "method": "exactMatch"}
        self.endpoint("candidate", {"fineTuneJob": job})
        self.add("EvalSuite", "suite", capabilities=[{"name": "x", "datasets": [dataset]}])
        run = {"suite": "suite", "endpoint": "candidate"}
        if not self.draw(_maybe):
            self.realised("EvalRun", "candidate", **run)
            return
        gate: dict[str, Any] = {"evalRun": "candidate"}
        gate["minComposite"] = self.draw(st.sampled_from([1, 75, 99]))
        if self.draw(_maybe):
            run["baseline"] = "prod"
            gate["maxRegression"] = self.draw(st.sampled_from([0, 50]))
        promote: dict[str, Any] = {"from": job, "gate": gate}
        if self.draw(_maybe):
            promote["canary"] = {"steps": [5, 25], "interval": "10m"}
        self.realised("EvalRun", "candidate", **run)
        self.endpoint("prod", {"base": "tiny"}, promote=promote)

    def rest(self) -> None:
        """A batch does not go to `prod`: one apply makes one run, before the promotion."""
        if self.names("Dataset") and self.draw(_maybe):
            source = {"dataset": self.one("Dataset")}
            self.realised("Export", "out", retain=True, source=source, to={"path": "out"})
        endpoints = [name for name in self.names("Endpoint") if name != "prod"]
        if self.names("Dataset") and endpoints and self.draw(_maybe):
            self.realised(
                "BatchInference",
                "nightly",
                endpoint=self.draw(st.sampled_from(endpoints)),
                input={"dataset": self.one("Dataset")},
                output="answers",
            )


@st.composite
def meddlings(draw: Draw) -> list[Meddling]:
    """What others do to the cloud behind loopwright's back: make, edit, remove, use."""
    return draw(st.lists(st.one_of(_strangers(), _edits(), _removals(), _traffic()), max_size=3))


def _strangers() -> st.SearchStrategy[Meddling]:
    """An object of the same name that is not ours."""

    def strange(kind: str, name: str) -> Meddling:
        return lambda project: project.world.make(kind, name, model={"base": "theirs"}) and None

    return st.builds(strange, st.just("Endpoint"), st.sampled_from(["chat", "search", "prod"]))


def _edits() -> st.SearchStrategy[Meddling]:
    def edit(index: int, **spec: Any) -> Meddling:
        def meddle(project: TestProject) -> None:
            found = [thing for thing in project.world.objects("Endpoint") if thing.owner]
            if found:
                project.world.edit(found[index % len(found)].id, **spec)

        return meddle

    return st.builds(
        edit, st.integers(0, 5), rateLimit=_limits, running=_maybe, model=st.just({"base": "x"})
    )


def _removals() -> st.SearchStrategy[Meddling]:
    def remove(index: int) -> Meddling:
        def meddle(project: TestProject) -> None:
            found = [thing for thing in project.world.objects() if thing.owner]
            if found:
                project.world.remove(found[index % len(found)].id)

        return meddle

    return st.builds(remove, st.integers(0, 30))


def _traffic() -> st.SearchStrategy[Meddling]:
    return st.builds(
        lambda count: lambda project: project.world.calls("main", count),
        st.integers(10_000, 20_000),
    )
