"""Lake: where recorded calls live, encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.manifests.secrets import SecretRef
from loopwright.resources.base import Model, RealisedSpec, Resource, shared
from loopwright.resources.durations import Duration, Period, parse_duration
from loopwright.resources.markers import IMMUTABLE, WRITE_ONLY


class Retention(Model):
    """How long calls are kept; text and metadata apart. None said: for good."""

    text: Period | None = Field(
        None,
        description="How long request and response text is kept; default: as long as the call.",
        examples=["90d"],
    )
    metadata: Period | None = Field(
        None, description="How long the fact of the call is kept.", examples=["52w"]
    )

    @model_validator(mode="after")
    def _text_goes_first(self) -> Retention:
        if not self.text or not self.metadata:
            return self
        if parse_duration(self.text) > parse_duration(self.metadata):
            raise PydanticCustomError(
                "retention",
                "keeps text longer than its metadata; give text {metadata} or less",
                {"metadata": self.metadata},
            )
        return self


class LakeSpec(RealisedSpec):
    """Where calls live and under which key."""

    storage: Annotated[str, IMMUTABLE] = Field(
        min_length=1,
        description="A folder (relative to the project) or an object-store URL.",
        examples=["lake", "s3://calls/prod"],
    )
    master_key: Annotated[SecretRef | None, WRITE_ONLY] = Field(
        None,
        description="Where the 32-byte master key comes from (base64). Default: a file beside "
        "the state, made on first use and readable only by you.",
        examples=[{"env": "LAKE_MASTER_KEY"}],
    )
    retention: Retention = Field(
        default_factory=shared(Retention),
        description="How long text and metadata are kept.",
        examples=[{"text": "90d", "metadata": "52w"}],
    )
    visibility_delay: Duration = Field(
        "0s",
        description="How long after a call its record may still arrive; datasets are cut "
        "behind it.",
        examples=["10m"],
    )


class Lake(Resource):
    """An encrypted store of calls, from any number of endpoints.

    Request and response text lie under another key than the metadata, so counting, filtering
    and sampling open no text.
    """

    holds_data: ClassVar[bool] = True
    kind: Literal["Lake"] = Field(description="The kind.", examples=["Lake"])
    spec: LakeSpec = Field(
        description="Where calls live.", examples=[{"provider": "local", "storage": "lake"}]
    )

    def claims(self) -> Iterator[tuple[str, str, str]]:
        place = self.spec.storage.rstrip("/")
        mend = "a lake takes any number of endpoints; declare one, or give each its own storage"
        yield "spec.storage", f"the storage {place!r} of {self.spec.provider}", mend
