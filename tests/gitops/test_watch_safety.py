"""What the watcher never does, whatever becomes of manifests, locks, money and people."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from watch_bench import START, Bench, dataset, endpoint, job, lake, provider

from loopwright.gitops.folder import FolderSource
from loopwright.gitops.sources import Look
from loopwright.gitops.suspension import new_suspension, resume, suspend
from loopwright.resources.address import Address
from loopwright.state.records import Hold
from loopwright.state.store import Entry

HOUR, DAY = 3600.0, 86400.0
BROKEN = "kind: [\n"


def deletes(bench: Bench) -> list[str]:
    return [write.address for write in bench.world.writes if write.action == "delete"]


def test_broken_manifests_are_told_and_the_last_good_ones_are_kept_up(bench: Bench) -> None:
    bench.write(provider(), endpoint(), lake())
    bench.at(100, lambda: bench.write(BROKEN))
    bench.at(110, lambda: bench.world.remove(bench.external_id("Endpoint", "chat")), wakes=False)
    bench.watch(300)
    assert bench.external_id("Endpoint", "chat")
    (problem,) = bench.status.problems
    assert problem["diagnostics"][0].startswith(str(bench.manifests / "m.yaml") + ":2:1")
    assert bench.told()[0] == ("failed", "the manifests are broken")
    assert deletes(bench) == []


def test_mended_manifests_are_told_once_and_taken_up(bench: Bench) -> None:
    bench.write(provider(), lake())
    bench.at(100, lambda: bench.write(BROKEN))
    bench.at(200, lambda: bench.write(provider(), lake(), endpoint()))
    bench.watch(400)
    assert bench.external_id("Endpoint", "chat")
    assert [event for event, _ in bench.told()] == ["failed", "resolved"]
    assert bench.status.problems == []


def test_a_file_that_is_half_written_for_a_second_is_nobodys_business(bench: Bench) -> None:
    bench.write(provider(), lake())
    bench.at(100, lambda: bench.write(BROKEN))
    bench.at(101.5, lambda: bench.write(provider(), lake(), endpoint()))
    bench.watch(300)
    assert bench.external_id("Endpoint", "chat")
    assert bench.messages == []


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("fate", ["emptied", "gone", "declares nothing"])
def test_manifests_that_vanish_never_delete(bench: Bench, fate: str, prune: bool) -> None:
    manifests = bench.manifests / "m.yaml"
    bench.write(provider(jobSeconds={"FineTuneJob": DAY}), lake(), dataset(), job(), endpoint())
    fates: dict[str, Callable[[], object]] = {
        "emptied": manifests.unlink,
        "gone": lambda: shutil.rmtree(bench.manifests),
        "declares nothing": lambda: manifests.write_text("# nothing yet\n"),
    }
    bench.at(10, fates[fate])
    bench.watch(70, interval=20, prune=prune)
    assert {write.action for write in bench.world.writes} == {"create"}
    assert bench.record("FineTuneJob/f").pending
    assert bench.status.problems


def test_only_with_prune_is_deleted_what_the_manifests_no_longer_name(bench: Bench) -> None:
    bench.write(provider(), endpoint("a"), endpoint("b"))
    bench.watch(30)
    bench.write(provider(), endpoint("a"))
    bench.watch(90)
    assert deletes(bench) == []
    bench.watch(90, prune=True)
    assert deletes(bench) == ["Endpoint/b"]


def test_prune_stops_at_the_share_that_the_project_allows(bench: Bench) -> None:
    names = [f"e{number}" for number in range(10)]
    bench.write(provider(), *map(endpoint, names))
    bench.at(60, lambda: bench.write(provider(), *map(endpoint, names[:2])))
    bench.watch(200, prune=True)
    assert deletes(bench) == []
    assert bench.status.last_pass["ending"] == "failed"
    assert "prune.maxShare" in bench.status.last_pass["message"]


def test_a_restart_on_broken_manifests_changes_nothing_and_says_why(bench: Bench) -> None:
    bench.write(provider(), endpoint(), lake())
    bench.watch(30)
    serial = bench.workspace.state().serial
    bench.write(BROKEN)
    bench.watch(300, prune=True)
    assert bench.workspace.state().serial == serial
    assert bench.status.last_pass == {}
    assert bench.status.last_good
    assert any("nothing is done before it is mended" in line for line in bench.lines)
    assert bench.messages[-1].text.endswith(bench.status.problems[0]["diagnostics"][0])


def test_a_locked_state_is_said_with_its_holder_and_tried_again(bench: Bench) -> None:
    bench.write(provider(), lake())
    session = bench.workspace.state().session(holder="ann@desk", command="apply")
    bench.at(60, session.close, wakes=False)
    bench.watch(50)
    assert "ann@desk (apply)" in bench.status.waits_for
    assert bench.world.writes == []
    bench.watch(120)
    assert bench.external_id("Lake", "main")
    assert sum("ann@desk" in line for line in bench.lines) <= 2
    assert bench.messages == []


def spend(bench: Bench, cost: float, *, days_ago: int = 0) -> None:
    """A run that somebody started, with its estimated cost, as the engine journals it."""
    at = (bench.clock.now() - timedelta(days=days_ago)).isoformat()
    data = {"action": "run", "cost": cost}
    with bench.workspace.state().session(holder="ann", command="apply") as session:
        session.commit([Entry("intent", "FineTuneJob/other", data=data, at=at)])


def test_the_daily_breaker_starts_nothing_until_the_next_day(bench: Bench) -> None:
    bench.project("dailyBudget: 60\n")
    bench.write(provider(), lake(), dataset())
    bench.watch(30)
    spend(bench, 1000, days_ago=1)
    spend(bench, 50)
    bench.write(provider(), lake(), dataset(), job(), endpoint())
    bench.watch(3 * HOUR, interval=HOUR)
    assert bench.status.last_pass["ending"] == "refused"
    assert bench.status.last_pass["exit_code"] == 7
    assert bench.world.objects("FineTuneJob") == bench.world.objects("Endpoint") == []
    assert [event for event, _ in bench.told()] == ["budget"]
    bench.watch(DAY, interval=HOUR)
    (run,) = bench.journal("intent", address="FineTuneJob/f")
    assert DAY <= bench.since_start(run) < DAY + 2 * HOUR


def test_later_stages_stay_within_what_is_left_of_the_day(bench: Bench) -> None:
    bench.project("dailyBudget: 60\n")
    bench.write(provider(), lake())
    spend(bench, 50)
    bench.write(provider(), lake(), dataset(), job())
    bench.watch(300)
    assert bench.world.objects("Dataset")
    assert bench.world.objects("FineTuneJob") == []


def test_a_suspended_environment_is_left_alone_until_it_ends(bench: Bench) -> None:
    bench.write(provider(), endpoint())
    bench.watch(30)
    until = bench.clock.now() + timedelta(hours=2)
    with bench.workspace.state().session(holder="li", command="suspend") as session:
        held = new_suspension(by="li", reason="demo", until=until, now=bench.clock.now())
        suspend(session, None, held)
    bench.write(provider(), endpoint(), lake())
    bench.watch(HOUR, interval=600)
    assert bench.world.objects("Lake") == []
    assert bench.status.suspended.endswith(": demo")
    bench.watch(2 * HOUR, interval=600)
    (made,) = bench.journal("intent", address="Lake/main")
    assert (
        until <= START + timedelta(seconds=bench.since_start(made)) <= until + timedelta(minutes=1)
    )


def test_a_suspended_resource_is_taken_up_again_at_its_hour(bench: Bench) -> None:
    bench.write(provider(), endpoint(running=True), lake())
    bench.watch(30)
    address = Address("Endpoint", "chat")
    until = bench.clock.now() + timedelta(hours=1)
    with bench.workspace.state().session(holder="li", command="suspend") as session:
        held = new_suspension(by="li", reason="demo", until=until, now=bench.clock.now())
        suspend(session, address, held)
    bench.write(provider(), endpoint(running=False), lake())
    bench.watch(2 * HOUR, interval=10 * HOUR)
    (changed,) = [w for w in bench.world.writes if w.action == "update"]
    assert changed.address == str(address)
    (first, second) = bench.journal("intent", address=str(address))
    assert START + timedelta(seconds=bench.since_start(second)) >= until
    assert first.data["action"] == "create"


def test_resume_says_what_it_ended(bench: Bench) -> None:
    bench.write(provider(), lake())
    bench.watch(30)
    with bench.workspace.state().session(holder="li", command="suspend") as session:
        held = new_suspension(by="li", reason="x", until=None, now=bench.clock.now())
        assert suspend(session, None, held) == 2
        assert resume(session, Address("Lake", "main")) == 1
        assert resume(session, Address("Lake", "main")) == 0
        assert resume(session, None) == 2


def test_a_held_rollback_is_respected(bench: Bench) -> None:
    bench.write(provider(), lake(), dataset(), job())
    bench.watch(60)
    bench.write(provider(), lake(), dataset(), job(seed=2))
    bench.watch(60)
    record = bench.record("FineTuneJob/f")
    assert record.current == 2
    newest = record.revisions[-1].fingerprint
    held = replace(record, current=1, hold=Hold(newest, revision=1, by="li", reason="worse"))
    with bench.workspace.state().session(holder="li", command="rollback") as session:
        session.commit([Entry("rolled-back", "FineTuneJob/f")], {record.address: held})
    bench.watch(HOUR, interval=600)
    assert bench.record("FineTuneJob/f").current == 1
    assert len(bench.journal("intent", address="FineTuneJob/f")) == 2


def test_a_state_that_cannot_be_read_is_told_and_waited_for(bench: Bench) -> None:
    bench.write(provider(), lake())
    bench.watch(30)
    state = bench.workspace.state_dir / "state.db"
    whole = state.read_bytes()
    bench.at(100, lambda: state.write_bytes(b"garbage" * 1000))
    bench.at(110, lambda: bench.write(provider(), lake(), endpoint()))
    bench.at(600, lambda: state.write_bytes(whole), wakes=False)
    bench.watch(1500)
    assert bench.external_id("Endpoint", "chat")
    assert [event for event, _ in bench.told()] == ["failed", "resolved"]
    assert "is not a state file, or it is damaged" in bench.messages[0].text
    assert bench.pace.waits < 500


def test_a_bug_does_not_end_the_watch(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.write(provider(), lake())
    look = FolderSource.look
    broken = iter([look, ZeroDivisionError, look])

    def sometimes(source: FolderSource) -> Look:
        found = next(broken, look)
        if found is ZeroDivisionError:
            raise ZeroDivisionError
        return look(source)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FolderSource, "look", sometimes)
        bench.at(60, lambda: bench.write(provider(), lake(), endpoint()))
        bench.watch(300)
    assert bench.external_id("Endpoint", "chat")
    assert "internal error: ZeroDivisionError" in bench.messages[0].text
    assert "a turn of the watch ended in an internal error" in caplog.text


def test_progress_of_running_work_is_in_the_status(bench: Bench) -> None:
    bench.write(provider(jobSeconds={"FineTuneJob": 100}), lake(), dataset(), job())
    bench.watch(60)
    told = bench.status.running["FineTuneJob/f"]
    assert 50 <= told["done"] <= 60
    assert told["total"] == 100
    assert len(bench.world.objects("FineTuneJob")) == 1


def test_the_day_is_counted_from_what_the_engine_journalled(bench: Bench) -> None:
    bench.project("dailyBudget: 200\n")
    bench.write(provider(), lake(), dataset(), job(trigger={"every": "1h"}))
    bench.watch(25 * HOUR, interval=HOUR)
    begun = [
        bench.since_start(one) // HOUR for one in bench.journal("intent", address="FineTuneJob/f")
    ]
    assert begun == [0, 1, 2, 3, 4, 24]  # about 40 each: five a day
