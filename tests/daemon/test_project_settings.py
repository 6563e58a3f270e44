"""Settings of the gateway in loopwright.yaml: a plan shows each change, an apply makes it."""

from __future__ import annotations

from loopwright.daemon.client import DaemonClient
from support.certificates import certificate
from support.daemons import MANIFESTS, ServedProject, facts

TLS = "gateway: {listen: '127.0.0.1:0', tls: {cert: gateway.crt, key: gateway.pem}}\n"
PLAIN = "gateway: {listen: '127.0.0.1:0'}\n"
RITA = "principals: [{name: rita, role: reader, key: {file: rita}}]\n"
STAN = "principals: [{name: rita, role: standard, key: {file: rita}}]\n"


def test_tls_is_given_up_by_an_apply_only_and_in_sight(project: ServedProject) -> None:
    for name, text in zip(("gateway.crt", "gateway.pem"), certificate("gateway"), strict=True):
        (project.path / name).write_bytes(text)
    (project.path / "loopwright.yaml").write_text(TLS)
    assert project.apply()[0] == 0
    assert project.run("plan", str(project.path), "--detailed-exitcode")[0] == 0
    (project.path / "loopwright.yaml").write_text(PLAIN)
    code, told, _ = project.run("plan", str(project.path), "--detailed-exitcode")
    assert code == 3
    assert "gateway.tls {cert: gateway.crt, key: gateway.pem} -> (unset)" in told
    daemon = DaemonClient.of(project.folder.path)
    assert daemon is not None
    assert daemon.reload()["gateway"].startswith("https://")

    assert project.apply()[0] == 0
    assert facts(project.folder).gateway.startswith("http://")
    assert f"{facts(project.folder).gateway}/v1" in project.run("describe", "Endpoint/support")[1]
    assert project.run("plan", str(project.path), "--detailed-exitcode")[0] == 0


def test_principals_among_the_manifests_are_followed_by_an_apply(project: ServedProject) -> None:
    manifests = project.path / "manifests"
    manifests.mkdir()
    for name in ("loopwright.yaml", "all.yaml"):
        (project.path / name).rename(manifests / name)
    (project.path / "rita").write_text("the-key-of-rita-12\n")
    (manifests / "loopwright.yaml").write_text(PLAIN + RITA)
    assert project.run("apply", str(manifests), "--yes")[0] == 0
    (manifests / "loopwright.yaml").write_text(PLAIN + STAN)
    code, told, _ = project.run("plan", str(manifests), "--detailed-exitcode")
    assert code == 3
    assert "principals.rita" in told
    assert "role: reader" in told
    assert project.run("apply", str(manifests), "--yes")[0] == 0
    assert project.run("plan", str(manifests), "--detailed-exitcode")[0] == 0

    before = (project.folder.path / "project.json").read_bytes()
    assert project.run("serve", "--stop")[0] == 0
    assert project.run("serve", "--detach")[0] == 0
    assert (project.folder.path / "project.json").read_bytes() == before


def test_the_address_of_a_gateway_on_a_free_port_is_kept_up_to_date(
    project: ServedProject,
) -> None:
    assert project.apply()[0] == 0
    assert project.run("serve", "--stop")[0] == 0
    assert project.run("serve", "--detach")[0] == 0
    url = f"{facts(project.folder).gateway}/v1"
    told = project.run("plan", str(project.path))[1]
    assert "(our record only)" in told
    assert f"-> {url}" in told
    assert project.apply()[0] == 0
    assert url in project.run("describe", "Endpoint/support")[1]
    assert project.run("plan", str(project.path), "--detailed-exitcode")[0] == 0


def test_plain_http_for_other_machines_is_warned_of(project: ServedProject) -> None:
    (project.path / "rita").write_text("the-key-of-rita-12\n")
    (project.path / "loopwright.yaml").write_text(PLAIN.replace("127.0.0.1", "0.0.0.0") + RITA)
    text = MANIFESTS.replace("  model: {upstream", "  running: false\n  model: {upstream")
    project.write(text, upstream="http://127.0.0.1:9/v1")
    code, told, err = project.run("plan", str(project.path))
    assert code == 0, err
    assert "0.0.0.0:0 speaks plain HTTP" in told
