"""When the watcher looks, runs, retries and rests, over virtual hours and days."""

from __future__ import annotations

from itertools import pairwise

from watch_bench import Bench, dataset, endpoint, job, lake, provider

HOUR, DAY = 3600.0, 86400.0


def test_a_quiet_day_writes_nothing_and_takes_no_lock(bench: Bench) -> None:
    bench.write(provider(), lake(), endpoint())
    bench.watch(30)
    serial, lease_tokens = bench.workspace.state().serial, bench.workspace.state().lease()
    made = len(bench.world.writes)
    bench.watch(DAY, interval=HOUR)
    assert bench.workspace.state().serial == serial
    assert (lease_tokens, bench.workspace.state().lease()) == (None, None)
    assert len(bench.world.writes) == made
    assert bench.status.passes == {"unchanged": 24}


def test_a_finished_job_is_noticed_when_its_provider_said_it_would_be(bench: Bench) -> None:
    bench.write(provider(jobSeconds={"FineTuneJob": 200}), lake(), dataset(), job())
    bench.watch(300, interval=HOUR)
    verdicts = bench.journal("verdict", address="FineTuneJob/f")
    assert [entry.data["status"] for entry in verdicts] == ["running", "succeeded"]
    assert 200 <= bench.since_start(verdicts[-1]) <= 215


def test_a_schedule_makes_one_revision_a_period(bench: Bench) -> None:
    bench.write(provider(), lake(), dataset(trigger={"every": "1d"}))
    bench.watch(3 * DAY + HOUR, interval=6 * HOUR)
    runs = bench.journal("intent", address="Dataset/d")
    assert [round(bench.since_start(entry) / DAY, 2) for entry in runs] == [0, 1, 2, 3]


def test_new_calls_make_a_revision_at_the_next_look(bench: Bench) -> None:
    bench.write(provider(), lake(), dataset(trigger={"minNewCalls": 1000}))
    bench.at(600, lambda: bench.world.calls("main", 10_500), wakes=False)
    bench.at(1200, lambda: bench.world.calls("main", 11_500), wakes=False)
    bench.watch(2000, interval=300)
    runs = bench.journal("intent", address="Dataset/d")
    assert [bench.since_start(entry) // 300 for entry in runs] == [0, 4]
    assert "+1,500 calls" in runs[1].data["reason"]


def test_what_fails_passingly_is_tried_again_ever_later_up_to_ten_minutes(bench: Bench) -> None:
    rule = {"action": "create", "kind": "Lake", "times": 4 * 13}
    bench.write(provider(faults={"fail": [rule]}), lake(), endpoint())
    bench.watch(2 * HOUR, interval=HOUR)
    tries = [bench.since_start(entry) for entry in bench.journal("intent", address="Lake/main")]
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert len(tries) == 14
    assert all(later > earlier * 1.5 for earlier, later in pairwise(gaps[:6]))
    assert max(gaps) < 700
    assert bench.external_id("Lake", "main")
    assert bench.journal("intent", address="Endpoint/chat")[0].at[:19] == "2026-03-01T00:00:00"


def test_a_new_revision_forgives_and_a_success_starts_the_backoff_anew(bench: Bench) -> None:
    rule = {"action": "create", "kind": "Lake", "times": 1000}
    bench.write(provider(faults={"fail": [rule]}), lake())
    later = provider(faults={"fail": [{**rule, "times": 4}]})
    bench.at(HOUR, lambda: bench.write(later, lake()))
    bench.watch(HOUR + 120, interval=HOUR)
    tries = [bench.since_start(entry) for entry in bench.journal("intent", address="Lake/main")]
    assert sum(HOUR - 1 < tried < HOUR + 30 for tried in tries) == 2
    assert bench.record("Lake/main").failures == 0


def test_a_run_that_failed_for_good_is_not_tried_again(bench: Bench) -> None:
    doomed = {"kind": "FineTuneJob", "how": "permanent", "times": 100}
    bench.write(provider(faults={"failJobs": [doomed]}), lake(), dataset(), job())
    bench.watch(DAY, interval=HOUR)
    assert len(bench.journal("intent", address="FineTuneJob/f")) == 1
    assert [event for event, _ in bench.told()] == ["failed"]


def test_a_run_that_failed_passingly_waits_between_attempts_and_stops_at_its_limit(
    bench: Bench,
) -> None:
    doomed = {"kind": "FineTuneJob", "how": "transient", "times": 100}
    settings = provider(jobSeconds={"FineTuneJob": 30}, faults={"failJobs": [doomed]})
    bench.write(settings, lake(), dataset(), job(attempts=4))
    bench.watch(DAY, interval=6 * HOUR)
    begun = [bench.since_start(entry) for entry in bench.journal("intent", address="FineTuneJob/f")]
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    assert len(begun) == 4
    assert 35 <= gaps[0] < gaps[1] < gaps[2]


def test_what_others_change_back_is_set_right_ever_more_seldom(bench: Bench) -> None:
    bench.write(provider(), endpoint(rateLimit={"rpm": 600, "tpm": 9000}))

    def meddle() -> None:
        bench.world.edit(bench.external_id("Endpoint", "chat"), rateLimit={"rpm": 1, "tpm": 9000})

    for minute in range(90):
        bench.at(30 + minute * 60, meddle, wakes=False)
    bench.watch(2 * HOUR, interval=60)
    heals = [write for write in bench.world.writes if write.action == "update"]
    assert 10 < len(heals) < 20
    assert bench.world.objects("Endpoint")[0].spec["rateLimit"]["rpm"] == 600
    assert [event for event, _ in bench.told()].count("drift") == 1


def test_a_burst_of_events_during_a_pass_leads_to_one_more(bench: Bench) -> None:
    bench.write(provider(faults={"latencySeconds": 5}), lake())
    bench.at(1, lambda: bench.write(provider(faults={"latencySeconds": 5}), lake(), endpoint()))
    for moment in (2, 3, 4):
        bench.at(moment, lambda: None)
    bench.watch(300, interval=3000)
    assert [line.partition(": ")[2] for line in bench.lines if " revision " in line[:40]] == [
        "2 resources",
        "3 resources",
    ]
    assert bench.status.passes["changed"] == 2
