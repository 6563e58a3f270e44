"""Text in and out of a model: its tokenizer and its chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2.exceptions import TemplateError

from loopwright.errors import ModelError, ServingError
from loopwright.models.chat import template_messages
from loopwright.serving.embedded.refusals import invalid


class Tokens:
    """One folder's tokenizer. May be used by several threads at once."""

    def __init__(self, folder: Path, *, trust_remote_code: bool = False) -> None:
        """Raises ServingError when the folder holds no tokenizer that loads."""
        from transformers import AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=trust_remote_code
            )
        except Exception as error:
            raise ServingError(
                f"cannot load the tokenizer in {folder}: {error}",
                hint="the folder needs tokenizer.json or the files of a slow tokenizer",
            ) from error
        self.encode("x")  # clears the truncation that a trainer may have saved

    @property
    def end(self) -> int | None:
        """The token that ends a text."""
        found: int | None = self._tokenizer.eos_token_id
        return found

    @property
    def size(self) -> int:
        return len(self._tokenizer)

    @property
    def chats(self) -> bool:
        """Whether there is a chat template."""
        return bool(self._tokenizer.chat_template)

    def encode(self, text: str, *, marks: bool = False) -> list[int]:
        """Tokens of `text`; `marks` adds what the tokenizer puts around a text."""
        return list(self._tokenizer(text, add_special_tokens=marks)["input_ids"])

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of `tokens` without special ones."""
        return str(
            self._tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def piece(self, token: int) -> str:
        """Text of one token, special ones too."""
        return str(self._tokenizer.decode([token], clean_up_tokenization_spaces=False))

    def rendered(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        options: Mapping[str, Any],
    ) -> list[int]:
        """Tokens of a chat up to where the answer begins.

        `options` are variables of the template. Raises RefusalError when the template refuses.
        """
        if not self.chats:
            raise invalid(
                "this model has no chat template: use /v1/completions", "messages",
                code="no_chat_template",
            )  # fmt: skip
        try:
            text = self._tokenizer.apply_chat_template(
                template_messages(messages),
                tools=list(tools) if tools else None,
                add_generation_prompt=True,
                tokenize=False,
                **options,
            )
        except (
            TemplateError,
            TypeError,
            ValueError,
            KeyError,
            AttributeError,
            ModelError,
        ) as error:
            # A template's own words (raise_exception) are the model author's, not the caller's.
            words = str(error) if isinstance(error, TemplateError) else type(error).__name__
            raise invalid(
                f"the model's chat template does not take these messages: {words}",
                "messages", code="chat_template",
            ) from None  # fmt: skip
        return self.encode(text)
