"""The project file `loopwright.yaml`: what is about the project and not about one resource.

It is not a kind: it has no apiVersion and is never a document.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from loopwright.manifests.model import ManifestModel
from loopwright.manifests.secrets import SecretRef
from loopwright.manifests.variable_types import Value, VariableDeclaration

Address = Annotated[
    str,
    Field(
        pattern=r"^[A-Z][A-Za-z]+/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="Kind/name of a resource.",
        examples=["Dataset/chat-sft"],
    ),
]
EnvironmentName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Event = Literal["failed", "resolved", "drift", "decision", "promoted", "rejected", "budget"]


class Environment(ManifestModel):
    """One environment, such as staging or prod, with a state of its own."""

    variables: dict[VariableName, Value] = Field(
        default_factory=dict,
        description="Values of variables in this environment.",
        examples=[{"RATIO": 0.1}],
    )


class Envelope(ManifestModel):
    """How far an approved plan may go without asking again."""

    cost: float | None = Field(
        default=None,
        ge=0,
        description="Money the stages of one plan may spend, in the providers' currency.",
        examples=[200],
    )
    rows: int | None = Field(
        default=None, ge=0, description="Rows that may be sampled and trained on.", examples=[50000]
    )
    hours: float | None = Field(
        default=None, ge=0, description="Hours of running jobs, summed.", examples=[12]
    )
    deletes: int = Field(default=0, ge=0, description="Objects that may be deleted.", examples=[0])


class Prune(ManifestModel):
    """Protection against manifests that went missing."""

    max_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the resources in state that one apply may delete.",
        examples=[0.5],
    )


class Notification(ManifestModel):
    """A webhook that is told when something begins and when it is over."""

    name: str = Field(min_length=1, description="Name in messages and logs.", examples=["team"])
    webhook: SecretRef | str = Field(
        description="Address that messages are posted to, or where to find it.",
        examples=[{"env": "TEAM_WEBHOOK"}],
    )
    events: list[Event] = Field(
        default_factory=lambda: list(get_args(Event)),
        description="Which events are told.",
        examples=[["failed", "resolved"]],
    )

    @field_validator("webhook")
    @classmethod
    def _is_a_web_address(cls, value: SecretRef | str) -> SecretRef | str:
        if isinstance(value, str) and not value.startswith(("https://", "http://")):
            raise ValueError("must be an http(s) address, {env: NAME} or {file: path}")
        return value


class Tls(ManifestModel):
    """Certificate and key of the gateway, as PEM files relative to the project."""

    cert: str = Field(min_length=1, description="Certificate chain.", examples=["tls/gateway.crt"])
    key: str = Field(min_length=1, description="Private key file.", examples=["tls/gateway.pem"])


class GatewayLimits(ManifestModel):
    """What the gateway takes from one client, and how long it lets calls finish."""

    body_bytes: int = Field(
        default=64 << 20, gt=0, description="Longest request body, in bytes.", examples=[67108864]
    )
    running_calls: int = Field(
        default=1024,
        gt=0,
        description="Calls at once; more are told 503 and when to come back.",
        examples=[1024],
    )
    drain_seconds: int = Field(
        default=30,
        ge=0,
        description="How long running calls may go on when the gateway stops.",
        examples=[30],
    )


class Gateway(ManifestModel):
    """Where the gateway of this project listens."""

    listen: str = Field(
        default="127.0.0.1:8080",
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$",
        description="Address and port, as host:port.",
        examples=["127.0.0.1:8080"],
    )
    tls: Tls | None = Field(
        default=None,
        description="Serve HTTPS with this certificate.",
        examples=[{"cert": "tls/gateway.crt", "key": "tls/gateway.pem"}],
    )

    limits: GatewayLimits = Field(
        default_factory=GatewayLimits,
        description="Bounds on what clients may ask for.",
        examples=[{"bodyBytes": 67108864, "drainSeconds": 30}],
    )

    @field_validator("listen")
    @classmethod
    def _port_exists(cls, value: str) -> str:
        if int(value.rpartition(":")[2]) > 65_535:
            raise ValueError("names a port above 65535")
        return value

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """0: one that is free."""
        return int(self.listen.rpartition(":")[2])

    @property
    def is_private(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


class Principal(ManifestModel):
    """Somebody who may use the project's data, with a role."""

    name: str = Field(min_length=1, description="Name in audit lines.", examples=["alice"])
    role: Literal["reader", "standard", "admin"] = Field(
        description="reader counts and filters; standard also opens text; admin also erases.",
        examples=["standard"],
    )
    key: SecretRef = Field(
        description="Where the principal's API key is found.", examples=[{"env": "ALICE_KEY"}]
    )


class Move(ManifestModel):
    """A resource that was renamed: its state follows it."""

    source: Address = Field(
        alias="from", description="Address before.", examples=["Dataset/chat-old"]
    )
    to: Address = Field(description="Address now.", examples=["Dataset/chat-sft"])


class Project(ManifestModel):
    """Everything that loopwright.yaml may say."""

    variables: dict[VariableName, VariableDeclaration] = Field(
        default_factory=dict,
        description="Variables that manifests may use as `${NAME}`.",
        examples=[{"RATIO": {"type": "number", "default": 0.2}}],
    )
    environments: dict[EnvironmentName, Environment] = Field(
        default_factory=dict,
        description="Environments by name; each has a state of its own.",
        examples=[{"prod": {"variables": {"RATIO": 0.1}}}],
    )
    envelope: Envelope = Field(
        default_factory=Envelope,
        description="How far an approved plan may go without asking again.",
        examples=[{"cost": 200, "rows": 50000}],
    )
    daily_budget: float | None = Field(
        default=None,
        ge=0,
        description="Money that `watch` may spend in a day before it stops and asks.",
        examples=[500],
    )
    prune: Prune = Field(
        default_factory=Prune,
        description="Protection against manifests that went missing.",
        examples=[{"maxShare": 0.5}],
    )
    parallelism: int = Field(
        default=10, ge=1, le=256, description="Provider calls at the same time.", examples=[10]
    )
    notifications: list[Notification] = Field(
        default_factory=list,
        description="Webhooks that are told about events.",
        examples=[[{"name": "team", "webhook": {"env": "TEAM_WEBHOOK"}}]],
    )
    gateway: Gateway = Field(
        default_factory=Gateway,
        description="Where the gateway listens.",
        examples=[{"listen": "127.0.0.1:8080"}],
    )
    principals: list[Principal] = Field(
        default_factory=list,
        validate_default=True,
        description="Who may use the project's data, and how.",
        examples=[[{"name": "alice", "role": "standard", "key": {"env": "ALICE_KEY"}}]],
    )
    moved: list[Move] = Field(
        default_factory=list,
        description="Resources that were renamed.",
        examples=[[{"from": "Dataset/chat-old", "to": "Dataset/chat-sft"}]],
    )
    forget: list[Address] = Field(
        default_factory=list,
        description="Resources to drop from state without deleting anything.",
        examples=[["Dataset/old"]],
    )

    @field_validator("notifications", "principals")
    @classmethod
    def _names_are_unique(
        cls, value: list[Notification] | list[Principal]
    ) -> list[Notification] | list[Principal]:
        if twice := _repeated(item.name for item in value):
            raise ValueError(f"holds the name `{twice}` twice")
        return value

    @field_validator("principals")
    @classmethod
    def _strangers_have_names(cls, value: list[Principal], info: ValidationInfo) -> list[Principal]:
        gateway = info.data.get("gateway")
        if gateway and not value and not gateway.is_private:
            raise ValueError(
                f"must name who may call: the gateway listens on {gateway.listen}, which other "
                "machines reach; declare a principal, or listen on 127.0.0.1"
            )
        return value

    @field_validator("moved")
    @classmethod
    def _moves_are_unique(cls, value: list[Move]) -> list[Move]:
        for addresses in ([move.source for move in value], [move.to for move in value]):
            if twice := _repeated(addresses):
                raise ValueError(f"holds the address `{twice}` twice")
        return value


def _repeated(names: Iterable[str]) -> str:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), "")  # type: ignore[func-returns-value]
