"""CallImport: recorded calls from elsewhere, brought into a lake."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from loopwright.resources.address import Address
from loopwright.resources.base import AnyOrder, Model, Nature, RealisedSpec, Resource
from loopwright.resources.markers import MANIFEST_PATH, Ref
from loopwright.resources.rules import AtMostOne, NotEmpty, Requires, checked, schema_of

Format = Literal[
    "auto",
    "openai-chat",
    "openai-stored",
    "ark-las",
    "bedrock-invocations",
    "langfuse",
    "litellm",
]
_PATH = r"^[^.]+(\.[^.]+)*$"
_BODIES = (
    AtMostOne(("messages", "request")),
    Requires("request", ("response",), "takes request only with response"),
    Requires("response", ("request",), "takes response only with request"),
)


def _path(what: str, example: str) -> str | None:
    found: str | None = Field(
        None, pattern=_PATH, max_length=256, description=what, examples=[example]
    )
    return found


class Mapping(Model):
    """Where a line holds a field: a path of keys joined by dots, `meta.user.id`.

    A number is a place in a list, counted from 0. JSON text on the way is read into.
    """

    model_config = ConfigDict(json_schema_extra=schema_of(*_BODIES))

    request: str | None = _path(
        "The chat request, its messages or one prompt. With response, lines need no known format.",
        "body.input",
    )
    response: str | None = _path("The completion, its message or the answer's text.", "body.output")
    messages: str | None = _path("Messages, the answer last, in place of both.", "conversation")
    ts: str | None = _path("When the call was made.", "meta.at")
    endpoint: str | None = _path("Endpoint name.", "meta.route")
    model: str | None = _path("Model that answered.", "meta.model")
    session: str | None = _path("Session id, for leak-free splits.", "meta.session")
    subject: str | None = _path("The end user's id; erased by it.", "meta.user.id")
    id: str | None = _path("The id that the caller or vendor gave the call.", "meta.request_id")

    _whole = model_validator(mode="after")(checked(*_BODIES))


class CallImportSpec(RealisedSpec):
    """Which files, into which lake."""

    lake: Annotated[str, Ref(("Lake",))] = Field(
        description="The lake that takes the calls.", examples=["main"]
    )
    files: Annotated[AnyOrder[str], NotEmpty(), MANIFEST_PATH] = Field(
        description="Files of recorded calls, relative to this manifest: JSON lines or one JSON "
        "document, plain or gzip, or Parquet. Their order does not matter; a file imported twice "
        "adds nothing.",
        examples=[["calls/support-desk.jsonl.gz"]],
    )
    format: Format = Field(
        "auto",
        description="Shape of the lines. auto: each file's by its first lines; openai-chat: "
        "messages with the answer last, or request and response; openai-stored: stored "
        "completions, each with its messages; ark-las: Volcengine Ark datasets and LAS exports; "
        "bedrock-invocations: model invocation logs; langfuse: observations; litellm: spend logs.",
        examples=["langfuse"],
    )
    mapping: Mapping | None = Field(
        None,
        description="Where lines hold single fields, for your own logs or to correct a format.",
        examples=[{"request": "body.input", "response": "body.output", "subject": "meta.user"}],
    )
    endpoint: str | None = Field(
        None,
        min_length=1,
        description="Endpoint name for lines that carry none. Default: imported.",
        examples=["legacy-chat"],
    )


class CallImport(Resource):
    """Brings recorded calls from elsewhere into a lake.

    A call's id is the hash of its line, so a file imported twice adds nothing.
    """

    nature: ClassVar[Nature] = Nature.RUN
    holds_data: ClassVar[bool] = True
    kind: Literal["CallImport"] = Field(description="The kind.", examples=["CallImport"])
    spec: CallImportSpec = Field(
        description="What is imported.",
        examples=[{"provider": "local", "lake": "main", "files": ["calls.jsonl.gz"]}],
    )

    def feeds(self) -> Address | None:
        return Address.parse(self.spec.lake)
