"""What is learnt of a row: exactly what the assistant said, with its weight, in any template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch

from loopwright.errors import TuningError
from loopwright.tuning.training.batches import EpochSampler, Flat, Padded, pack
from loopwright.tuning.training.packing import check_packing
from loopwright.tuning.training.rows import Row, parse_row, part, read_rows
from loopwright.tuning.training.templates import Template
from loopwright.tuning.training.tokens import IGNORED, Sample, tokenize
from support.tiny_models import CHAT_TEMPLATE, make_base, make_tokenizer

UNMARKED = CHAT_TEMPLATE.replace("{% generation %}", "").replace("{% endgeneration %}", "")
# Leaves the end of the turn outside the marks, as many a published template does.
OPEN_ENDED = CHAT_TEMPLATE.replace(
    " + '<|im_end|>' }}{% endgeneration %}", " }}{% endgeneration %}{{ '<|im_end|>' }}"
)
# Shows thoughts of the last turn only: earlier turns are written anew.
REWRITING = UNMARKED.replace(
    "{{ (message['content'] or '') + '<|im_end|>' }}{%- else %}",
    "{{ ('<think>' if loop.last else '') + message['content'] + '<|im_end|>' }}{%- else %}",
)

TALK = [
    {"role": "system", "content": "be short"},
    {"role": "user", "content": "the parcel never came"},
    {"role": "assistant", "content": "which parcel?"},
    {"role": "user", "content": "the robot vacuum"},
    {"role": "assistant", "content": '{"queue": "shipping"}'},
]


def _row(messages: list[dict[str, Any]], **rest: Any) -> Row:
    return parse_row(orjson.dumps({"messages": messages, **rest}), "rows.jsonl:1")


def _learnt(template: str, messages: list[dict[str, Any]], **rest: Any) -> list[str]:
    """The stretches of text that are learnt."""
    tokenizer = make_tokenizer(template=template)
    done = tokenize(
        [_row(messages, **rest)], tokenizer, Template(tokenizer), longest=256, drop_long=True
    )
    if not done.samples:
        return []
    labels = done.samples[0].labels
    runs = np.split(labels, np.flatnonzero(np.diff(labels == IGNORED)) + 1)
    return [tokenizer.decode(run) for run in runs if run[0] != IGNORED]


ANSWERS = ["which parcel?<|im_end|>", '{"queue": "shipping"}<|im_end|>']


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, UNMARKED, OPEN_ENDED])
def test_only_answers_with_the_end_of_their_turn_are_learnt(template: str) -> None:
    assert _learnt(template, TALK) == ANSWERS


def test_labels_equal_those_of_the_templates_own_marks() -> None:
    tokenizer = make_tokenizer()
    done = tokenize([_row(TALK)], tokenizer, Template(tokenizer), longest=256, drop_long=True)
    theirs = tokenizer.apply_chat_template(
        TALK, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    assert done.samples[0].input_ids.tolist() == theirs["input_ids"]
    ours = (done.samples[0].labels != IGNORED).astype(int).tolist()
    assert ours == theirs["assistant_masks"]


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, UNMARKED])
@pytest.mark.parametrize("key", ["loss_weight", "weight"])
def test_a_message_of_weight_zero_is_context_only(template: str, key: str) -> None:
    messages = [dict(message) for message in TALK]
    messages[2][key] = 0
    assert _learnt(template, messages) == ANSWERS[1:]
    messages[4][key] = 0
    assert _learnt(template, messages) == []


def test_a_template_that_rewrites_earlier_turns_is_not_guessed_at() -> None:
    tokenizer = make_tokenizer(template=REWRITING)
    done = tokenize([_row(TALK)], tokenizer, Template(tokenizer), longest=256, drop_long=True)
    assert not done.samples
    assert "writes an earlier turn anew" in done.nothing_to_learn[0]
    only_last = [{**TALK[2], "weight": 0} if message is TALK[2] else message for message in TALK]
    assert _learnt(REWRITING, only_last) == ["<think>" + ANSWERS[1]]


def test_a_tool_call_reaches_the_template_as_an_object() -> None:
    template = UNMARKED.replace(
        "(message['content'] or '')",
        "((message.tool_calls[0].function.arguments | tojson) if message.tool_calls"
        " else message['content'])",
    )
    call = {"id": "1", "type": "function", "function": {"name": "route", "arguments": '{"a": 1}'}}
    messages = [*TALK[:2], {"role": "assistant", "content": None, "tool_calls": [call]}]
    assert _learnt(template, messages) == ['{"a": 1}<|im_end|>']


def test_a_base_without_template_or_end_of_turn_says_what_to_do() -> None:
    with pytest.raises(TuningError, match="no chat template") as caught:
        Template(make_tokenizer(template=""))
    assert "chat_template.jinja" in str(caught.value.hint)
    with pytest.raises(TuningError, match="when to stop"):
        Template(make_tokenizer(template="{% for m in messages %}{{ m['content'] }}{% endfor %}"))


def test_long_rows_are_left_out_and_counted_or_end_the_run() -> None:
    tokenizer = make_tokenizer()
    rows = [_row(TALK), _row(TALK[1:3])]
    done = tokenize(rows, tokenizer, Template(tokenizer), longest=40, drop_long=True)
    assert len(done.samples) == 1
    assert len(done.samples[0]) <= 40
    assert len(done.too_long) == 1
    with pytest.raises(TuningError, match="longer than maxLength 40"):
        tokenize(rows, tokenizer, Template(tokenizer), longest=40, drop_long=False)


def test_bad_rows_are_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    lines = [
        orjson.dumps({"messages": TALK}),
        b"{",
        orjson.dumps({"messages": TALK[:2]}),
        orjson.dumps({"messages": [image, TALK[2]]}),
        orjson.dumps({"messages": [TALK[1], {**TALK[2], "loss_weight": 2}]}),
    ]
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(TuningError, match="4 of 5 rows") as caught:
        read_rows([file])
    for said in (
        "train.jsonl:2: not JSON",
        "train.jsonl:3: no message has the role assistant",
        "train.jsonl:4: content has parts that are not text",
        "train.jsonl:5: the weight 2 is not in 0 to 1",
    ):
        assert said in caught.value.message


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ("zzz", "tool_calls is not a list"),
        ([5], "a tool call names no function"),
        ([{"function": "f"}], "a tool call names no function"),
        ([{"function": {"name": "f", "arguments": "{"}}], "not the JSON of an object"),
        ([{"function": {"name": "f", "arguments": "[1]"}}], "not the JSON of an object"),
        ([{"function": {"name": "f", "arguments": [1]}}], "neither an object nor its JSON text"),
    ],
)
def test_malformed_tool_calls_are_named_by_file_and_line(
    tmp_path: Path, calls: object, said: str
) -> None:
    file, answer = tmp_path / "train.jsonl", {"role": "assistant", "content": None}
    file.write_bytes(orjson.dumps({"messages": [TALK[1], {**answer, "tool_calls": calls}]}))
    with pytest.raises(TuningError, match=f"train.jsonl:1: .*{said}"):
        read_rows([file])


def test_tools_are_a_list_of_objects(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_bytes(orjson.dumps({"messages": TALK, "tools": [5]}))
    with pytest.raises(TuningError, match="`tools` is not a list of objects"):
        read_rows([file])


def test_validation_keeps_conversations_whole_and_ignores_the_order_of_rows() -> None:
    rows = [
        _row([{"role": "user", "content": f"ticket {talk}"}, *TALK[2 : 3 + turn * 2]])
        for talk in range(50)
        for turn in (0, 1)
    ]
    train, held = part(rows, 10)
    assert len(held) == 10
    assert {row.opening for row in train}.isdisjoint(row.opening for row in held)
    _, again = part(rows[::-1], 10)
    assert {row.opening for row in again} == {row.opening for row in held}


def _samples(lengths: list[int]) -> list[Sample]:
    return [Sample(np.arange(3, 3 + length), np.arange(3, 3 + length), None) for length in lengths]


def test_every_epoch_sees_every_row_once_and_an_order_of_its_own() -> None:
    lengths = np.random.default_rng(0).integers(4, 200, 1003).tolist()
    for bucketed in (False, True):
        sampler = EpochSampler(lengths, batch=8, seed=1, bucketed=bucketed)
        first = list(sampler)
        sampler.begin(1)
        second = list(sampler)
        assert sorted(first) == sorted(second) == list(range(1003))
        assert first != second
        same = EpochSampler(lengths, batch=8, seed=1, bucketed=bucketed)
        same.begin(1)
        assert list(same) == second


def test_buckets_save_most_of_the_padding() -> None:
    lengths = np.random.default_rng(0).integers(4, 200, 1000).tolist()

    def padded(bucketed: bool) -> int:
        order = list(EpochSampler(lengths, batch=8, seed=1, bucketed=bucketed))
        batches = [order[start : start + 8] for start in range(0, len(order), 8)]
        return sum(len(each) * max(lengths[at] for at in each) for each in batches)

    assert padded(True) < 1.05 * sum(lengths)
    assert padded(False) > 1.6 * sum(lengths)


def test_packing_loses_no_row_cuts_none_and_fills_well() -> None:
    lengths = np.random.default_rng(0).integers(4, 200, 500).tolist()
    packed = pack(_samples(lengths), longest=256, seed=0)
    assert sorted(len(one) for item in packed for one in item) == sorted(lengths)
    sizes = [sum(map(len, item)) for item in packed]
    assert max(sizes) <= 256
    assert len(packed) <= 1.05 * sum(lengths) / 256


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoModelForCausalLM

    folder = make_base(tmp_path_factory.mktemp("base"))
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def test_packed_rows_give_the_answers_that_they_give_alone(model: Any) -> None:
    samples = _samples([9, 5, 12])
    with torch.no_grad():
        batch = Flat(weighted=False)([samples])
        batch.pop("labels")
        flat = model(**batch, use_cache=False).logits[0]
        padded = Padded(0, weighted=False)([[one] for one in samples])
        apart = model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).logits
    starts = np.cumsum([0, 9, 5, 12])
    for at, sample in enumerate(samples):
        mine = flat[starts[at] : starts[at + 1]]
        assert torch.allclose(mine, apart[at, : len(sample)], atol=1e-4)


def test_packing_is_refused_where_rows_would_see_each_other(model: Any) -> None:
    check_packing(model, _samples([9, 5]))

    class Leaking(torch.nn.Module):  # type: ignore[misc]
        device = torch.device("cpu")

        def forward(self, input_ids: Any, **_: Any) -> Any:
            return model(input_ids)  # as an attention that knows no positions

    with pytest.raises(TuningError, match="see each other"):
        check_packing(Leaking(), _samples([9, 5]))
