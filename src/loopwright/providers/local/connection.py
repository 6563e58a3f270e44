"""What `Provider.spec.connection` may say for type `local`. Settings only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from loopwright.resources.base import Model
from loopwright.resources.durations import Period


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


class RuntimeSettings(Model):
    """Bounds of the processes that serve models of this machine, one a base or full model."""

    threads: int = Field(
        1,
        ge=1,
        le=256,
        description="Threads of a process; one is right for small models.",
        examples=[4],
    )
    max_batch: int = Field(
        16, ge=1, le=256, description="Calls that are answered at once.", examples=[32]
    )
    memory: str | None = Field(
        None,
        pattern="^[1-9][0-9]*(MiB|GiB)$",
        description="Most memory a process may take; a model that needs more is refused.",
        examples=["8GiB"],
    )
    idle_unload: Period = Field(
        "15m",
        description="Without a call for so long, weights leave memory until the next.",
        examples=["1h"],
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where models are computed.", examples=["cuda"]
    )


class TrainingSettings(Model):
    """How fine-tune jobs run on this machine."""

    threads: int = Field(
        1,
        ge=1,
        le=256,
        description="Threads of a training process. Weights are the same from run to run with "
        "one thread only.",
        examples=[8],
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where models are trained.", examples=["cuda"]
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
    models: str | None = Field(
        None,
        min_length=1,
        description="Folder of the model registry, relative to the project. Default: `models` "
        "beside the state of the environment.",
        examples=["models"],
    )
    keep_models: int | None = Field(
        None,
        ge=1,
        description="How many revisions of a model are kept; one that is served, has an alias or "
        "is the base of another never goes. Default: all.",
        examples=[5],
    )
    runtime: RuntimeSettings = Field(
        default_factory=RuntimeSettings,
        description="Bounds of the processes that serve models.",
        examples=[{"threads": 4, "memory": "8GiB"}],
    )
    training: TrainingSettings = Field(
        default_factory=TrainingSettings,
        description="How fine-tune jobs run here.",
        examples=[{"threads": 8}],
    )
    object_store: ObjectStoreSettings | None = Field(
        None,
        description="Where `s3://` is. Its keys are `accessKey`, `secretKey` and `sessionToken` in "
        "spec.credentials; without them, those of the machine's AWS configuration.",
        examples=[{"endpoint": "https://tos-s3-cn-beijing.volces.com", "region": "cn-beijing"}],
    )
