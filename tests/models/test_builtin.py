"""The demonstration model: the same corpus everywhere, and files that its script makes again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loopwright.hashing import sha256_hex
from loopwright.models.builtin import corpus, making

HOME = Path(__file__).resolve().parents[2]
SHIPPED = Path(making.__file__).parent / "tiny-chat"


def test_the_corpus_is_the_same_on_every_machine() -> None:
    told = "\n".join(
        json.dumps(chat, ensure_ascii=False) for chat in corpus.chats(2_000, seed=making.SEED)
    )
    assert sha256_hex(told.encode()) == (
        "c748d580ab9b6a5d0bbe0d1908763f29422351f0018a0f2a453f21914a3a88c4"
    )


def test_no_message_of_the_corpus_is_a_ticket_that_the_quickstart_is_judged_on() -> None:
    learned = {
        chat[1]["content"].lower()
        for chat in corpus.chats(20_000, seed=making.SEED)
        if len(chat) == 3
    }
    asked = [
        json.loads(line)["messages"][1]["content"].lower()
        for path in sorted((HOME / "manifests/eval").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(asked) == 240
    assert not learned & set(asked)


def test_it_says_what_it_is_for() -> None:
    card = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert "for demonstrations and tests" in card
    config = json.loads((SHIPPED / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (2, 128)
    assert config["initializer_range"] == 0.08


@pytest.mark.slow
def test_the_script_makes_the_shipped_tokenizer_and_a_model_that_answers(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    making.make(tmp_path, steps=2)
    made, shipped = (
        json.loads((folder / "tokenizer.json").read_text()) for folder in (tmp_path, SHIPPED)
    )
    assert made == shipped
    model = AutoModelForCausalLM.from_pretrained(SHIPPED)
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED)
    asked = tokenizer.apply_chat_template(
        [
            {"role": "system", "content": "Which place is named?"},
            {"role": "user", "content": "I live in Leeds. The kettle is broken."},
        ],
        add_generation_prompt=True,
        return_tensors="pt",
    )
    answer = model.generate(**asked, max_new_tokens=8, do_sample=False)
    assert tokenizer.decode(answer[0][asked["input_ids"].shape[1] :], skip_special_tokens=True) == (
        "Leeds"
    )
