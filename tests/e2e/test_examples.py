"""Every example does what its page says: checked, planned, applied, settled, destroyed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import HOME, Checkout, copy_of

from support.desk_models import served_to_examples

EXAMPLES = sorted(path.name for path in (HOME / "examples").glob("[0-9][0-9]-*"))
ARGUMENTS = {
    "04-environments": "--env staging",
    "05-kustomize": "rendered.yaml",
    "11-environments": "dev.yaml --env dev",
}
"""Where an example is not simply the folder."""
TRAINS = {"08-distil", "09-lora-folder"}
"""Takes some ten seconds of a CPU or more."""
COMMAND = re.compile(r"^    (?:kustomize build \S+ \| )?loopwright (.+)$", re.MULTILINE)


@pytest.fixture(autouse=True, scope="module")
def _models_elsewhere() -> Iterator[None]:
    with served_to_examples():
        yield


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    return copy_of(f"examples/{request.param}", tmp_path / request.param)


def prepare(example: Checkout) -> None:
    """What a page leaves to its reader."""
    if example.folder.name == "09-lora-folder":
        example.run("models export builtin:tiny-chat --to base")


def page(example: Checkout) -> str:
    return (example.folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "example",
    [pytest.param(name, marks=pytest.mark.slow if name in TRAINS else ()) for name in EXAMPLES],
    indirect=True,
)
def test_example_runs_settles_and_goes(example: Checkout) -> None:
    given = ARGUMENTS.get(example.folder.name, "")
    words = given.split()
    piped = next((word for word in words if word.endswith(".yaml")), "-")
    environment = " ".join(words[-2:]) if "--env" in words else ""
    prepare(example)
    assert example.run(f"validate {given}").startswith("Valid: ")
    assert "Next        loopwright apply" in example.run(f"plan {given}")
    for command in COMMAND.findall(page(example)):
        example.run(re.sub(r" -$", f" {piped}", command))
    example.run(f"apply {given} --yes --wait")
    assert example.run(f"plan {given}").count("\n") == 1
    assert example.run(f"apply {given} --yes").startswith("No changes.")
    assert "Destroy plan" in example.run(f"plan {given} --destroy")
    refused = 7 if example.folder.name == "05-kustomize" else 0
    example.run(f"destroy {given} --yes --delete-data", expect=refused)
    left = example.run(f"state list {environment}").split()
    assert ("Lake/main" in left) is bool(refused), "what is protected stays, the rest goes"
    assert not {text for text in left if text.startswith(("Dataset/", "Endpoint/"))}


def test_the_overview_names_every_example() -> None:
    overview = (HOME / "examples/README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((\d\d-[\w-]+)\)", overview) == EXAMPLES


@pytest.mark.parametrize("example", ["01-memory-tour"], indirect=True)
def test_the_tour_promotes_the_model_that_passes_and_only_that(example: Checkout) -> None:
    example.run("apply --yes --wait")
    (record,) = example.json("get Endpoint/router")
    assert record["spec"]["model"] == {"model": "Model/router@1"}
    assert "composite 91.5 >= 85" in example.run("why Endpoint/router")

    example.run("destroy --yes --delete-data")
    (example.folder / ".loopwright/world.jsonl").unlink()
    provider = example.folder / "provider.yaml"
    provider.write_text(provider.read_text().replace("91.5", "70"))
    example.run("apply --yes --wait")
    (record,) = example.json("get Endpoint/router")
    assert record["spec"]["model"] == {"base": "tiny-chat"}
    assert "is not promoted: composite 70.0 < 85" in example.run("plan -v")


@pytest.mark.parametrize("example", ["06-import-elsewhere"], indirect=True)
def test_what_others_recorded_is_told_by_its_lines_and_counted(example: Checkout) -> None:
    plan = " ".join(example.run("plan").split())
    assert "bedrock.jsonl: bedrock-invocations, 3 of 4 lines; left out: " in plan
    assert "own-log.jsonl: as mapped, 2 of 2 lines" in plan
    example.run("apply --yes --wait")
    (record,) = example.json("get CallImport/elsewhere")
    outputs = record["outputs"]
    assert (outputs["read"], outputs["added"], outputs["bad"]) == (17, 12, 0)
    assert sum(outputs["noCalls"].values()) == 5
    assert len(outputs["formats"]) == 5


@pytest.mark.parametrize("example", ["03-count-and-version"], indirect=True)
def test_counted_samples_nest_and_wait_for_enough(example: Checkout) -> None:
    example.run("apply --yes --wait")
    difference = example.json("dataset diff tickets@v1 tickets@v2")
    assert (len(difference["added"]), difference["removed"]) == (3, [])
    manifest = example.folder / "pipeline.yaml"
    manifest.write_text(manifest.read_text().replace("count: 8", "count: 100"))
    example.run("apply --yes --wait", expect=4)
    assert "12 of 100 rows" in example.run("why Dataset/more-tickets")
