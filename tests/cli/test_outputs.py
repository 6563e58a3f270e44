"""What scripts read: JSON with keys that stay, results on stdout alone, no secret anywhere."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from loopwright.cli.output import masked
from support.command_lines import (
    LAKE,
    Shell,
    dataset,
    export,
    manifest,
    provider,
    shell,
    write,
)

SECRET = "hunter2-hunter2"


@pytest.fixture
def loopwright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    write(tmp_path, provider(), LAKE, dataset("{ratio: 0.2}"), export())
    return shell(tmp_path, monkeypatch, capsys)


@pytest.fixture
def applied(loopwright: Shell) -> Shell:
    assert loopwright("apply", "--yes", "--wait").code == 0
    return loopwright


def keys(text: str) -> set[str]:
    data = json.loads(text)
    return set(data[0] if isinstance(data, list) else data)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["plan", "--json"], {"format_version", "header", "changes", "drift", "totals"}),
        (["diff", "--json"], {"changes", "drift"}),
        (["get", "--json"], {"address", "provider", "spec", "outputs", "conditions"}),
        (["describe", "Dataset/set", "--json"], {"address", "revisions", "current"}),
        (["history", "--json"], {"seq", "at", "kind", "address", "run", "actor", "data"}),
        (["status", "--json"], {"environment", "counts", "watcher"}),
        (["state", "show"], {"lineage", "serial"}),
        (["state", "show", "Lake/main"], {"address", "external_id"}),
        (["doctor", "--json"], {"severity", "subject", "message", "hint"}),
        (["explain", "Dataset.spec", "--json"], {"path", "type", "description"}),
        (["schema", "--print", "dataset"], {"$schema", "$defs"}),
        (["validate", "--json"], {"format_version", "valid", "resources", "diagnostics"}),
    ],
)
def test_json_has_the_keys_that_scripts_use(
    applied: Shell, arguments: list[str], expected: set[str]
) -> None:
    assert keys(applied(*arguments).out) >= expected


def test_problems_as_json_have_their_place(loopwright: Shell, tmp_path: Path) -> None:
    write(tmp_path, provider(), LAKE, dataset("{ratio: 2}"))
    ended = loopwright("validate", "--json")
    (found,) = json.loads(ended.out)["diagnostics"]
    assert (ended.code, ended.err) == (1, "")
    assert (found["code"], found["span"]["file"]) == ("out-of-range", "all.yaml")


def test_events_on_stdout_are_alone_there(loopwright: Shell) -> None:
    ended = loopwright("apply", "--yes", "--wait", "--events", "-")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert {event["type"] for event in events} >= {"pass-started", "started", "succeeded"}
    assert "Done: 2 created, 2 run." in ended.err


def test_an_apply_ends_with_what_came_of_it(loopwright: Shell) -> None:
    ended = loopwright("apply", "--yes", "--wait")
    assert "Exit code" not in ended.out
    assert ended.out.splitlines()[-2:] == ["Done: 2 created, 2 run.", "Next: loopwright get"]
    assert "  Lake/main  created" in ended.err.splitlines()


def test_the_next_command_of_a_plan_can_be_pasted(loopwright: Shell) -> None:
    loopwright("plan", "all.yaml", "-t", "Lake/main", "-o", "a plan")
    text = loopwright("plan", "all.yaml", "-e", "prod", "-t", "Lake/main", "--no-prune").out
    assert "Next        loopwright apply all.yaml --env prod --target Lake/main --no-prune" in text
    assert "loopwright apply 'a plan'" in loopwright("plan", "-o", "a plan").out
    assert loopwright("apply", "a plan", "--wait").code == 0
    assert "Next        loopwright destroy\n" in loopwright("plan", "--destroy").out


def test_an_edit_of_a_run_is_told_field_by_field(applied: Shell, tmp_path: Path) -> None:
    write(tmp_path, provider(), LAKE, dataset("{ratio: 0.3}"), export())
    edit = "sampling.ratio: 0.2 -> 0.3"
    assert f"\n    {edit}\n" in applied("diff").out
    opened = applied("plan", "-v").out
    assert f" {edit}\n" in opened
    assert "format: sft" not in opened
    assert "format: sft (unchanged)" in applied("plan", "-vv").out


def test_stdin_holds_manifests(loopwright: Shell, tmp_path: Path) -> None:
    text = (tmp_path / "all.yaml").read_text()
    (tmp_path / "all.yaml").unlink()
    assert loopwright("apply", "-", "--yes", "--wait", stdin=text).code == 0
    assert loopwright("plan", "-f", "-", stdin=text).out.startswith("No changes.")


def test_secrets_appear_nowhere(
    loopwright: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANY_API_KEY", SECRET)
    coded = base64.b64encode(SECRET.encode()).decode()
    write(tmp_path, provider(), LAKE, dataset(f"{{salt: {SECRET}, ratio: 0.5}}", name="a"))
    for arguments in (["plan", "-vv"], ["apply", "--yes"], ["describe", "Dataset/a"], ["diff"]):
        ended = loopwright(*arguments)
        assert SECRET not in ended.out + ended.err
        assert coded not in ended.out + ended.err
    ended = loopwright("plan", SECRET)
    assert "there is no file or folder `****`" in ended.err


def test_a_secret_reference_is_no_variable(
    loopwright: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAN_ENV", SECRET)
    keeper = manifest("Lake", "main", "{provider: cloud, storage: lake, masterKey: {env: CAN_ENV}}")
    for sampling in ("{salt: 'a-${CAN_ENV}', ratio: 0.5}", "{ratio: '${CAN_ENV}'}"):
        write(tmp_path, provider(), keeper, dataset(sampling))
        for arguments in (["validate", "--json"], ["plan", "--out", "a.plan"], ["apply", "--yes"]):
            ended = loopwright(*arguments)
            assert ended.code == 1
            assert "the value of the secret {env: CAN_ENV} stands here" in ended.out + ended.err
            assert SECRET not in ended.out + ended.err
    (tmp_path / "loopwright.yaml").write_text("variables: {NOTE: {default: a}}\n")
    write(tmp_path, provider(), keeper)
    ended = loopwright("plan", "--out", "a.plan", "--var", f"NOTE={SECRET}")
    assert (ended.code, SECRET in ended.err) == (1, False)
    assert "the variable `NOTE` holds the value of a secret" in ended.err
    assert not (tmp_path / "a.plan").exists()


def test_declared_secrets_are_masked_whatever_their_names(
    loopwright: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopwright.cli.output._secrets", set())
    monkeypatch.setenv("CAN_ENV", SECRET)
    monkeypatch.setenv("HOOK", "https://hooks.example/" + SECRET[::-1])
    (tmp_path / "loopwright.yaml").write_text(
        "principals: [{name: a, role: standard, key: {file: alice}}]\n"
        "notifications: [{name: chat, webhook: {env: HOOK}}]\n"
    )
    (tmp_path / "alice").write_text("wonderland\n")
    unset = "credentials: {other: {env: NOWHERE}}"
    keeper = manifest("Lake", "main", "{provider: cloud, storage: lake, masterKey: {env: CAN_ENV}}")
    write(tmp_path, provider(more=f", {unset}"), keeper)
    assert loopwright("graph").code == 0
    shown = masked(f"{SECRET} https://hooks.example/{SECRET[::-1]} wonderland")
    assert shown == "**** **** ****"


def test_a_defect_of_ours_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from loopwright.cli import run

    def broken(*_: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANY_API_KEY", SECRET)
    monkeypatch.setattr("loopwright.cli.common.ProjectOptions.declare", broken)
    assert run(["plan"]) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "error: internal error: KeyError: '****'"
    assert "LOOPWRIGHT_TRACEBACK=1" in said
    monkeypatch.setenv("LOOPWRIGHT_TRACEBACK", "1")
    with pytest.raises(KeyError):
        run(["plan"])


def test_a_path_is_no_kind(applied: Shell) -> None:
    ended = applied("get", ".")
    assert "'.' is no kind" in ended.err
    assert "name no path" in ended.err


def test_errors_say_what_to_do(applied: Shell) -> None:
    for arguments, told in (
        (["why", "Dataset/sett"], "did you mean Dataset/set?"),
        (["plan", "-t", "Dataset/sett"], "did you mean Dataset/set?"),
        (["plan", "--replace", "Lake/main"], "Lake/main is not run"),
        (["get", "Datset"], "did you mean Dataset?"),
        (["describe", "set"], "write Kind/name"),
        (["logs", "Lake/mian"], "is not recorded"),
        (["rollback", "Dataset/set"], "revisions that succeeded: v1"),
        (["state", "mv", "Export/copy", "Dataset/copy"], "keep the kind"),
        (["plan", "nowhere.yaml"], "there is no file or folder `nowhere.yaml`"),
        (["explain", "Dataset.spec.smpling"], "did you mean Dataset.spec.sampling?"),
        (["conformance", "memry"], "installed: local, memory"),
        (["apply", "--yes", "--events", "no/such/file"], "cannot write events to no/such/file"),
    ):
        ended = applied(*arguments)
        assert ended.code == 1, arguments
        assert told in ended.err, arguments
