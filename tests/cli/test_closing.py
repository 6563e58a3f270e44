"""The end of an apply: what was decided and why, where reports lie, what to do next."""

from __future__ import annotations

from typing import Any

from loopwright.cli.rendering import show_outcome
from loopwright.cli.results import Results
from loopwright.engine.applied import Applied
from loopwright.engine.events import Event, EventType
from loopwright.engine.reconcile import Outcome
from loopwright.planning.change import Action, Change
from loopwright.planning.plan import Header, Plan
from loopwright.resources.address import Address
from loopwright.state.records import Record

PROD, RUN = Address("Endpoint", "prod"), Address("EvalRun", "candidate")
_BEGAN, _EARLIER = "2026-03-01T10:00:00Z", "2026-02-01T10:00:00Z"
_FACTS = ["composite 91.2 >= 60", "routing +12.4 (at least +10.8 with 95 % confidence)"]


class _Shown:
    def __call__(self, event: Event) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class _State:
    """As much of a state as the end of an apply looks at."""

    def __init__(self, *decisions: dict[str, Any]) -> None:
        self._records = {
            PROD: Record(PROD, promoted={"decisions": list(decisions)}),
            RUN: Record(RUN, outputs={"report": ".loopwright/default/evaluations/v1/report.html"}),
        }

    def records(self) -> dict[Address, Record]:
        return self._records

    def record(self, address: Address) -> Record | None:
        return self._records.get(address)


def _decided(decision: str, at: str = _BEGAN, **more: Any) -> dict[str, Any]:
    run = {"evalRun": "EvalRun/candidate", "evalRevision": 1}
    return {"decision": decision, "at": at, "revision": 2, "facts": _FACTS, **run, **more}


def _end(*decisions: dict[str, Any], done: Action = Action.PROMOTE) -> list[str]:
    shown: Any = _Shown()
    results, lines = Results(shown), list[str]()
    for address, action in ((RUN, Action.RUN), (PROD, done)):
        results(Event(EventType.SUCCEEDED, _BEGAN, "", str(address), action.value, "", "v1"))
    state: Any = _State(*decisions)
    results.look_up(state)
    plan = Plan(Header("default", "x", 1, "m", ()), ())
    applied = Applied(done=[Change(RUN, Action.RUN), Change(PROD, done)])
    show_outcome(Outcome(plan, applied), results, out=lines.append)
    return lines


def test_a_promotion_is_told_with_the_numbers_that_decided_it() -> None:
    facts = "; ".join(_FACTS)
    assert _end(_decided("refused", _EARLIER), _decided("promoted")) == [
        "Done: 1 run, 1 promoted.",
        f"  Endpoint/prod  v2 promoted: {facts} (EvalRun/candidate v1)",
        "Report: .loopwright/default/evaluations/v1/report.html",
        "Next: loopwright chat prod",
    ]


def test_a_refusal_is_told_and_nothing_to_chat_with_is_suggested() -> None:
    lines = _end(_decided("refused"), done=Action.UPDATE)
    assert lines[1].startswith("  Endpoint/prod  v2 refused: composite 91.2 >= 60; ")
    assert lines[-1] == "Next: loopwright get"


def test_a_new_endpoint_is_to_be_chatted_with() -> None:
    assert _end(done=Action.CREATE)[-1] == "Next: loopwright chat prod"


def test_what_was_decided_before_is_not_told_again() -> None:
    assert not [line for line in _end(_decided("promoted", _EARLIER)) if "promoted:" in line]
