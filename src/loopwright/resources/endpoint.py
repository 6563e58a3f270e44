"""Endpoint: what serves a model, and how a better model is promoted to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
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


_RUNTIME = {
    "$comment": "runtime not with an upstream, which computes for itself",
    "if": {"required": ["runtime"], "properties": {"runtime": {"type": "object"}}},
    "then": {"properties": {"model": {"properties": {"upstream": {"type": "null"}}}}},
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
    trust_remote_code: bool | None = Field(
        None,
        description="Whether Python code that comes with `base` may run; default: no. A registered "
        "model keeps what it was registered with.",
        examples=[True],
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


class VllmServer(Model):
    """A vLLM server, or one with the same routes."""

    url: str = Field(
        pattern=r"^https?://",
        description="Base URL, up to and with /v1.",
        examples=["http://10.0.0.7:8000/v1"],
    )
    api_key: Annotated[SecretRef | None, WRITE_ONLY] = Field(
        None, description="Its API key, by reference.", examples=[{"env": "VLLM_KEY"}]
    )


class Runtime(Model):
    """Where a base or custom model is computed, when not in a process of the provider."""

    vllm: VllmServer = Field(
        description="Serves the model: adapters are loaded and unloaded by its own routes, a full "
        "model it has to serve already.",
        examples=[{"url": "http://10.0.0.7:8000/v1", "apiKey": {"env": "VLLM_KEY"}}],
    )


def _rising(steps: tuple[int, ...]) -> tuple[int, ...]:
    if list(steps) != sorted(set(steps)) or not steps:
        words = f"must be rising percentages such as 5, 25, but are {list(steps)}"
        raise PydanticCustomError("steps", "{why}", {"why": words})
    return steps


Percent = Annotated[int, Field(ge=1, le=99)]


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
        0.95,
        ge=0.5,
        le=0.999,
        description="How sure it must be that no capability falls by more: the bound is one-sided, "
        "by bootstrap over the same items.",
        examples=[0.95],
    )


class Canary(Model):
    """Let the new model take over in steps, and go back by itself when it does badly."""

    steps: Annotated[Many[Percent], AfterValidator(_rising)] = Field(
        (5, 25),
        description="Percent of the calls that the new model answers, step by step; after the "
        "last one it answers all.",
        examples=[[5, 25, 50]],
    )
    interval: Period = Field("10m", description="A step lasts at least so long.", examples=["10m"])
    min_calls: int = Field(
        50,
        ge=1,
        description="A step lasts until the new model has answered so many calls.",
        examples=[200],
    )
    max_error_rate: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Back when a greater share of a step's calls fails: no answer, or a status "
        "of 500 and above.",
        examples=[0.01],
    )
    max_latency: str | None = Field(
        None,
        pattern=r"^([0-9]+(\.[0-9]+)?x|[1-9][0-9]*(ms|s|m))$",
        description="Back when 95 % of a step's calls are not over within this time, or within so "
        "many times what they take on the model from before.",
        examples=["2x", "3s"],
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
    canary: Canary | None = Field(
        None,
        description="Take over in steps of the calls; default: of all calls at once.",
        examples=[{"steps": [5, 25], "interval": "10m", "maxErrorRate": 0.02}],
    )


class EndpointSpec(RealisedSpec):
    """What is served, how much, and whether it runs."""

    model_config = ConfigDict(json_schema_extra=schema_of(more=[_PRESET, _RUNTIME]))

    type: Annotated[Literal["custom", "preset"], IMMUTABLE] = Field(
        "custom",
        description="Calls of a preset endpoint cannot be delivered to a lake.",
        examples=["custom"],
    )
    model: ModelSource = Field(
        description="What it serves; with `promote`, only what it serves first.",
        examples=[{"base": "builtin:tiny-chat"}],
    )
    runtime: Runtime | None = Field(
        None,
        description="What computes a base or custom model; default: a process of the provider.",
        examples=[{"vllm": {"url": "http://10.0.0.7:8000/v1"}}],
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
    def _an_upstream_computes_itself(self) -> EndpointSpec:
        if self.runtime is not None and self.model.upstream is not None:
            raise PydanticCustomError(
                "runtime", "has a runtime and model.upstream; an upstream needs no runtime"
            )
        return self

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
    passes_on: ClassVar[str] = "model"
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
        if promotion.max_regression is not None and run.spec.baseline != str(self.address):
            found = (
                f"compares with {run.spec.baseline}" if run.spec.baseline else "compares with none"
            )
            yield (
                "spec.promote.gate.maxRegression",
                f"needs a comparison with {self.address}, but {run.address} {found}; "
                f"give that run baseline: {self.metadata.name}",
            )
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
            confidence=promote.gate.confidence,
            canary=_canary(promote),
        )

    def identity(self) -> dict[str, Any]:
        """Of a server elsewhere: which it is and what it is asked for, not how it is reached."""
        found = super().identity()
        if self.spec.model.upstream is None:
            return found
        return {"model": {"upstream": _asked(self.spec.model.upstream)}}


def _asked(upstream: Upstream) -> dict[str, Any]:
    """The model of each server, and its share where there are several."""
    servers = (upstream, *upstream.alternatives)
    shares = [(one.url, one.model, one.weight or 1) for one in servers]
    return {"servers": [{"url": u, "model": m, "weight": w} for u, m, w in shares]}


def _canary(promote: Promote) -> dict[str, Any]:
    """In normal form; empty: none."""
    if promote.canary is None:
        return {}
    return promote.canary.model_dump(mode="json", by_alias=True, exclude_none=True)
