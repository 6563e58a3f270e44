"""Why a call that was walked over is not a line: the words a version manifest counts by.

Only the vocabulary lives here. A reason never carries text of a call.
"""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """In the order in which they are looked for: the first that holds is the one counted."""

    OPERATION = "operation"
    OUTCOME = "outcome"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"
    NO_ANSWER = "no_answer"
    RESPONSE_SCHEMA = "response_schema"
    ROLE = "role"
    CONTENT = "content"
    UNKNOWN_KEY = "unknown_key"
    TOOLS = "tools"
    REASONING = "reasoning"
    WEIGHT = "weight"
    LINE_SCHEMA = "line_schema"
    NEAR_DUPLICATE = "near_duplicate"
    CONTAMINATED = "contaminated"

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _MEANINGS[self]


_MEANINGS = {
    DropReason.OPERATION: "not a chat call",
    DropReason.OUTCOME: "the call's outcome is not one of cleaning.outcomes",
    DropReason.TOO_SHORT: "fewer tokens than cleaning.minTokens",
    DropReason.TOO_LONG: "more tokens than cleaning.maxTokens",
    DropReason.DUPLICATE: "equal to an earlier call",
    DropReason.EXPIRED: "its text is gone, as the lake's retention asks",
    DropReason.UNREADABLE: "the recorded text is not a JSON chat exchange",
    DropReason.NO_ANSWER: "the answer has neither content nor tool calls",
    DropReason.RESPONSE_SCHEMA: "the answer does not satisfy filter.responseSchema",
    DropReason.ROLE: "a message has a role that the line format does not know",
    DropReason.CONTENT: "a message's content has a form that the line format cannot say",
    DropReason.UNKNOWN_KEY: "a message carries a key that the line format does not know",
    DropReason.TOOLS: "tool calls and tool results do not match, or arguments are not JSON text",
    DropReason.REASONING: "reasoning stands where the line format cannot say it",
    DropReason.WEIGHT: "a loss weight that the line format cannot say",
    DropReason.LINE_SCHEMA: "the line does not satisfy the schema of its format",
    DropReason.NEAR_DUPLICATE: "request and answer are nearly those of an earlier call",
    DropReason.CONTAMINATED: "shares text with a question of an EvalSuite",
}
