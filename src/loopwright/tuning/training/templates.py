"""Which part of a rendered conversation the assistant said: text, and spans of characters.

Three ways, the first that a base model allows. Its template marks what is generated; or TRL knows
the template and has a marked twin; or the span is what a render with the answer has and the
render before it has not, which is exact wherever a template writes earlier turns as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template
from trl.chat_template_utils import get_training_chat_template, has_generation_markers

from loopwright.errors import TuningError
from loopwright.tuning.training.rows import Row, UnusableRowError


class Span(NamedTuple):
    """Characters that the assistant said, and their weight in the loss."""

    start: int
    end: int
    weight: float


class Template:
    """The chat template of a tokenizer, ready to say what is learnt of a row."""

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise TuningError(
                "the base model has no chat template, so rows of chat cannot be written for it",
                hint="take the instruct variant of this model, or put a chat_template.jinja into "
                "its folder",
            )
        self._tokenizer = tokenizer
        self._twin = _marked_twin(tokenizer)
        self.turn_end = _turn_end(self, tokenizer)
        """The token that ends a turn of the assistant."""

    def spans(self, row: Row) -> tuple[str, list[Span]]:
        """The text of a row and what is learnt of it. Raises UnusableRowError."""
        template = self._twin or self._template(row.tools)
        if has_generation_markers(template):
            text, marked = self._render(row.messages, row.tools, template, marks=True)
            if len(marked) == len(row.weights):
                weighted = zip(marked, row.weights, strict=True)
                return text, [Span(start, end, weight) for (start, end), weight in weighted]
            if set(row.weights) == {1.0}:
                return text, [Span(start, end, 1.0) for start, end in marked]
        return self._derived(row)

    def text(self, messages: Sequence[Any], tools: Any = None, *, prompt: bool = False) -> str:
        """The messages as the model reads them; `prompt`: up to where it is to speak."""
        rendered, _ = self._render(messages, tools, self._template(tools), prompt=prompt)
        return rendered

    def _derived(self, row: Row) -> tuple[str, list[Span]]:
        whole = self.text(row.messages, row.tools)
        answers = [at for at, each in enumerate(row.messages) if each["role"] == "assistant"]
        spans = [
            Span(*self._said(row, at, whole), weight)
            for at, weight in zip(answers, row.weights, strict=True)
            if weight
        ]
        return whole, spans

    def _said(self, row: Row, at: int, whole: str) -> tuple[int, int]:
        """What the message `at` adds to the render of those before it."""
        upto = self.text(row.messages[: at + 1], row.tools)
        for prompt in (True, False):
            before = self.text(row.messages[:at], row.tools, prompt=prompt)
            if upto.startswith(before) and whole.startswith(upto):
                said = upto[len(before) :]
                kept = said.rstrip()
                ends = self.turn_end.text
                return len(before), len(before) + len(kept if kept.endswith(ends) else said)
        raise UnusableRowError(
            "the chat template writes an earlier turn anew once the conversation goes on, so what "
            "the assistant said cannot be told apart exactly; give earlier turns the weight 0"
        )

    def _template(self, tools: Any) -> str:
        return str(self._tokenizer.get_chat_template(None, tools))

    def _render(
        self, messages: Any, tools: Any, template: str, *, prompt: bool = False, marks: bool = False
    ) -> tuple[str, list[tuple[int, int]]]:
        try:
            texts, spans = render_jinja_template(
                conversations=[messages],
                tools=tools,
                chat_template=template,
                add_generation_prompt=prompt,
                return_assistant_tokens_mask=marks,
                **self._tokenizer.special_tokens_map,
            )
        except (TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise UnusableRowError(f"the chat template refuses it: {error}") from error
        return texts[0], list(spans[0]) if marks else []


class TurnEnd(NamedTuple):
    """The token at which generation of an answer ends."""

    id: int
    text: str


def _marked_twin(tokenizer: Any) -> str | None:
    """TRL's training template for this one, where it has no marks of its own and is known."""
    template = tokenizer.chat_template
    if isinstance(template, str) and not has_generation_markers(template):
        with suppress(ValueError):  # TRL does not know it
            twin: str | None = get_training_chat_template(processing_class=tokenizer)
            return twin
    return None


_PROBE = "zq"


def _turn_end(template: Template, tokenizer: Any) -> TurnEnd:
    """The first special token after an answer, as the template writes it."""
    try:
        text = template.text(
            [{"role": "user", "content": "hi"}, {"role": "assistant", "content": _PROBE}]
        )
    except UnusableRowError as error:
        raise TuningError(
            f"the chat template of the base model cannot write a question and its answer: {error}",
            hint="correct chat_template.jinja in the base's folder, or take another base",
        ) from error
    rest = text[text.rindex(_PROBE) + len(_PROBE) :] if _PROBE in text else ""
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for token in tokenizer(rest, add_special_tokens=False)["input_ids"]:
        if token in special:
            return TurnEnd(token, str(tokenizer.convert_ids_to_tokens(token)))
    raise TuningError(
        "the chat template of the base model ends an answer with no special token, so a model "
        "trained with it would not know when to stop",
        hint="let the template write the end-of-turn or end-of-text token after the assistant's "
        "content",
    )
