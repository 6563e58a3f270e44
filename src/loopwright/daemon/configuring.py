"""From what is declared to the settings of a gateway, secrets resolved.

An object that cannot be configured is left out, with the reason, and does not hold up the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from loopwright.daemon.declared import DaemonFolder, Declared
from loopwright.daemon.principals import KeyDigests
from loopwright.daemon.project import DaemonProject
from loopwright.daemon.secrets import Secrets
from loopwright.daemon.served import (
    Canary,
    Choice,
    ServedModel,
    Server,
    Wanted,
    upstream_digest,
)
from loopwright.errors import DaemonError, LoopwrightError
from loopwright.gateway.settings import (
    Delivery,
    Endpoint,
    Limits,
    Redaction,
    Settings,
    Timeouts,
    Tls,
    Upstream,
)
from loopwright.hashing import canonical_json, digest, sha256_hex
from loopwright.manifests.project import Gateway

_DIGEST_BYTES = 16
_HERE = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0", "::"})
_PORTS = {"http": 80, "https": 443}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings, and what is wrong: by `Kind/name`, or by a principal's name."""

    settings: Settings
    endpoints: tuple[Declared, ...] = ()
    lakes: Mapping[str, Declared] = field(default_factory=dict)
    """The lakes that calls are delivered into, by name."""
    problems: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, Wanted] = field(default_factory=dict)
    """The running endpoints whose models are computed here, or that a canary is behind: what is
    to answer. `settings` has no upstreams of theirs."""


def spec_digest(declared: Declared) -> str:
    """What tells one declaration of an object from the next."""
    own = [one for one in (declared.serves, declared.canary) if one is not None]
    return sha256_hex(canonical_json([declared.spec, declared.folder, *own]))


def place_of(url: str) -> tuple[str, int]:
    """Host and port of a web address. Raises DaemonError when it is none."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise DaemonError(f"{url} is not the address of an upstream") from error


def is_own(url: str, gateway: Gateway) -> bool:
    """Whether a server's address is the gateway's own, which would then call itself for ever."""
    host, port = place_of(url)
    same_host = host == gateway.host or (host in _HERE and gateway.host in _HERE)
    return same_host and port == gateway.port


def configured(folder: DaemonFolder, project: DaemonProject, secrets: Secrets) -> Configured:
    """Read everything that is declared now. Raises LoopwrightError when a file is damaged."""
    digests = KeyDigests(folder.path)
    principals, problems = digests.principals(project.principals, secrets.resolve)
    digests.save()
    deliveries = deliveries_of(folder)
    endpoints, wanted, declared = {}, {}, tuple(folder.endpoints.all())
    for one in declared:
        try:
            _refuse_own(one, project.gateway)
            found = _wanted(one, secrets)
            endpoints[one.name] = _endpoint(one, deliveries.get(one.name), found)
            if one.spec.get("running", True) and (found.to.model or found.canary):
                wanted[one.name] = found
        except LoopwrightError as error:
            problems[f"Endpoint/{one.name}"] = error.message
    delivered = {delivery.lake for delivery in deliveries.values()}
    lakes = {one.name: one for one in folder.lakes.all() if one.name in delivered}
    for name in delivered - lakes.keys():
        problems[f"Lake/{name}"] = "it was not applied in this environment"
    settings = Settings(
        host=project.gateway.host,
        port=project.gateway.port,
        tls=_tls(project),
        principals=principals,
        endpoints=endpoints,
        limits=_limits(project),
    )
    return Configured(settings, declared, lakes, problems, wanted)


def deliveries_of(folder: DaemonFolder) -> dict[str, Delivery]:
    """The deliveries that are switched on, by endpoint."""
    return {
        endpoint: _delivery(one)
        for one in folder.deliveries.all()
        if one.spec.get("enabled", True) and (endpoint := _name(one.spec["endpoint"]))
    }


def _endpoint(declared: Declared, delivery: Delivery | None, wanted: Wanted) -> Endpoint:
    spec = declared.spec
    limit = spec.get("rateLimit", {})
    state = sha256_hex(f"{spec_digest(declared)} {delivery and delivery.policy_version}".encode())
    return Endpoint(
        name=declared.name,
        upstreams=wanted.to.upstreams,
        running=spec.get("running", True),
        rpm=limit.get("rpm"),
        tpm=limit.get("tpm"),
        delivery=delivery,
        config_digest=bytes.fromhex(state)[:_DIGEST_BYTES],
    )


def _wanted(declared: Declared, secrets: Secrets) -> Wanted:
    """Raises DaemonError when its model is not one that this daemon understands."""
    try:
        to = _choice(declared.spec, declared.serves, declared.folder, secrets)
        if not declared.canary:
            return Wanted(to)
        before = declared.canary["before"]
        held = _choice(before["spec"], before.get("serves"), declared.folder, secrets)
        return Wanted(to, Canary.of(declared.canary, held))
    except (KeyError, TypeError, ValueError) as error:
        raise DaemonError("its declaration is not understood; apply again") from error


def _choice(
    spec: Mapping[str, Any], serves: Mapping[str, Any] | None, folder: str, secrets: Secrets
) -> Choice:
    upstream = spec["model"].get("upstream")
    if upstream:
        return Choice(
            label=upstream["model"],
            digest=upstream_digest(upstream),
            upstreams=_upstreams(upstream, folder, secrets),
        )
    if serves is None:
        raise DaemonError("which model it serves was never found out; apply again")
    model = ServedModel.from_json(serves)
    return Choice(model.label, model.digest, model=model, server=_server(spec, folder, secrets))


def _server(spec: Mapping[str, Any], folder: str, secrets: Secrets) -> Server | None:
    said = (spec.get("runtime") or {}).get("vllm")
    return Server(said["url"], _key(said, folder, secrets)) if said else None


def _servers(upstream: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [upstream, *upstream.get("alternatives", ())]


def _refuse_own(declared: Declared, gateway: Gateway) -> None:
    spec = declared.spec
    servers = _servers(spec["model"]["upstream"]) if spec["model"].get("upstream") else []
    if vllm := (spec.get("runtime") or {}).get("vllm"):
        servers.append(vllm)
    for server in servers:
        if is_own(server["url"], gateway):
            raise DaemonError(f"its upstream {server['url']} is this very gateway")


def _upstreams(upstream: Mapping[str, Any], folder: str, secrets: Secrets) -> tuple[Upstream, ...]:
    timeouts = _timeouts(upstream.get("timeouts", {}))
    return tuple(_upstream(one, folder, timeouts, secrets) for one in _servers(upstream))


def _upstream(
    server: Mapping[str, Any], folder: str, timeouts: Timeouts, secrets: Secrets
) -> Upstream:
    from loopwright.gateway.upstreams import Target  # loads what no plan needs

    upstream = Upstream(
        url=server["url"].rstrip("/"),
        model=server["model"],
        api_key=_key(server, folder, secrets),
        weight=server.get("weight", 1.0),
        timeouts=timeouts,
    )
    Target(upstream)  # the gateway would refuse all settings for this one upstream
    return upstream


def _key(server: Mapping[str, Any], folder: str, secrets: Secrets) -> str | None:
    reference = server.get("apiKey")
    return secrets.resolve(reference, folder).strip() if reference else None


def _delivery(declared: Declared) -> Delivery:
    spec = declared.spec
    redaction, subject = spec.get("redaction", {}), spec.get("subject", {})
    return Delivery(
        name=declared.name,
        lake=_name(spec["lake"]),
        rate=spec.get("rate", 1.0),
        redaction=Redaction(
            tuple(redaction.get("detectors", ())),
            {label: re.compile(text) for label, text in redaction.get("patterns", {}).items()},
        ),
        subject_header=_lower(subject.get("header")),
        subject_field=subject.get("field"),
        session_header=_lower(spec.get("session", {}).get("header")),
        fail_closed=spec.get("onFailure") == "closed",
        policy_version=digest(dict(spec)).removeprefix("sha256:")[: 2 * _DIGEST_BYTES],
    )


def _timeouts(said: Mapping[str, str]) -> Timeouts:
    usual = Timeouts()
    return Timeouts(
        connect=_seconds(said.get("connect"), usual.connect),
        first_byte=_seconds(said.get("firstByte"), usual.first_byte),
        idle=_seconds(said.get("idle"), usual.idle),
    )


def _seconds(text: str | None, usual: float) -> float:
    return float(text[:-1]) * _SECONDS[text[-1]] if text else usual


def _tls(project: DaemonProject) -> Tls | None:
    said = project.gateway.tls
    return Tls(project.folder / said.cert, project.folder / said.key) if said else None


def _limits(project: DaemonProject) -> Limits:
    said = project.gateway.limits
    return Limits(
        body_bytes=said.body_bytes,
        running_calls=said.running_calls,
        drain_seconds=said.drain_seconds,
    )


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _lower(header: str | None) -> str | None:
    return header.lower() if header else None
