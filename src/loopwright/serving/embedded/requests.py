"""What callers may ask: OpenAI's requests, read strictly.

A parameter that this runtime cannot honour is refused by name instead of being ignored, since
ignoring it would change the answer; what only labels or stores a call is taken and left alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic import ValidationError as PydanticError

from loopwright.serving.embedded.refusals import RefusalError, invalid, unsupported

_UNSUPPORTED = {
    "audio": "it answers with text only",
    "best_of": "ask for n and choose yourself",
    "echo": "the prompt is known to the caller",
    "function_call": "use tools and tool_choice",
    "functions": "use tools",
    "min_p": "use top_p or top_k",
    "prediction": "it generates every token",
    "reasoning_effort": "the model has no such setting",
    "repetition_penalty": "use presence_penalty or frequency_penalty",
    "suffix": "it only goes on from the prompt",
    "verbosity": "the model has no such setting",
    "web_search_options": "it has no access to the web",
}

Number = StrictInt | StrictFloat
Role = Literal["system", "developer", "user", "assistant", "tool"]


class _Part(BaseModel):
    """A part that clients send back with whatever they were told beside it."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class StreamOptions(_Part):
    include_usage: StrictBool = False


class TextPart(_Part):
    type: Literal["text"]
    text: StrictStr


class CalledFunction(_Part):
    name: StrictStr
    arguments: StrictStr = "{}"


class ToolCall(_Part):
    id: StrictStr | None = None
    type: Literal["function"] = "function"
    function: CalledFunction


class Message(_Part):
    role: Role
    content: StrictStr | list[TextPart] | None = None
    name: StrictStr | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: StrictStr | None = None
    reasoning_content: StrictStr | None = None


class Function(_Part):
    name: Annotated[StrictStr, Field(min_length=1)]
    description: StrictStr | None = None
    parameters: dict[str, Any] | None = None
    strict: StrictBool | None = None


class Tool(_Part):
    type: Literal["function"]
    function: Function


class ResponseFormat(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    type: StrictStr


class Request(BaseModel):
    """What both kinds of call have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: StrictStr
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    top_k: Annotated[StrictInt, Field(ge=-1)] | None = None
    n: Annotated[StrictInt, Field(ge=1, le=8)] | None = None
    stop: StrictStr | Annotated[list[StrictStr], Field(max_length=16)] | None = None
    seed: StrictInt | None = None
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[int, Annotated[Number, Field(ge=-100, le=100)]] | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    # Labels and storage of the service that OpenAI runs: nothing that decides an answer.
    user: StrictStr | None = None
    metadata: dict[str, Any] | None = None
    store: StrictBool | None = None
    service_tier: StrictStr | None = None
    safety_identifier: StrictStr | None = None
    prompt_cache_key: StrictStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _said(cls, told: Any) -> Any:
        """Null means that nothing was said, of parameters that are not known here too."""
        if not isinstance(told, dict):
            return told
        return {name: value for name, value in told.items() if value is not None}

    @property
    def stops(self) -> tuple[str, ...]:
        listed = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(stop for stop in listed if stop)


class ChatRequest(Request):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    tools: list[Tool] | None = None
    tool_choice: StrictStr | dict[str, Any] | None = None
    parallel_tool_calls: StrictBool | None = None
    response_format: ResponseFormat | None = None
    logprobs: StrictBool | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=20)] | None = None
    modalities: list[StrictStr] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    """Variables of the template, as vLLM takes them (`enable_thinking` of Qwen3)."""

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def offered(self) -> list[Tool]:
        """Tools that the model may call."""
        return [] if self.tool_choice == "none" else self.tools or []


class CompletionRequest(Request):
    """POST /v1/completions: the older form, a text that goes on."""

    prompt: StrictStr | list[StrictStr] | list[StrictInt] | list[list[StrictInt]]
    logprobs: Annotated[StrictInt, Field(ge=0, le=20)] | None = None

    @property
    def limit(self) -> int:
        return self.max_tokens or 16  # as OpenAI's

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        prompt: Any = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        return [prompt] if prompt and isinstance(prompt[0], int) else prompt


class AdapterRequest(BaseModel):
    """vLLM's /v1/load_lora_adapter and /v1/unload_lora_adapter."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    lora_name: Annotated[StrictStr, Field(min_length=1)]
    lora_path: StrictStr = ""
    lora_files: dict[str, str] = {}
    """Ours: what the files have to be, now and whenever the weights come back."""
    lora_remembered: StrictStr = ""
    """Ours: where digests of files are remembered."""


_R = TypeVar("_R", bound=BaseModel)


def parsed(kind: type[_R], body: bytes) -> _R:
    """The request in `body`. Raises RefusalError 400 that names the parameter."""
    try:
        request = kind.model_validate_json(body)
    except PydanticError as error:
        raise _refusal(error) from None
    if isinstance(request, ChatRequest):
        _check_chat(request)
    return request


def _refusal(error: PydanticError) -> RefusalError:
    # The deepest of several: of a union's members the one that came furthest.
    found = max(error.errors(include_url=False, include_input=False), key=lambda e: len(e["loc"]))
    path = ".".join(str(step) for step in found["loc"] if step not in _UNION)
    if found["type"] == "json_invalid":
        return invalid("the body is not valid JSON", code="invalid_json")
    if found["type"] == "extra_forbidden":
        why = _UNSUPPORTED.get(path, "it is not a parameter known here")
        return unsupported(path, why)
    if found["type"] == "missing":
        return invalid(f"{path} is missing", path, code="missing")
    return invalid(f"{path}: {found['msg']}", path, code="invalid_value")


_UNION = {"str", "int", "float", "list[TextPart]", "list[str]", "list[int]", "constrained-int"}


def _check_chat(request: ChatRequest) -> None:
    kind = request.response_format.type if request.response_format else "text"
    if kind != "text":
        raise unsupported("response_format", f"it cannot hold a model to {kind!r}")
    if request.tool_choice not in (None, "none", "auto"):
        raise unsupported("tool_choice", "the model decides itself whether it calls; use 'auto'")
    if request.tool_choice == "auto" and not request.tools:
        raise invalid("tool_choice needs tools", "tool_choice")
    if request.modalities not in (None, ["text"]):
        raise unsupported("modalities", "it answers with text only")
    if request.top_logprobs is not None and not request.logprobs:
        raise invalid("top_logprobs needs logprobs: true", "top_logprobs")
