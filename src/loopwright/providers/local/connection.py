"""What `Provider.spec.connection` may say for type `local`. Settings only."""

from __future__ import annotations

from pydantic import Field

from loopwright.resources.base import Model


class Connection(Model):
    """Settings of a provider of type `local`."""

    datasets: str | None = Field(
        None,
        min_length=1,
        description="Folder of the dataset versions, relative to the project. Default: "
        "`datasets` beside the state of the environment.",
        examples=["datasets"],
    )
