"""CallImport: recorded calls from elsewhere, brought into a lake."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from loopwright.resources.address import Address
from loopwright.resources.base import AnyOrder, Nature, RealisedSpec, Resource
from loopwright.resources.markers import MANIFEST_PATH, Ref
from loopwright.resources.rules import NotEmpty


class CallImportSpec(RealisedSpec):
    """Which files, into which lake."""

    lake: Annotated[str, Ref(("Lake",))] = Field(
        description="The lake that takes the calls.", examples=["main"]
    )
    files: Annotated[AnyOrder[str], NotEmpty(), MANIFEST_PATH] = Field(
        description="JSONL files of recorded calls, plain or gzip, relative to this manifest. "
        "Their order does not matter; a file imported twice adds nothing.",
        examples=[["calls/support-desk.jsonl.gz"]],
    )
    format: Literal["auto", "openai-chat"] = Field(
        "auto", description="Shape of the lines; auto tells them apart.", examples=["auto"]
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
