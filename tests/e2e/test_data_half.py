"""The quickstart's endpoint in use: the openai client, the lake, SQL, and a kill in mid-traffic."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator

import openai
import pytest
from checkout import Checkout, data_half

from support.upstreams import upstream_in_thread

PERSONAL = ("li.wei@example.com", "13912345678")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The quickstart, applied, in front of a server that echoes."""
    folder = tmp_path_factory.mktemp("serving") / "loopwright"
    with upstream_in_thread() as upstream:
        checkout = data_half(folder, upstream=upstream.url)
        checkout.run("apply manifests --yes --wait")
        yield checkout
        checkout.run("serve --stop")


def client(checkout: Checkout, **options: object) -> openai.OpenAI:
    (endpoint,) = checkout.json("get Endpoint/ticket-router")
    return openai.OpenAI(base_url=endpoint["outputs"]["url"], api_key="any", **options)


def ask(gateway: openai.OpenAI, text: str, *, stream: bool = False) -> str:
    messages = [{"role": "user", "content": text}]
    answer = gateway.chat.completions.create(
        model="ticket-router", messages=messages, stream=stream, user="customer-7"
    )
    if not stream:
        return str(answer.choices[0].message.content)
    return "".join(event.choices[0].delta.content or "" for event in answer if event.choices)


def flush(checkout: Checkout) -> None:
    """Have what was delivered in the lake now instead of some seconds later."""
    from loopwright.daemon.client import DaemonClient

    daemon = DaemonClient.of(checkout.folder / ".loopwright/default/daemon")
    assert daemon is not None
    assert daemon.flush(seconds=30.0)


def test_calls_of_the_openai_client_are_in_the_lake_and_in_sql_without_personal_data(
    serving: Checkout,
) -> None:
    with client(serving) as gateway:
        said = f"I am {PERSONAL[0]}, call me at {PERSONAL[1]}"
        assert PERSONAL[0] in ask(gateway, said), "what the caller sees is not touched"
        assert "streamed" in ask(gateway, "streamed please", stream=True)
    flush(serving)
    calls = serving.json("lake calls --endpoint ticket-router --limit 2")
    assert {call["outcome"] for call in calls} == {"ok"}
    assert sorted(call["stream"] for call in calls) == [False, True]
    query = "SELECT request, response FROM calls WHERE gateway_id IS NOT NULL ORDER BY ts"
    rows = json.loads(serving.run(f'sql --format json "{query}"'))
    text = json.dumps(rows, ensure_ascii=False)
    assert "streamed please" in text
    assert not [value for value in PERSONAL if value in text]
    assert "[EMAIL_" in text


def test_a_kill_in_mid_traffic_loses_no_delivered_call_and_the_next_pass_serves_again(
    serving: Checkout,
) -> None:
    answered: list[str] = []
    with client(serving, max_retries=0, timeout=10) as gateway:

        def talk() -> None:
            for number in range(400):
                try:
                    answered.append(ask(gateway, f"question {number}"))
                except openai.APIError:
                    return

        talkers = [threading.Thread(target=talk) for _ in range(4)]
        for talker in talkers:
            talker.start()
        while len(answered) < 60:
            time.sleep(0.01)
        facts = json.loads((serving.folder / ".loopwright/default/daemon/daemon.json").read_text())
        os.kill(facts["pid"], signal.SIGKILL)
        for talker in talkers:
            talker.join()
    assert "the project daemon does not run" in serving.run("plan manifests")
    serving.run("apply manifests --yes --wait")
    with client(serving) as gateway:
        assert ask(gateway, "back again") == "back again"
    flush(serving)
    assert serving.json("lake audit")["complete"] is True
    (count,) = json.loads(
        serving.run(
            "sql --format json \"SELECT count(*) AS n FROM calls WHERE request LIKE '%question %'\""
        )
    )
    assert count["n"] >= len(answered)


def test_corrected_answers_and_scores_are_attached_to_a_call(serving: Checkout) -> None:
    with client(serving) as gateway:
        raw = gateway.chat.completions.with_raw_response.create(
            model="ticket-router", messages=[{"role": "user", "content": "where is my parcel"}]
        )
    call_id = raw.headers["x-loopwright-call-id"]
    flush(serving)
    serving.run(f"feedback {call_id} --name quality --score 0.5 --source human")
    shown = serving.run('sql "SELECT call_id, name, value_num FROM feedback"')
    assert call_id in shown
    assert "quality" in shown


def test_a_subject_is_erased_from_all_that_lies_in_the_project(serving: Checkout) -> None:
    serving.run("erase --subject customer-7 --yes")
    flush(serving)
    rows = json.loads(
        serving.run(
            'sql --format json "SELECT count(*) AS n FROM calls '
            "WHERE request LIKE '%streamed please%'\""
        )
    )
    assert rows == [{"n": 0}]
    assert serving.json("lake audit")["complete"] is True
