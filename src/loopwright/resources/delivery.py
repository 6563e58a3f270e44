"""Delivery: every call of an endpoint, recorded into a lake."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from loopwright.resources.address import Address, Pointer
from loopwright.resources.base import AnyOrder, Model, RealisedSpec, Resource, shared
from loopwright.resources.endpoint import Endpoint
from loopwright.resources.markers import IMMUTABLE, Ref

Detector = Literal["email", "phone", "idCard", "bankCard", "apiKey", "ip"]


def _compiles(patterns: dict[str, str]) -> dict[str, str]:
    if not patterns:
        return patterns
    import regex  # what runs them, since it can be stopped; the notation is Python's own

    for label, pattern in patterns.items():
        try:
            re.compile(pattern)
            regex.compile(pattern)
        except (re.error, regex.error) as error:
            why = f"holds {label!r}, which is not a regular expression: {error}"
            raise PydanticCustomError("pattern", "{why}", {"why": why}) from error
    return patterns


class Redaction(Model):
    """What is replaced before anything is durable."""

    detectors: AnyOrder[Detector] = Field(
        (), description="Built-in detectors.", examples=[["email", "phone"]]
    )
    patterns: Annotated[dict[str, str], AfterValidator(_compiles)] = Field(
        default_factory=dict,
        description="Own regular expressions, by label.",
        examples=[{"order": r"ORD-\d{8}"}],
    )


class Subject(Model):
    """Where the end user's id is found."""

    header: str | None = Field(None, description="A request header.", examples=["x-user-id"])
    field: Literal["user"] | None = Field(
        None, description="A field of the request body.", examples=["user"]
    )


class Session(Model):
    """How calls of one conversation are known to belong together."""

    header: str | None = Field(
        None, min_length=1, description="A request header.", examples=["x-session-id"]
    )


class DeliverySpec(RealisedSpec):
    """Which calls go where."""

    endpoint: Annotated[str, Ref(("Endpoint",)), IMMUTABLE] = Field(
        description="Whose calls. Those of a preset endpoint cannot be delivered.",
        examples=["support-chat"],
    )
    lake: Annotated[str, Ref(("Lake",))] = Field(description="Where they go.", examples=["main"])
    enabled: bool = Field(True, description="On or off.", examples=[False])
    rate: float = Field(
        1.0, gt=0, le=1, description="Share of calls that is recorded.", examples=[0.25]
    )
    redaction: Redaction = Field(
        default_factory=shared(Redaction),
        description="What is replaced before it is stored.",
        examples=[{"detectors": ["email", "phone"]}],
    )
    subject: Subject = Field(
        default_factory=shared(Subject),
        description="Where the end user's id is found.",
        examples=[{"header": "x-user-id"}],
    )
    session: Session = Field(
        default_factory=shared(Session),
        description="Where the conversation's id is found; datasets keep one together.",
        examples=[{"header": "x-session-id"}],
    )
    on_failure: Literal["open", "closed"] = Field(
        "open",
        description="open: the call goes on when it cannot be recorded, and is counted; "
        "closed: it is refused.",
        examples=["closed"],
    )


class Delivery(Resource):
    """Records the calls of a custom endpoint into a lake.

    It may come with the endpoint or later; editing it never touches the endpoint's model.
    """

    attaches_to: ClassVar[str] = "endpoint"
    kind: Literal["Delivery"] = Field(description="The kind.", examples=["Delivery"])
    spec: DeliverySpec = Field(
        description="Which calls go where.",
        examples=[{"provider": "local", "endpoint": "support-chat", "lake": "main"}],
    )

    def check(self, peers: Mapping[Address, Resource]) -> Iterator[tuple[str, str]]:
        endpoint = peers.get(Pointer.parse(self.spec.endpoint).address)
        if isinstance(endpoint, Endpoint) and endpoint.spec.type == "preset":
            yield (
                "spec.endpoint",
                f"{endpoint.address} is a preset endpoint: its calls cannot be delivered; "
                "use an endpoint of type custom",
            )

    def claims(self) -> Iterator[tuple[str, str, str]]:
        yield "spec.endpoint", f"the calls of {self.spec.endpoint}", "an endpoint has one Delivery"
