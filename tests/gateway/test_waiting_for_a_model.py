"""Calls wait for a model that is being started, and how each model does is counted."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from loopwright.gateway.settings import Endpoint, Upstream
from loopwright.gateway.tally import BOUNDS, Tally
from support.gateways import RunningGateway, gateway_in_thread, settings_of
from support.http_clients import Answer, call
from support.upstreams import MockUpstream, echo, upstream_in_thread
from support.waiting import until

LOADING = Endpoint(name="chat", upstreams=(), patience=30)


def ask(gateway: RunningGateway) -> Answer:
    said = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
    return call(f"{gateway.url}/v1/chat/completions", said)


def behind(*upstreams: MockUpstream, patience: float = 30) -> Endpoint:
    models = tuple(Upstream(one.url, f"m{index}") for index, one in enumerate(upstreams))
    return replace(LOADING, upstreams=models, patience=patience)


def test_calls_that_came_before_the_model_are_answered_once_it_is_there() -> None:
    with (
        upstream_in_thread() as upstream,
        gateway_in_thread(settings_of(LOADING)) as gateway,
        ThreadPoolExecutor(4) as clients,
    ):
        waiting = [clients.submit(ask, gateway) for _ in range(4)]
        until(lambda: gateway.server.status()["running_calls"] == 4)
        gateway.reload(settings_of(behind(upstream)))
        assert [one.result().status for one in waiting] == [200] * 4
        assert gateway.server.tallies("chat")["m0"].calls == 4


def test_a_model_that_stays_away_is_told_as_loading_and_one_that_failed_at_once() -> None:
    with gateway_in_thread(settings_of(replace(LOADING, patience=0.2))) as gateway:
        assert (ask(gateway).status, ask(gateway).code) == (503, "model_loading")
        gateway.reload(settings_of(replace(LOADING, patience=0)))
        assert ask(gateway).code == "upstream_unreachable"


def test_an_answer_that_never_began_is_asked_for_again_a_few_times() -> None:
    breaks = 2

    async def breaking(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        nonlocal breaks
        if breaks:
            breaks -= 1
            assert request.transport is not None
            request.transport.abort()
        return await echo(request, said)

    with (
        upstream_in_thread(breaking) as upstream,
        gateway_in_thread(settings_of(behind(upstream))) as gateway,
    ):
        assert ask(gateway).status == 200
        told = gateway.server.tallies("chat")["m0"]
        assert (told.calls, told.errors) == (3, 2)
        breaks = 99
        assert ask(gateway).code == "upstream_broke"
        assert breaks == 99 - 4
        gateway.reload(settings_of(behind(upstream, patience=0)))
        assert ask(gateway).code == "upstream_broke"
        assert breaks == 99 - 5


def test_what_a_client_did_wrong_is_no_failure_of_the_model() -> None:
    status = 400

    async def refusing(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no"}}, status=status)

    with (
        upstream_in_thread(refusing) as upstream,
        gateway_in_thread(settings_of(behind(upstream))) as gateway,
    ):
        assert ask(gateway).status == 400
        status = 500
        assert ask(gateway).status == 500
        told = gateway.server.tallies("chat")["m0"]
        assert (told.calls, told.errors, told.error_rate) == (2, 1, 0.5)


def test_an_upstream_is_in_use_until_its_last_answer_has_ended() -> None:
    with upstream_in_thread() as first, upstream_in_thread() as second:
        answering = True

        async def slow(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
            while answering:
                await asyncio.sleep(0.01)
            return await echo(request, said)

        first.behave = slow
        with (
            gateway_in_thread(settings_of(behind(first))) as gateway,
            ThreadPoolExecutor(1) as client,
        ):
            running = client.submit(ask, gateway)
            until(lambda: bool(first.asked))
            gateway.reload(settings_of(behind(second)))
            gateway.reload(settings_of(behind(second, patience=5)))
            assert gateway.server.in_use() == {(first.url, "m0"), (second.url, "m0")}
            answering = False
            assert running.result().status == 200
            until(lambda: gateway.server.in_use() == {(second.url, "m0")})


SECONDS = st.floats(0.001, 900)


@given(st.lists(SECONDS, min_size=1), st.lists(SECONDS), st.floats(0.05, 1))
def test_a_quantile_is_right_to_the_width_of_a_bucket(
    before: list[float], after: list[float], share: float
) -> None:
    def tally(values: list[float]) -> Tally:
        found = Tally()
        for value in values:
            found.add(value, failed=value > 1)
        return found

    whole = tally(before) + tally(after)
    assert (whole - tally(before)).to_json() == tally(after).to_json()
    assert Tally.from_json(whole.to_json()).counts == whole.counts
    values = sorted(before + after)
    exact = values[max(0, -int(-share * len(values) // 1) - 1)]
    told = whole.quantile(share)
    assert told in BOUNDS
    assert exact <= told <= max(exact * 1.2, BOUNDS[0]) * (1 + 1e-9)
