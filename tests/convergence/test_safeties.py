"""The proofs bite: with one safety switched off, the proof that it serves fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from loopwright.engine.ledger import Ledger
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.state import lease
from loopwright.state.records import Pending, Record
from support.crashes import STORIES, NewProject, Steps, stop_at_every_step
from support.cuts import asked_without_an_intent
from support.powercut import requires_shim
from support.projects import TestProject
from support.writers import late_writer_is_refused, others_are_told_who_it_is

_FAILS = (AssertionError, pytest.fail.Exception)
_LOOP = STORIES["the whole loop from nothing"]


def test_without_the_intent_a_crash_starts_something_twice(
    new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritten(ledger: Ledger, record: Record, pending: Pending, **facts: Any) -> Record:
        return replace(record, pending=pending)

    monkeypatch.setattr(Ledger, "intend", unwritten)
    with pytest.raises(_FAILS):
        stop_at_every_step(_LOOP, Steps(monkeypatch), new_project, after=True)


def test_with_another_key_after_a_restart_a_crash_starts_something_twice(
    new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MemoryAdapter.create

    def keyless(adapter: MemoryAdapter, target: Any, key: str) -> Any:
        return create(adapter, target, uuid4().hex)

    monkeypatch.setattr(MemoryAdapter, "create", keyless)
    with pytest.raises(_FAILS):
        stop_at_every_step(_LOOP, Steps(monkeypatch), new_project, after=True)


def test_without_the_fencing_check_a_late_writer_writes(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "check", lambda *given: None)
    with pytest.raises(_FAILS):
        late_writer_is_refused(project, monkeypatch)


def test_without_the_lease_a_second_writer_gets_in(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "why_free", lambda *given, **named: "nobody minds")
    with pytest.raises(_FAILS):
        others_are_told_who_it_is(project, monkeypatch)


@requires_shim
def test_whatever_is_asked_is_known_after_a_power_cut_at_that_moment(tmp_path: Path) -> None:
    assert asked_without_an_intent(tmp_path) == []


@requires_shim
@pytest.mark.parametrize("pragma", ["synchronous = OFF", "synchronous = NORMAL"])
def test_without_the_syncs_a_power_cut_forgets_what_was_asked(pragma: str, tmp_path: Path) -> None:
    assert asked_without_an_intent(tmp_path, pragma)
