"""Provider: a configured way to make resources real."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from loopwright.manifests.secrets import SecretRef
from loopwright.resources.base import Model, Nature, Resource, Spec, shared
from loopwright.resources.markers import POLICY


class Prices(Model):
    """What the account pays; estimates are made of these."""

    currency: str = Field(
        "USD", pattern="^[A-Z]{3}$", description="ISO 4217 code.", examples=["CNY"]
    )
    training_per_million_tokens: float = Field(
        0, ge=0, description="Price of training on a million tokens.", examples=[50]
    )
    input_per_million_tokens: float = Field(
        0, ge=0, description="Price of a million prompt tokens.", examples=[0.8]
    )
    output_per_million_tokens: float = Field(
        0, ge=0, description="Price of a million answer tokens.", examples=[2]
    )


class RequestRate(Model):
    """Upper bound on control-plane calls to the account."""

    per_second: float = Field(gt=0, description="Calls a second.", examples=[5])
    burst: int = Field(10, ge=1, description="Calls that may go at once.", examples=[10])


class ProviderSpec(Spec):
    """How to reach a provider."""

    type: str = Field(
        description="Which provider: one of the installed ones (`loopwright doctor` lists them).",
        examples=["local"],
    )
    connection: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of this provider type; checked by the provider.",
        examples=[{"region": "cn-beijing"}],
    )
    credentials: dict[str, SecretRef] = Field(
        default_factory=dict,
        description="References to credentials; never the credentials themselves.",
        examples=[{"accessKey": {"env": "VOLCENGINE_ACCESS_KEY"}}],
    )
    account: str | None = Field(
        None,
        description="Providers with the same account share one rate limit.",
        examples=["team-chat"],
    )
    request_rate: Annotated[RequestRate | None, POLICY] = Field(
        None, description="Bound on calls to the account.", examples=[{"perSecond": 5}]
    )
    prices: Annotated[Prices, POLICY] = Field(
        default_factory=shared(Prices),
        description="Prices for the estimates of plans.",
        examples=[{"currency": "CNY", "trainingPerMillionTokens": 50}],
    )


class Provider(Resource):
    """A named, configured provider: every realised resource names one in `spec.provider`.

    Credentials are references only (`{env: NAME}`, `{file: path}`), never the values.
    """

    nature: ClassVar[Nature] = Nature.CONFIG
    kind: Literal["Provider"] = Field(description="The kind.", examples=["Provider"])
    spec: ProviderSpec = Field(
        description="How to reach the provider.", examples=[{"type": "local"}]
    )
