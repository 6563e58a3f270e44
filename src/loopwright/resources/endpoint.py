"""Endpoint: what serves a model, and how a better model is promoted to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.manifests.secrets import SecretRef
from loopwright.resources.address import Address
from loopwright.resources.base import Many, Model, Promotion, RealisedSpec, Resource
from loopwright.resources.durations import Period
from loopwright.resources.eval_run import EvalRun
from loopwright.resources.markers import COSMETIC, IMMUTABLE, POLICY, WRITE_ONLY, Edge, Ref
from loopwright.resources.rules import ExactlyOne, checked, schema_of

_SERVED = ExactlyOne(("base", "model", "fineTuneJob", "upstream"))
_PRESET = {
    "$comment": "type preset only with model base, and without promote",
    "if": {"required": ["type"], "properties": {"type": {"const": "preset"}}},
    "then": {
        "properties": {
            "promote": {"type": "null"},
            "model": {"required": ["base"], "properties": {"base": {"type": "string"}}},
        }
    },
}


class RateLimit(Model):
    """Bounds on traffic."""

    rpm: int = Field(gt=0, description="Requests a minute.", examples=[600])
    tpm: int = Field(gt=0, description="Tokens a minute.", examples=[200_000])


class Timeouts(Model):
    """How long an upstream may take. What is not said is the gateway's own."""

    connect: Period | None = Field(None, description="To connect.", examples=["10s"])
    first_byte: Period | None = Field(
        None, description="Until the first byte of an answer.", examples=["5m"]
    )
    idle: Period | None = Field(
        None, description="Between two bytes of an answer.", examples=["2m"]
    )


class Server(Model):
    """Any OpenAI-compatible server."""

    url: str = Field(
        pattern=r"^https?://",
        description="Base URL, up to and with /v1.",
        examples=["https://api.example.com/v1"],
    )
    api_key: Annotated[SecretRef | None, WRITE_ONLY] = Field(
        None, description="Its API key, by reference.", examples=[{"env": "UPSTREAM_KEY"}]
    )
    model: str = Field(description="Model name sent to it.", examples=["gpt-oss-120b"])
    weight: float | None = Field(
        None,
        gt=0,
        description="Its share of the calls, relative to the alternatives'; default: 1.",
        examples=[9],
    )


class Upstream(Server):
    """Any OpenAI-compatible server, and others that take a share of the calls."""

    alternatives: Many[Server] = Field(
        (),
        description="Further servers; each call goes to one of them all, by weight.",
        examples=[[{"url": "https://canary.example.com/v1", "model": "next", "weight": 1}]],
    )
    timeouts: Timeouts | None = Field(
        None,
        description="How long a server may take.",
        examples=[{"connect": "10s", "firstByte": "5m", "idle": "2m"}],
    )


class ModelSource(Model):
    """What an endpoint serves: exactly one of the four."""

    model_config = ConfigDict(json_schema_extra=schema_of(_SERVED))

    base: str | None = Field(
        None, description="A base model of the provider.", examples=["builtin:tiny-chat"]
    )
    model: Annotated[str | None, Ref(("Model",), is_input=True, revisions=True)] = Field(
        None,
        description="A registered model, with a revision or alias.",
        examples=["Model/router@champion"],
    )
    fine_tune_job: Annotated[str | None, Ref(("FineTuneJob",), is_input=True)] = Field(
        None,
        description="The newest model of a fine-tune job.",
        examples=["FineTuneJob/router"],
    )
    upstream: Upstream | None = Field(
        None,
        description="An OpenAI-compatible server.",
        examples=[{"url": "https://api.example.com/v1", "model": "gpt-oss-120b"}],
    )

    _one = model_validator(mode="after")(checked(_SERVED))

    def serves(self, job: str) -> bool:
        """Whether it is the newest model of the job of this name."""
        return f"FineTuneJob/{job}" == self.fine_tune_job or self.model in (
            f"Model/{job}",
            f"Model/{job}@latest",
        )


class Gate(Model):
    """What a candidate must show before it is promoted."""

    eval_run: Annotated[str, Ref(("EvalRun",), Edge.READS)] = Field(
        description="The evaluation of the candidate.", examples=["EvalRun/router-candidate"]
    )
    min_composite: float | None = Field(
        None, ge=0, le=100, description="Least composite score, 0-100.", examples=[80]
    )
    max_regression: float | None = Field(
        None,
        ge=0,
        le=100,
        description="How many points any capability may fall behind the incumbent.",
        examples=[1.5],
    )
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Confidence of the comparison.", examples=[0.95]
    )


class Promote(Model):
    """Take over the model of a job once its gate is passed."""

    from_: Annotated[str, Ref(("FineTuneJob",), Edge.READS)] = Field(
        alias="from",
        description="The job whose newest model is the candidate.",
        examples=["FineTuneJob/router"],
    )
    gate: Gate = Field(
        description="What the candidate must show.",
        examples=[{"evalRun": "EvalRun/router-candidate", "minComposite": 80}],
    )
    approve: Literal["auto", "manual"] = Field(
        "auto", description="Whether a person has the last word.", examples=["manual"]
    )


class EndpointSpec(RealisedSpec):
    """What is served, how much, and whether it runs."""

    model_config = ConfigDict(json_schema_extra=schema_of(more=[_PRESET]))

    type: Annotated[Literal["custom", "preset"], IMMUTABLE] = Field(
        "custom",
        description="Calls of a preset endpoint cannot be delivered to a lake.",
        examples=["custom"],
    )
    model: ModelSource = Field(
        description="What it serves; with `promote`, only what it serves first.",
        examples=[{"base": "builtin:tiny-chat"}],
    )
    running: bool = Field(True, description="Running or stopped.", examples=[False])
    rate_limit: RateLimit | None = Field(
        None,
        description="Bounds on traffic; default: the provider's.",
        examples=[{"rpm": 600, "tpm": 200000}],
    )
    promote: Annotated[Promote | None, POLICY] = Field(
        None,
        description="When a better model takes over.",
        examples=[{"from": "FineTuneJob/router", "gate": {"evalRun": "EvalRun/candidate"}}],
    )
    description: Annotated[str, COSMETIC] = Field(
        "", max_length=200, description="A note for people.", examples=["Routes tickets"]
    )

    @model_validator(mode="after")
    def _preset_is_the_providers(self) -> EndpointSpec:
        if self.type == "preset" and (self.promote or self.model.base is None):
            what = "has nothing promoted to it" if self.promote else "serves a base model"
            raise PydanticCustomError(
                "preset", "of type preset {what}; make it type: custom", {"what": what}
            )
        return self


class Endpoint(Resource):
    """What serves a model.

    A custom endpoint serves a base model, a registered model, the newest model of a fine-tune
    job or any OpenAI-compatible server, and its calls can be delivered to a lake; those of a
    preset endpoint cannot. With `promote`, a better model takes over once it passes its gate.
    """

    identity_fields: ClassVar[tuple[str, ...]] = ("model",)
    kind: Literal["Endpoint"] = Field(description="The kind.", examples=["Endpoint"])
    spec: EndpointSpec = Field(
        description="What is served.",
        examples=[{"provider": "local", "model": {"base": "builtin:tiny-chat"}}],
    )

    def check(self, peers: Mapping[Address, Resource]) -> Iterator[tuple[str, str]]:
        promotion = self.promotion()
        run = peers.get(promotion.eval_run) if promotion else None
        if promotion is None or not isinstance(run, EvalRun):
            return
        candidate = peers.get(Address.parse(run.spec.endpoint))
        job = promotion.candidate
        if isinstance(candidate, Endpoint) and not candidate.spec.model.serves(job.name):
            yield (
                "spec.promote.gate.evalRun",
                f"{run.address} looks at {candidate.address}, which does not serve the newest "
                f"model of {job}; give that endpoint model: {{fineTuneJob: {job}}}",
            )

    def promotion(self) -> Promotion | None:
        promote = self.spec.promote
        if promote is None:
            return None
        return Promotion(
            field="model",
            candidate=Address.parse(promote.from_),
            eval_run=Address.parse(promote.gate.eval_run),
            min_composite=promote.gate.min_composite,
            max_regression=promote.gate.max_regression,
            manual=promote.approve == "manual",
        )
