"""The official `openai` client, unmodified, against the gateway: all operations and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from aiohttp import web
from openai import AsyncOpenAI, OpenAI

from loopwright.gateway.principals import key_hash
from loopwright.gateway.settings import Endpoint, Principal, Role, Timeouts, Upstream
from support.gateways import RunningGateway, endpoint, gateway_in_thread, settings_of
from support.upstreams import MockUpstream, chat_events, echo, streamed, upstream_in_thread
from support.waiting import until

KEY = "lw-team-secret"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with upstream_in_thread() as running:
        yield running


@pytest.fixture
def gateway(upstream: MockUpstream) -> Iterator[RunningGateway]:
    callers = (Principal("team", Role.STANDARD, (key_hash(KEY, salt=b"salt"),)),)
    short = Timeouts(connect=2, first_byte=0.3, idle=0.3)
    slow = Upstream(upstream.url, "slow-model", timeouts=short)
    settings = settings_of(
        endpoint("chat", upstream.url),
        endpoint("limited", upstream.url, rpm=1),
        Endpoint(name="hasty", upstreams=(slow,)),
        endpoint("gone", "http://127.0.0.1:9/v1"),
        endpoint("off", upstream.url, running=False),
        principals=callers,
    )
    with gateway_in_thread(settings) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def ask(client: OpenAI, model: str = "chat", text: str = "你好 there", **more: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], **more
    )


def test_a_chat_is_answered_and_reaches_the_upstream_under_its_own_model(
    client: OpenAI, upstream: MockUpstream
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="chat",
        messages=[{"role": "user", "content": "你好"}],
        temperature=0.5,
        response_format={"type": "json_object"},
        user="end-user-7",
    )
    answer = raw.parse()
    assert answer.choices[0].message.content == "你好"
    assert answer.model == "upstream-model"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 12
    assert len(raw.headers["x-loopwright-call-id"]) == 36
    assert float(raw.headers["x-loopwright-overhead-ms"]) >= 0
    asked = upstream.asked[0]
    assert asked.path == "/v1/chat/completions"
    assert asked.json["model"] == "upstream-model"
    assert asked.json["user"] == "end-user-7"
    assert asked.json["response_format"] == {"type": "json_object"}
    assert asked.headers["authorization"] == "Bearer sk-upstream-secret"


def test_a_stream_arrives_event_by_event_with_its_usage(client: OpenAI) -> None:
    stream = ask(client, text="one two three", stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "one two three "
    assert chunks[-1].usage.total_tokens == 12


def test_tools_and_images_pass_through(client: OpenAI, upstream: MockUpstream) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "what is this?"}, image]
    answer = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": content}],  # type: ignore[misc,list-item]
        tools=[TOOL],  # type: ignore[list-item]
    )
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.arguments == '{"city":"杭州"}'  # type: ignore[union-attr]
    assert upstream.asked[0].json["messages"][0]["content"] == content
    assert upstream.asked[0].json["tools"] == [TOOL]


def test_legacy_completions_embeddings_and_models(client: OpenAI) -> None:
    completion = client.completions.create(model="chat", prompt="say this")
    assert completion.choices[0].text == "say this"
    pieces = client.completions.create(model="chat", prompt="say this", stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == "say this "
    vectors = client.embeddings.create(model="chat", input=["a", "b"], encoding_format="float")
    assert [one.embedding for one in vectors.data] == [[0.5, 0.0], [0.5, 1.0]]
    assert [model.id for model in client.models.list()] == ["chat", "gone", "hasty", "limited"]
    assert client.models.retrieve("chat").id == "chat"


def test_a_path_names_the_endpoint_whatever_the_model(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    with OpenAI(base_url=f"{gateway.url}/chat/v1", api_key=KEY, max_retries=0) as client:
        assert ask(client, model="gpt-9").choices[0].message.content == "你好 there"
        assert [model.id for model in client.models.list()] == ["chat"]
    assert upstream.asked[0].json["model"] == "upstream-model"


def test_each_error_is_the_clients_own_class(
    gateway: RunningGateway, client: OpenAI, upstream: MockUpstream
) -> None:
    with (
        OpenAI(base_url=f"{gateway.url}/v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        ask(stranger)
    assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError, match="Did you mean `chat`") as missing:
        ask(client, model="chatt")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.InternalServerError) as stopped:
        ask(client, model="off")
    assert stopped.value.code == "endpoint_stopped"
    with pytest.raises(openai.InternalServerError) as gone:
        ask(client, model="gone")
    assert (gone.value.status_code, gone.value.code) == (502, "upstream_unreachable")
    ask(client, model="limited")
    with pytest.raises(openai.RateLimitError) as limited:
        ask(client, model="limited")
    assert limited.value.code == "rate_limit_exceeded"
    assert 0 < int(limited.value.response.headers["retry-after"]) <= 60
    assert limited.value.response.headers["x-ratelimit-remaining-requests"] == "0"

    async def unhappy(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        error = {"message": "too long", "type": "invalid_request_error", "code": "context_length"}
        return web.json_response({"error": error}, status=400)

    upstream.behave = unhappy
    with pytest.raises(openai.BadRequestError, match="too long") as bad:
        ask(client)
    assert bad.value.code == "context_length"


def test_an_upstream_that_does_not_answer_is_a_504(client: OpenAI, upstream: MockUpstream) -> None:
    async def hang(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(60)
        return await echo(request, said)

    upstream.behave = hang
    with pytest.raises(openai.InternalServerError) as late:
        ask(client, model="hasty")
    assert (late.value.status_code, late.value.code) == (504, "upstream_timeout")


def test_the_clients_own_time_limit_ends_the_upstreams_work(
    client: OpenAI, upstream: MockUpstream
) -> None:
    async def hang(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(60)
        return await echo(request, said)

    upstream.behave = hang
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.3))
    until(lambda: upstream.dropped == 1)


def test_the_client_retries_what_the_gateway_says_is_worth_it(
    gateway: RunningGateway, client: OpenAI, upstream: MockUpstream
) -> None:
    failures = iter([503, 500])

    async def shaky(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        if (status := next(failures, None)) is not None:
            return web.json_response({"error": {"message": "no"}}, status=status)
        return await echo(request, said)

    upstream.behave = shaky
    assert ask(client.with_options(max_retries=2)).choices[0].message.content == "你好 there"
    assert len(upstream.asked) == 3


def test_an_upstream_that_refuses_our_key_is_not_the_clients_fault(
    client: OpenAI, upstream: MockUpstream
) -> None:
    async def refuse(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"error": {"message": "bad key sk-upstream-secret"}}, status=401)

    upstream.behave = refuse
    with pytest.raises(openai.InternalServerError) as failed:
        ask(client.with_options(max_retries=2))
    assert failed.value.code == "upstream_refused"
    assert "sk-upstream-secret" not in str(failed.value)
    assert len(upstream.asked) == 1


def test_a_cancelled_stream_ends_the_upstreams_work(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    async def endless(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        events = chat_events(said, pieces=["word "] * 10_000)
        return await streamed(request, events, pause=0.005)

    async def read_a_little() -> int:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as client:
            stream = await client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "go"}], stream=True
            )
            count = 0
            async for _ in stream:
                count += 1
                if count == 3:
                    break
            await stream.close()
            return count

    upstream.behave = endless
    assert asyncio.run(read_a_little()) == 3
    until(lambda: upstream.dropped == 1)


def test_many_async_calls_at_once_keep_their_answers_apart(gateway: RunningGateway) -> None:
    async def all_of_them() -> list[str | None]:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as client:
            answers = await asyncio.gather(
                *(
                    client.chat.completions.create(
                        model="chat", messages=[{"role": "user", "content": f"number {number}"}]
                    )
                    for number in range(50)
                )
            )
        return [answer.choices[0].message.content for answer in answers]

    assert asyncio.run(all_of_them()) == [f"number {number}" for number in range(50)]


def test_a_stream_that_breaks_off_is_an_error_and_not_a_short_answer(
    client: OpenAI, upstream: MockUpstream
) -> None:
    async def cut(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for one in chat_events(said)[:2]:
            await response.write(one)
        await asyncio.sleep(0.1)
        assert request.transport is not None
        request.transport.close()
        return response

    upstream.behave = cut
    with pytest.raises(openai.APIError, match="stopped in the middle"):
        list(ask(client, stream=True))


def test_neither_keys_nor_text_are_in_the_access_log(
    gateway: RunningGateway, client: OpenAI
) -> None:
    ask(client, text="a secret sentence", user="end-user-7")
    with pytest.raises(openai.NotFoundError):
        ask(client, model="nobody")
    with pytest.raises(openai.NotFoundError):
        ask(client.with_options(base_url=f"{gateway.url}/path.mail@x.example.com/v1"))
    with pytest.raises(openai.NotFoundError):
        client.with_options(base_url=f"{gateway.url}/path.mail@x.example.com").get(
            "/v7", cast_to=str
        )
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("path.mail@x.example.com")
    until(lambda: gateway.log_lines.count(b"\n") == 5)
    lines = bytes(gateway.log_lines)
    for hidden in (b"secret", b"sk-", b"end-user-7", b"path.mail", KEY.encode()):
        assert hidden not in lines
    assert b'"principal":"team"' in lines
    assert b'"endpoint":"chat"' in lines
    assert b'"path":"/v1/chat/completions"' in lines
