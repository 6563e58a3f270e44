"""Jobs of the project call its endpoints without limits, and no lake holds what they asked."""

from __future__ import annotations

from pathlib import Path

from loopwright.daemon.access import internals
from loopwright.gateway.principals import key_hash
from loopwright.gateway.settings import INTERNAL_KEY, Principal, Role
from support.gateways import DELIVERY, call_log, endpoint, gateway_in_thread, settings_of
from support.http_clients import Answer, call
from support.upstreams import upstream_in_thread

SILENT, RECORDED = internals("the token of a daemon")
USER = Principal("app", Role.READER, (key_hash("user-key", salt=b"salt"),))


def test_they_are_in_no_lake_and_under_no_limit_and_nobody_else_is_spared(tmp_path: Path) -> None:
    with upstream_in_thread() as upstream, call_log(tmp_path) as log:
        chat = endpoint("chat", upstream.url, rpm=1, tpm=1, delivery=DELIVERY)
        settings = settings_of(chat, principals=(USER,), internals=(SILENT, RECORDED))
        with gateway_in_thread(settings, logs={"calls": log}) as gateway:

            def ask(key: str) -> Answer:
                said = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
                bearer = {"authorization": f"Bearer {key}"}
                return call(f"{gateway.url}/v1/chat/completions", said, headers=bearer)

            assert [ask(SILENT.key).status for _ in range(3)] == [200] * 3
            assert ask(RECORDED.key).status == 200
            assert ask(f"{INTERNAL_KEY}of-a-daemon-that-is-gone").code == "invalid_api_key"
            assert ask("wrong").status == 401
            assert [ask("user-key").status for _ in range(2)] == [200, 429]
        told = log.stats()
    assert (told.excluded, told.delivered) == ({"internal": 3}, 2)


def test_where_anybody_may_call_an_outlived_key_is_refused_and_not_taken_for_anybody() -> None:
    with upstream_in_thread() as upstream:
        settings = settings_of(endpoint("chat", upstream.url), internals=(SILENT,))
        with gateway_in_thread(settings) as gateway:
            bearer = {"authorization": f"Bearer {INTERNAL_KEY}0"}
            assert call(f"{gateway.url}/v1/models", headers=bearer).status == 401
            assert call(f"{gateway.url}/v1/models").status == 200


def test_without_a_lake_they_are_answered_where_others_are_refused() -> None:
    delivery = DELIVERY.__class__(name="all", lake="calls", fail_closed=True)
    with upstream_in_thread() as upstream:
        settings = settings_of(endpoint("c", upstream.url, delivery=delivery), internals=(SILENT,))
        with gateway_in_thread(settings) as gateway:
            said = {"model": "c", "messages": [{"role": "user", "content": "hello"}]}
            url, bearer = (
                f"{gateway.url}/v1/chat/completions",
                {"authorization": f"Bearer {SILENT.key}"},
            )
            assert call(url, said, headers=bearer).status == 200
            assert call(url, said).code == "capture_refused"
