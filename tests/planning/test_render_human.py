"""What a person at a terminal may rely on, whatever the plan."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_cases import CASES, change, plan
from plan_strategies import plans

from loopwright.planning.change import Action, Drift, DriftClass, Obstacle
from loopwright.planning.plan import Plan, Quiet
from loopwright.planning.render import human
from loopwright.planning.render.width import display_width
from loopwright.planning.render.wording import VERBS
from loopwright.resources.address import Address

_SGR = re.compile(r"\x1b\[\d+m")


@settings(max_examples=15)
@given(plans, st.sampled_from([40, 60, 80, 120]), st.integers(0, 2))
def test_no_line_is_wider_than_asked_or_steers_the_terminal(
    plan: Plan, width: int, verbosity: int
) -> None:
    lines = human.render(plan, width=width, verbosity=verbosity).split("\n")
    assert max(map(display_width, lines)) <= width
    assert all(line.isprintable() for line in lines)


@settings(max_examples=15)
@given(plans)
def test_color_adds_nothing_but_color(plan: Plan) -> None:
    colored = human.render(plan, color=True)
    assert _SGR.sub("", colored) == human.render(plan)


@settings(max_examples=15)
@given(plans.filter(lambda plan: not plan.is_empty))
def test_every_pending_change_has_its_verb_and_name_and_is_counted(plan: Plan) -> None:
    text = human.render(plan, width=200)
    for pending in plan.pending:
        assert re.search(rf"^ .{{4}} {VERBS[pending.action]} +{pending.address}\b", text, re.M)
    footer = re.search(r"^Plan {8}(.*)$", text, re.M)
    assert footer is not None
    counted, _, _ = footer[1].partition(";")
    assert sum(map(int, re.findall(r"\d+", counted))) == len(plan.changes)


@pytest.mark.parametrize("case", CASES)
def test_our_own_signs_can_be_ascii(case: str) -> None:
    def foreign(text: str) -> set[str]:
        return {sign for sign in "≈·…¥€→≤≥" if sign in text}

    assert foreign(human.render(CASES[case](), ascii_only=True)) == set()


def test_a_thousand_creations_are_one_screen_and_all_of_them_with_v() -> None:
    many = plan(*(change(f"CallImport/i{i}", Action.CREATE, "new") for i in range(1_000)))
    assert len(human.render(many).splitlines()) <= 24
    assert "… and 995 more CallImport to create; -v lists them" in human.render(many)
    assert human.render(many, verbosity=1).count("  create  ") == 1_000


def test_an_odd_one_among_a_thousand_alike_is_shown() -> None:
    alike = [change(f"Endpoint/e{i}", Action.UPDATE, "running false -> true") for i in range(999)]
    odd = change("Endpoint/zz-prod", Action.UPDATE, "rateLimit.rpm 600 -> 6")
    assert "rateLimit.rpm 600 -> 6" in human.render(plan(*alike, odd))


def test_a_thousand_different_reasons_still_fit_on_a_screen() -> None:
    many = plan(
        *(change(f"Endpoint/e{i}", Action.ADOPT, f"exists as ep-{i}") for i in range(1_000))
    )
    text = human.render(many)
    assert len(text.splitlines()) <= 24
    assert "995 more Endpoint to adopt, for other reasons" in text


@pytest.mark.parametrize("action", [Action.DELETE, Action.REPLACE, Action.PROMOTE])
def test_what_is_lost_or_takes_over_is_never_folded(action: Action) -> None:
    many = plan(*(change(f"Endpoint/e{i}", action, "why") for i in range(200)))
    assert human.render(many).count(f" {VERBS[action]}  ") == 200


def test_an_empty_plan_is_one_line_even_with_quiet_drift() -> None:
    quiet = (Drift(Address("Endpoint", "e0"), DriftClass.DEFAULT, "moderation", None, "on"),)
    empty = replace(CASES["nothing-to-do"](), drift=quiet)
    assert human.render(empty) == "No changes. 14 resources match the manifests (state 57)."
    assert "moderation" in human.render(empty, verbosity=1)


def test_an_empty_plan_tells_drift_that_nobody_will_mend() -> None:
    ill = (Drift(Address("Endpoint", "e0"), DriftClass.STATUS, note="Stopped: 欠费"),)
    text = human.render(replace(CASES["nothing-to-do"](), drift=ill))
    assert "! Endpoint/e0 status: Stopped: 欠费 (no change is planned for it)" in text


def test_an_empty_plan_counts_what_is_left_alone() -> None:
    held = (Quiet(Address("Endpoint", "e0"), "suspended by li: vendor bug"),)
    empty = replace(CASES["nothing-to-do"](), quiet=held)
    expected = "No changes. 13 resources match the manifests (state 57); 1 left alone, -v says why."
    assert human.render(empty, width=120) == expected
    assert "Endpoint/e0: suspended by li: vendor bug" in human.render(empty, verbosity=1)


def test_the_next_step_is_what_the_plan_allows() -> None:
    apply = change("Endpoint/a", Action.CREATE, "new")
    decide = change("Endpoint/b", Action.GATED, "passed", obstacle=Obstacle.DECISION)
    refused = change("Endpoint/c", Action.DELETE, "absent", obstacle=Obstacle.PROTECTED)
    waits = change("Endpoint/d", Action.WAIT, "create since 9:00", obstacle=Obstacle.RUNNING)

    def next_of(*changes: object) -> str:
        text = human.render(plan(*changes), width=120, next_command="loopwright apply f")  # type: ignore[arg-type]
        return text.splitlines()[-1].removeprefix("Next").strip()

    assert next_of(apply) == "loopwright apply f"
    assert next_of(decide).startswith("loopwright approve Endpoint/b")
    assert next_of(apply, decide).startswith("loopwright apply f; loopwright approve Endpoint/b")
    assert next_of(apply, refused) == "change what is refused, then plan again"
    assert next_of(waits).startswith("nothing to start")
