"""What came back for one question: an answer, a refusal, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Usage(NamedTuple):
    """Tokens, as the server counted them."""

    input: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """The last word of a server on one question, after all attempts."""

    status: int
    """HTTP status; 0 when there was no answer at all."""
    body: Mapping[str, Any] | None = None
    error: str = ""
    """Why there is no answer to use; empty: there is one."""
    seconds: float = 0.0
    """The last attempt alone, without pauses."""
    attempts: int = 1
    request_id: str = ""
    """By which the server, or the gateway before it, knows the call."""

    @property
    def is_answer(self) -> bool:
        """Whether it holds a body that says something."""
        return not self.error

    @property
    def text(self) -> str:
        """What the first choice says; empty when it says nothing, as with a tool call."""
        choice = self._choice
        said = choice.get("text")
        return str(said if said is not None else self._message.get("content") or "")

    @property
    def tool_calls(self) -> Sequence[Mapping[str, Any]]:
        """Of the first choice, as OpenAI writes them."""
        return self._message.get("tool_calls") or ()

    @property
    def finish_reason(self) -> str:
        return str(self._choice.get("finish_reason") or "")

    @property
    def usage(self) -> Usage:
        """Tokens read and written; zero where the server does not tell."""
        told = (self.body or {}).get("usage")
        if not isinstance(told, Mapping):
            return Usage()
        return Usage(int(told.get("prompt_tokens") or 0), int(told.get("completion_tokens") or 0))

    @property
    def _choice(self) -> Mapping[str, Any]:
        choices = (self.body or {}).get("choices")
        first = choices[0] if isinstance(choices, list) and choices else {}
        return first if isinstance(first, Mapping) else {}

    @property
    def _message(self) -> Mapping[str, Any]:
        message = self._choice.get("message")
        return message if isinstance(message, Mapping) else {}
