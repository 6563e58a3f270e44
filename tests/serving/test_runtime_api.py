"""The runtime as the official client sees it."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from loopwright.errors import ModelError, ServingError
from loopwright.models.digests import Digests
from loopwright.models.imprint import Imprint
from loopwright.models.weights import parameter_count
from loopwright.serving.adapters import AdapterServer
from loopwright.serving.embedded.loading import load
from loopwright.serving.settings import RuntimeSettings
from support.runtimes import TOKEN, Running, running
from support.tiny_models import CHAT_TEMPLATE, make_adapter, make_base

CHAT = [{"role": "user", "content": "my bill is wrong"}]
TOOL = {"type": "function", "function": {"name": "route", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_base(folder / "base")
    make_adapter(folder / "base", folder / "one", seed=1)
    make_adapter(folder / "base", folder / "two", seed=2)
    return folder


@pytest.fixture(scope="module")
def runtime(models: Path) -> Iterator[Running]:
    settings = RuntimeSettings(
        weights=models / "base", label="base", announce=models / "announced.json",
        adapters={"router@1": models / "one"}, max_batch=4,
    )  # fmt: skip
    with running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def client(runtime: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{runtime.url}/v1", api_key=TOKEN, max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, model: str = "base", **more: Any) -> Any:
    told = {"messages": CHAT, "temperature": 0, "max_tokens": 12, **more}
    return client.chat.completions.create(model=model, **told)


def streamed(client: openai.OpenAI, **more: Any) -> tuple[str, list[Any]]:
    chunks = list(ask(client, stream=True, **more))
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chunks


def generated(models: Path, adapter: str | None, length: int = 12) -> str:
    """What transformers and PEFT make of the chat."""
    model = AutoModelForCausalLM.from_pretrained(models / "base")
    if adapter:
        model = PeftModel.from_pretrained(model, models / adapter)
    tokenizer = AutoTokenizer.from_pretrained(models / "base")
    given = tokenizer.apply_chat_template(
        CHAT, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.inference_mode():
        made = model.generate(**given, max_new_tokens=length, do_sample=False)
    return str(tokenizer.decode(made[0, given["input_ids"].shape[1] :], skip_special_tokens=True))


def test_base_and_adapter_answer_as_transformers_and_peft_do(
    client: openai.OpenAI, models: Path
) -> None:
    base, tuned = generated(models, None), generated(models, "one")
    assert base != tuned

    async def at_once() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key=TOKEN) as many:
            calls = (ask(many, model) for model in ("base", "router@1") * 5)  # type: ignore[arg-type]
            return await asyncio.gather(*calls)

    answers = asyncio.run(at_once())

    assert [answer.choices[0].message.content for answer in answers] == [base, tuned] * 5
    assert {answer.model for answer in answers} == {"base", "router@1"}
    usage = answers[0].usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert answers[0].choices[0].finish_reason in ("length", "stop")


def test_a_stream_says_what_a_whole_answer_says(client: openai.OpenAI) -> None:
    whole = ask(client, max_tokens=40)
    text, chunks = streamed(client, max_tokens=40, stream_options={"include_usage": True})

    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_stop_strings_end_the_text_before_them(client: openai.OpenAI) -> None:
    text = ask(client, max_tokens=40).choices[0].message.content
    stop = text[8:11]
    expected = text[: text.index(stop)]

    answer = ask(client, max_tokens=40, stop=["never", stop])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (
        expected,
        "stop",
    )
    assert streamed(client, max_tokens=40, stop=stop)[0] == expected


def test_a_seed_repeats_and_n_texts_differ(client: openai.OpenAI) -> None:
    def texts(seed: int) -> list[str]:
        answer = ask(client, temperature=1, seed=seed, n=3, top_p=0.95)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        return [choice.message.content for choice in answer.choices]

    assert texts(1) == texts(1) != texts(2)
    assert len(set(texts(1))) == 3


def test_logprobs_and_bias(client: openai.OpenAI) -> None:
    told = ask(client, logprobs=True, top_logprobs=3, max_tokens=2).choices[0].logprobs.content
    assert len(told) == 2
    assert told[0].logprob == told[0].top_logprobs[0].logprob  # greedy took the likeliest
    forced = ask(client, logit_bias={"40": 100}, max_tokens=3, logprobs=True).choices[0]
    assert len({each.token for each in forced.logprobs.content}) == 1


def test_completions(client: openai.OpenAI) -> None:
    def text(**more: Any) -> Any:
        return client.completions.create(model="base", temperature=0, max_tokens=5, **more)

    both = text(prompt=["the parcel", "my bill"])
    assert [choice.text for choice in both.choices] == [
        text(prompt=prompt).choices[0].text for prompt in ("the parcel", "my bill")
    ]
    chunks = list(text(prompt="my bill", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == both.choices[1].text


@pytest.mark.parametrize(
    ("more", "status", "param", "code"),
    [
        ({"model": "nobody"}, 404, "model", "model_not_found"),
        ({"temperature": 3}, 400, "temperature", "invalid_value"),
        ({"max_tokens": 0}, 400, "max_tokens", "invalid_value"),
        ({"max_tokens": 1000}, 400, "messages", "context_length_exceeded"),
        ({"messages": [{"role": "user", "content": "word " * 300}]}, 400, "messages",
         "context_length_exceeded"),
        ({"messages": []}, 400, "messages", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format", "unsupported"),
        ({"tools": [TOOL], "tool_choice": "required"}, 400, "tool_choice", "unsupported"),
        ({"extra_body": {"best_of": 2}}, 400, "best_of", "unsupported"),
        ({"extra_body": {"colour": "red"}}, 400, "colour", "unsupported"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
         400, None, "invalid_value"),
        ({"logit_bias": {"99999": 1}}, 400, "logit_bias", None),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(
    client: openai.OpenAI, more: dict[str, Any], status: int, param: str | None, code: str | None
) -> None:
    for streams in (False, True):
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client, **{"stream": streams, **more})
        assert caught.value.status_code == status
        assert caught.value.code == code
        if param:
            assert caught.value.param == param


def test_what_a_client_sends_back_is_taken(client: openai.OpenAI) -> None:
    message = ask(client).choices[0].message
    again = [*CHAT, message.model_dump(), {"role": "user", "content": "again"}]
    assert ask(client, messages=again, extra_body={"suffix": None}).choices[0].message.content


def test_a_wrong_key_is_refused_and_health_needs_none(runtime: Running) -> None:
    stranger = openai.OpenAI(base_url=f"{runtime.url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with urllib.request.urlopen(f"{runtime.url}/health") as answer:
        assert json.load(answer) == {"status": "ok"}


def test_a_client_that_goes_away_leaves_the_batch(client: openai.OpenAI, runtime: Running) -> None:
    stream = ask(client, stream=True, max_tokens=200, logit_bias={"2": -100})
    next(iter(stream))
    stream.close()
    until = time.monotonic() + 30
    while runtime.worker.running and time.monotonic() < until:
        time.sleep(0.01)
    assert runtime.worker.running == 0


def test_adapters_come_and_go_while_others_are_called(
    client: openai.OpenAI, runtime: Running, models: Path
) -> None:
    server = AdapterServer(runtime.url, TOKEN)
    expected = ask(client, max_tokens=60).choices[0].message.content
    stream = ask(client, stream=True, max_tokens=60)
    first = next(iter(stream)).choices[0].delta.content

    server.load("router@2", models / "two")
    server.load("router@2", models / "two")
    assert server.models() == ("base", "router@1", "router@2")
    tuned = ask(client, "router@2").choices[0].message.content
    assert tuned == generated(models, "two")
    server.unload("router@2")
    server.unload("router@2")
    rest = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert first + rest == expected
    assert server.models() == ("base", "router@1")
    with pytest.raises(openai.NotFoundError):
        ask(client, "router@2")


def test_an_adapter_that_does_not_fit_changes_nothing(
    client: openai.OpenAI, runtime: Running, models: Path, tmp_path: Path
) -> None:
    server = AdapterServer(runtime.url, TOKEN)
    wider = make_base(tmp_path / "wider", hidden=64)
    for folder in (make_adapter(wider, tmp_path / "adapter"), models / "base", tmp_path / "none"):
        with pytest.raises(ServingError, match="refused /load_lora_adapter: 400"):
            server.load("broken", folder)
    assert ask(client, "router@1").choices[0].message.content == generated(models, "one")


def test_within_a_bound_of_memory_calls_take_turns_and_idle_weights_go(tmp_path: Path) -> None:
    refusing = "{{ raise_exception('only one message') }}" + CHAT_TEMPLATE
    base = make_base(tmp_path / "base", template=refusing)
    weights, token = parameter_count(base) * 4, 2 * 16 * 4  # one layer, one head of 16, fp32
    settings = RuntimeSettings(
        weights=base, label="base", announce=tmp_path / "announced.json",
        memory_bytes=weights + 2 * 64 * token, idle_seconds=0.5,
    )  # fmt: skip
    with running(settings) as runtime:
        client = openai.OpenAI(base_url=f"{runtime.url}/v1", api_key=TOKEN, max_retries=0)
        with pytest.raises(openai.BadRequestError, match="only one message"):
            ask(client)  # what the template refuses is the caller's error

        def text(**more: Any) -> Any:
            return client.completions.create(model="base", prompt="my bill", **more)

        assert len(text(max_tokens=50, n=5).choices) == 5  # two fit at a time
        with pytest.raises(openai.BadRequestError, match="16 KiB"):
            text(max_tokens=200)
        assert runtime.worker.memory <= weights + 2 * 64 * token

        until = time.monotonic() + 30
        while runtime.worker.is_loaded and time.monotonic() < until:
            time.sleep(0.01)
        assert runtime.worker.memory == 0
        assert text(max_tokens=3).usage.completion_tokens  # they come back for the next call


def test_files_that_changed_since_they_were_verified_are_never_loaded(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    digests = Digests(tmp_path / "digests.json")
    tuned = [make_adapter(base, tmp_path / name, seed=1) for name in ("one", "two")]
    imprints = [Imprint.of(folder, digests) for folder in (base, *tuned)]
    settings = RuntimeSettings(
        weights=base, label="base", announce=tmp_path / "announced.json", idle_seconds=0.3,
        adapters={"r@1": tuned[0]}, imprints={"base": imprints[0], "r@1": imprints[1]},
    )  # fmt: skip
    settings.write(tmp_path / "settings.json")
    settings = RuntimeSettings.read(tmp_path / "settings.json")
    with running(settings) as runtime:
        client = openai.OpenAI(base_url=f"{runtime.url}/v1", api_key=TOKEN, max_retries=0)
        assert ask(client, "r@1").choices[0].message.content is not None
        _tamper(tuned[1] / "adapter_model.safetensors")
        with pytest.raises(ServingError, match=r"adapter_model.safetensors is not what was"):
            AdapterServer(runtime.url, TOKEN).load("r@2", tuned[1], imprints[2])
        _tamper(tuned[0] / "adapter_model.safetensors")
        _wait_until_idle(runtime)
        with pytest.raises(openai.InternalServerError, match="is not what was verified"):
            ask(client, "r@1")
        assert ask(client).choices[0].message.content is not None
        _tamper(base / "model.safetensors")
        _wait_until_idle(runtime)
        with pytest.raises(openai.InternalServerError, match=r"model.safetensors is not what"):
            ask(client)
    with pytest.raises(ModelError, match=r"model.safetensors is not what was verified"):
        load(settings)  # as after a kill


def _tamper(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))


def _wait_until_idle(runtime: Running) -> None:
    until = time.monotonic() + 30
    while runtime.worker.is_loaded and time.monotonic() < until:
        time.sleep(0.01)
    assert not runtime.worker.is_loaded
