"""Whatever happens on the way, after a calm hour the world is as the last good manifests say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watch_bench import Bench, dataset, endpoint, job, lake, provider

from loopwright.engine.reconcile import Reconciler
from loopwright.engine.workspace import declare
from loopwright.planning.plan import Selection

NAMES = ("a", "b", "c")
SLOW = provider(jobSeconds={"FineTuneJob": 40, "Dataset": 5})


def wanted(rpms: tuple[int, ...], seed: int) -> list[str]:
    """A manifest set: an endpoint for each rate that is not zero, and a loop beside them."""
    limits = zip(NAMES, rpms, strict=True)
    endpoints = [endpoint(name, rateLimit={"rpm": rpm, "tpm": 9}) for name, rpm in limits if rpm]
    return [SLOW, lake(), dataset(), job(seed=seed), *endpoints]


manifests = st.builds(wanted, st.tuples(*[st.integers(0, 2)] * len(NAMES)), st.integers(0, 1))
deeds = st.one_of(
    st.tuples(st.just("edit"), manifests),
    st.tuples(
        st.sampled_from(["break", "empty", "remove", "meddle", "restart", "wake"]), st.none()
    ),
)
histories = st.lists(st.tuples(st.integers(1, 120), deeds), max_size=8)


class History:
    """Carries a history out, and counts what was removed behind the watcher's back."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.removed: Counter[str] = Counter()

    def deed(self, name: str, documents: list[str] | None) -> Callable[[], None]:
        deeds: dict[str, Callable[[], None]] = {
            "edit": lambda: self.bench.write(*(documents or [])),
            "break": lambda: self.bench.write("kind: ["),
            "empty": lambda: self.bench.write("# nothing"),
            "remove": self.remove,
            "meddle": self.meddle,
            "wake": lambda: None,
        }
        return deeds[name]

    def remove(self) -> None:
        for found in self.bench.world.objects("Endpoint")[:1]:
            self.bench.world.remove(found.id)
            self.removed[f"Endpoint/{found.name}"] += 1

    def meddle(self) -> None:
        for found in self.bench.world.objects("Endpoint")[:1]:
            self.bench.world.edit(found.id, rateLimit={"rpm": 77, "tpm": 9})


@settings(max_examples=250, deadline=None)
@given(history=histories, last=manifests)
def test_the_world_becomes_what_the_last_good_manifests_say(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[tuple[int, tuple[str, list[str] | None]]],
    last: list[str],
) -> None:
    bench = Bench(tmp_path_factory.mktemp("watch"))
    doing = History(bench)
    bench.write(*wanted((1, 1, 1), 0))
    after = 0
    for seconds, (name, documents) in history:
        after += seconds
        if name == "restart":
            bench.watch(after, interval=50)
            after = 0
        else:
            bench.at(after, doing.deed(name, documents))
    bench.watch(after + 1, interval=50)
    bench.write(*last)
    bench.watch(700, interval=50)
    declared = declare(bench.workspace, [str(bench.manifests)])
    plan = Reconciler(bench.workspace, declared).plan(Selection(prune=False))
    assert [change for change in plan.pending if change.action.writes] == []
    writes = bench.world.writes
    assert "delete" not in {write.action for write in writes}
    made = Counter(
        write.address for write in writes if write.action == "create" and write.effective
    )
    for address, times in made.items():
        if address.startswith(("Endpoint/", "Lake/")):
            assert times <= 1 + doing.removed[address]
    assert bench.status.problems == []
