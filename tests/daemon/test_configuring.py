"""From declarations to a gateway's settings; what is wrong with one holds up no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopwright.daemon.configuring import Configured, configured, spec_digest
from loopwright.daemon.declared import DaemonFolder, Declared
from loopwright.daemon.project import DaemonProject
from loopwright.daemon.secrets import Secrets
from loopwright.gateway.serving import make_ready
from loopwright.gateway.settings import Timeouts
from loopwright.manifests.project import Gateway

UPSTREAM = {"url": "https://a.example/v1/", "model": "teacher", "apiKey": {"file": "key"}}
DELIVERY = {
    "endpoint": "Endpoint/support",
    "lake": "Lake/main",
    "enabled": True,
    "rate": 0.25,
    "redaction": {"detectors": ["email"], "patterns": {"order": r"ORD-\d+"}},
    "subject": {"header": "X-User"},
    "session": {"header": "X-Session"},
    "onFailure": "closed",
}
LAKE = {"storage": "lake", "masterKey": {"env": "MASTER"}}


class World:
    def __init__(self, project: Path) -> None:
        self.project = project
        self.folder = DaemonFolder(project / "state")
        (project / "manifests").mkdir()
        (project / "manifests" / "key").write_text("secret-of-the-upstream\n")
        self.endpoint(UPSTREAM)

    def endpoint(self, upstream: dict[str, Any], name: str = "support", **spec: Any) -> Declared:
        made = Declared(name, "o", {"model": {"upstream": upstream}, **spec}, "manifests")
        self.folder.endpoints.put(made)
        return made

    def delivery(self, **changes: Any) -> None:
        self.folder.deliveries.put(Declared("support", "o", DELIVERY | changes))
        self.folder.lakes.put(Declared("main", "", LAKE))

    def configured(self) -> Configured:
        project = DaemonProject(self.project, Gateway(listen="[::1]:9000"))
        return configured(self.folder, project, Secrets(self.project, {}))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_upstreams_keys_and_times_are_as_declared(world: World) -> None:
    world.endpoint(
        {
            **UPSTREAM,
            "weight": 9,
            "alternatives": [{"url": "http://b:1/v1", "model": "pupil"}],
            "timeouts": {"connect": "3s", "idle": "1m"},
        },
        rateLimit={"rpm": 60, "tpm": 6000},
    )
    settings = world.configured().settings
    served = settings.endpoints["support"]
    first, second = served.upstreams
    assert (settings.host, settings.port) == ("::1", 9000)
    assert (first.url, first.model, first.weight) == ("https://a.example/v1", "teacher", 9)
    assert (first.api_key, second.api_key) == ("secret-of-the-upstream", None)
    assert first.timeouts == Timeouts(connect=3.0, idle=60.0)
    assert (served.rpm, served.tpm, served.running, served.delivery) == (60, 6000, True, None)
    assert "secret-of-the-upstream" not in repr(settings)


def test_a_delivery_decides_what_is_recorded_and_how(world: World) -> None:
    world.delivery()
    found = world.configured()
    delivery = found.settings.endpoints["support"].delivery
    assert delivery is not None
    assert (delivery.lake, delivery.rate, delivery.fail_closed) == ("main", 0.25, True)
    assert (delivery.subject_header, delivery.session_header) == ("x-user", "x-session")
    assert delivery.redaction.detectors == ("email",)
    assert delivery.redaction.patterns["order"].search("ORD-12")
    assert found.lakes.keys() == {"main"}


def test_a_delivery_that_is_off_records_nothing_and_needs_no_lake(world: World) -> None:
    world.delivery(enabled=False)
    found = world.configured()
    assert found.settings.endpoints["support"].delivery is None
    assert found.lakes == {}


def test_a_digest_stands_for_what_serves_a_call(world: World) -> None:
    def now() -> bytes:
        return world.configured().settings.endpoints["support"].config_digest

    alone = now()
    assert now() == alone
    world.delivery()
    delivered = now()
    world.delivery(rate=0.5)
    edited = now()
    world.endpoint({**UPSTREAM, "model": "pupil"})
    assert len({alone, delivered, edited, now()}) == 4
    assert all(len(digest) == 16 for digest in (alone, edited))


def test_what_cannot_be_configured_is_left_out_with_the_reason(world: World) -> None:
    world.endpoint({**UPSTREAM, "apiKey": {"env": "NOT_SET"}}, "other")
    world.folder.deliveries.put(Declared("support", "o", DELIVERY))
    found = world.configured()
    assert found.settings.endpoints.keys() == {"support"}
    assert "{env: NOT_SET}" in found.problems["Endpoint/other"]
    assert found.problems["Lake/main"] == "it was not applied in this environment"


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        ("https://a.example:99999/v1", "key", "is not the address of an upstream"),
        ("ftp://a.example/v1", "key", "is not the address of an upstream"),
        ("http:///v1", "key", "it names no host"),
        ("https://a.example/v1", "two-lines", "is not one line of text"),
    ],
)
def test_an_unusable_upstream_keeps_back_its_endpoint_alone(
    world: World, url: str, key: str, why: str
) -> None:
    (world.project / "manifests" / "two-lines").write_text("one\ntwo\n")
    world.endpoint({"url": url, "model": "x", "apiKey": {"file": key}}, "other")
    found = world.configured()
    assert found.settings.endpoints.keys() == {"support"}
    assert why in found.problems["Endpoint/other"]
    make_ready(found.settings, {})


def test_a_gateway_that_moved_before_itself_calls_nobody(world: World) -> None:
    itself = {"url": "http://localhost:9000/v1", "model": "x"}
    world.endpoint({**UPSTREAM, "alternatives": [itself]}, "other")
    found = world.configured()
    assert found.settings.endpoints.keys() == {"support"}
    assert "is this very gateway" in found.problems["Endpoint/other"]


def test_the_same_declaration_has_the_same_digest_in_any_order_of_its_fields() -> None:
    one = Declared("a", "o", {"x": 1, "y": 2})
    assert spec_digest(one) == spec_digest(Declared("a", "other", {"y": 2, "x": 1}))
    assert spec_digest(one) != spec_digest(Declared("a", "o", {"x": 1, "y": 3}))
