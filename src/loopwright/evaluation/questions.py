"""What is asked of a model and how its answers are scored: sets of questions, and their items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from loopwright.hashing import digest

Message = Mapping[str, Any]
TOOL_CALL, MULTIPLE_CHOICE, JUDGE = "toolCall", "multipleChoice", "judge"
_UNTOLD = frozenset({"jsonValid", "jsonSchema", "judge"})
_ID_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Judging:
    """Who judges answers, by what."""

    endpoint: str
    """Its name at the gateway."""
    digest: str
    """Of the model that judges: verdicts are kept under it."""
    rubric: str
    scale: int = 5
    pairwise: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """One file of questions. Knows nothing of manifests; goes to a child process as JSON."""

    capability: str
    name: str
    path: str
    method: str
    weight: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the method, by their manifest names: compare, pattern, schema, tolerance ..."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the requests."""
    system_prompt: str | None = None
    turns: str = "last"
    limit: int | None = None
    judging: Judging | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.capability, self.name

    @property
    def needs_expected(self) -> bool:
        """Whether an item without an expected answer could not be scored."""
        return self.method not in _UNTOLD and not self.settings.get("pattern")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        judging = data.get("judging")
        return cls(**{**data, "judging": Judging(**judging) if judging else None})

    @property
    def file(self) -> Path:
        return Path(self.path)


@dataclass(frozen=True, slots=True)
class Item:
    """One question with what is expected of the answer."""

    id: str
    messages: Sequence[Message]
    expected: Any = None
    """Text, a JSON value, tool calls, or a list of texts of which any will do."""
    choices: Sequence[str] = ()
    tools: Sequence[Mapping[str, Any]] = ()

    @property
    def question(self) -> str:
        """What the user said last, as plain text."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return plain_text(message.get("content"))
        return ""

    def request(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What an endpoint is asked; its model is named by whoever asks."""
        asked: dict[str, Any] = {"messages": list(self.messages), "temperature": 0, **parameters}
        if self.tools:
            asked.setdefault("tools", list(self.tools))
        return asked


def identified(item: Item, asked: QuestionSet, *, ordinal: int = 0) -> Item:
    """The item under the digest of all that makes it this item; equals differ by `ordinal`."""
    said = {
        "messages": item.messages,
        "expected": item.expected,
        "choices": item.choices,
        "tools": item.tools,
        "method": asked.method,
        "settings": asked.settings,
        "rubric": [asked.judging.rubric, asked.judging.scale] if asked.judging else None,
    }
    if ordinal:
        said["ordinal"] = ordinal
    return replace(item, id=digest(said).removeprefix("sha256:")[:_ID_LENGTH])


def asked_digest(ids: Iterable[tuple[str, str, str]]) -> str:
    """Of all that is asked, whoever answers: capability, dataset and id of each item."""
    return digest(sorted(map(list, ids)))


def plain_text(content: Any) -> str:
    """The text of a message, also where it comes in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "\n".join(text for text in texts if isinstance(text, str))
