"""The first minutes with the README: its commands, as they stand, in a fresh clone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout, copy_of

from support.readme import READMES, blocks, outputs, without_installing
from support.upstreams import upstream_in_thread

APPLY = without_installing(blocks("README.md")[0][0])
LOOK, SERVE = blocks("README.md")[1:3]


def clone(folder: Path) -> Checkout:
    """What the quickstart needs of the repository."""
    folder.mkdir()
    copy_of("manifests", folder / "manifests")
    return Checkout(folder)


def digest(checkout: Checkout) -> str:
    (version,) = checkout.json("dataset list")
    return str(version["digest"])


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    checkout = clone(tmp_path_factory.mktemp("quickstart") / "loopwright")
    with upstream_in_thread() as upstream, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPSTREAM_URL", upstream.url)
        said = checkout.shell(APPLY)
        for page in READMES:
            assert said.endswith(outputs(page)[0]), f"{page} shows another end"
        yield checkout


def test_the_first_command_ends_in_a_version_and_files_ready_to_train_on(
    applied: Checkout,
) -> None:
    (version,) = applied.json("dataset list")
    assert (version["name"], version["version"]) == ("ticket-router", 1)
    folder = applied.folder / "exports/ticket-router"
    lines = [
        json.loads(line)
        for name in ("train.jsonl", "validation.jsonl")
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
    ]
    assert len(lines) == version["rows"] > 500
    assert {line["messages"][-1]["role"] for line in lines} == {"assistant"}
    made = applied.folder / ".loopwright/default/datasets/ticket-router/v1"
    assert json.loads((made / "manifest.json").read_text())["digest"] == version["digest"]
    assert (made / "train.jsonl").read_bytes() == (folder / "train.jsonl").read_bytes()
    assert "as it was written" in applied.run("lake verify")
    key = applied.folder / ".loopwright/keys/support.key"
    assert key.stat().st_mode & 0o077 == 0


def test_the_commands_to_look_around_all_work(applied: Checkout) -> None:
    said = {line: applied.shell(line) for line in LOOK}
    plan = said[".venv/bin/loopwright plan manifests"]
    assert plan.startswith("No changes. 7 resources match the manifests")
    assert plan.count("\n") == 1
    verified = said[".venv/bin/loopwright dataset verify ticket-router"]
    assert "is as it was built" in verified
    assert digest(applied) in verified
    bigger = said[".venv/bin/loopwright plan manifests --var RATIO=0.5"]
    assert "sampling.ratio 0.25 -> 0.5" in bigger
    assert "of 2,465 rows" in bigger


def test_a_second_clone_and_a_compacted_lake_give_the_same_digest(
    applied: Checkout, tmp_path: Path
) -> None:
    second = clone(tmp_path / "second")
    second.run("apply manifests --yes --wait")
    assert digest(second) == digest(applied)
    second.run("lake compact")
    assert digest(applied) in second.run("dataset verify ticket-router")
    assert second.run("plan manifests").startswith("No changes.")


def test_the_commands_to_serve_and_ask_all_work(applied: Checkout) -> None:
    *asking, stop = SERVE
    said = {line: applied.shell(line) for line in asking}
    chat, status, _, by_outcome, _, audit = said.values()
    assert chat == "Where is my parcel? \n"
    assert "ticket-router: running, calls recorded by Delivery/ticket-router" in status
    assert "upstream_error" in by_outcome
    assert "1 accepted call is accounted for" in audit or "all 1 accepted calls" in audit
    applied.shell(stop)
    assert "the project daemon does not run" in applied.shell(".venv/bin/loopwright plan manifests")
    applied.shell(APPLY)


def test_an_edit_is_one_screen_that_says_what_happens_and_why(applied: Checkout) -> None:
    manifest = applied.folder / "manifests/flywheel.yaml"
    before = manifest.read_text(encoding="utf-8")
    manifest.write_text(before.replace("validation: 0.1", "validation: 0.2"), encoding="utf-8")
    try:
        plan = applied.run("plan manifests")
    finally:
        manifest.write_text(before, encoding="utf-8")
    assert len(plan.splitlines()) <= 24
    assert "Dataset/ticket-router v2  split.validation 0.1 -> 0.2" in plan
    assert "Export/ticket-router v2  Dataset/ticket-router is about to change" in plan
