"""What `Provider.spec.connection` may say for type `local`. Settings only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from loopwright.resources.base import Model


class ObjectStoreSettings(Model):
    """How to reach the object store that exports to `s3://` go to."""

    endpoint: str | None = Field(
        None,
        pattern="^https?://",
        description="URL of a store that speaks S3; default: AWS.",
        examples=["https://tos-s3-cn-beijing.volces.com"],
    )
    region: str | None = Field(
        None, description="Region; default: the AWS configuration's.", examples=["cn-beijing"]
    )
    addressing: Literal["auto", "virtual", "path"] = Field(
        "auto",
        description="Whether the bucket is named in the host or in the path.",
        examples=["virtual"],
    )


class Connection(Model):
    """Settings of a provider of type `local`."""

    datasets: str | None = Field(
        None,
        min_length=1,
        description="Folder of the dataset versions, relative to the project. Default: "
        "`datasets` beside the state of the environment.",
        examples=["datasets"],
    )
    object_store: ObjectStoreSettings | None = Field(
        None,
        description="Where `s3://` is. Its keys are `accessKey`, `secretKey` and `sessionToken` in "
        "spec.credentials; without them, those of the machine's AWS configuration.",
        examples=[{"endpoint": "https://tos-s3-cn-beijing.volces.com", "region": "cn-beijing"}],
    )
