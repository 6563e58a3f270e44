"""`loopwright models`: what is registered, where it comes from, and taking it elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loopwright.cli import run
from loopwright.cli.models_lineage import lineage
from loopwright.cli.recorded_models import RecordedModels
from loopwright.models.bases import folder_digest, shipped
from loopwright.models.digests import FileFacts
from loopwright.models.pins import Pins
from loopwright.models.version import BaseFacts, ModelVersion
from loopwright.resources.address import Address
from loopwright.state.records import Record, Revision, RunStatus
from support.local_worlds import Loopwright, Said, do_jobs_inline
from support.tiny_models import make_light_adapter, make_light_base

MANIFESTS = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Model
metadata: {name: router}
spec: {provider: local, weights: {path: theirs}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Model
metadata: {name: small}
spec: {provider: local, weights: {path: adapter}, base: base}
"""


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an imported full model and an imported adapter."""
    folder = tmp_path_factory.mktemp("models")
    make_light_base(folder / "theirs")
    make_light_base(folder / "base", content=b"base weights")
    make_light_adapter(folder / "adapter", base="gone")
    (folder / "all.yaml").write_text(MANIFESTS)
    with pytest.MonkeyPatch.context() as monkeypatch:
        do_jobs_inline(monkeypatch)
        assert run(["apply", str(folder / "all.yaml"), "--project", str(folder), "--yes"]) == 0
        assert run(["apply", str(folder / "all.yaml"), "--project", str(folder), "--yes"]) == 0
    return folder


@pytest.fixture
def models(applied: Path, capsys: pytest.CaptureFixture[str]) -> Loopwright:
    capsys.readouterr()

    def call(*arguments: str) -> Said:
        code = run(["models", *arguments, "--project", str(applied)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


def test_a_list_has_a_line_for_every_model(models: Loopwright) -> None:
    code, out, _ = models("list")
    header, router, small = out.splitlines()
    assert code == 0
    assert header.split()[:4] == ["MODEL", "NEWEST", "ALIASES", "KIND"]
    assert router.split()[:3] == ["router", "v1", "full"]
    assert small.split()[:4] == ["small", "v1", "adapter", "base"]
    _, text, _ = models("list", "--json")
    assert [(one["name"], one["version"]) for one in json.loads(text)] == [
        ("router", 1),
        ("small", 1),
    ]


def test_a_revision_is_told_with_its_files_and_digests(models: Loopwright, applied: Path) -> None:
    _, out, _ = models("show", "small")
    assert out.startswith("small@1  LoRA adapter, made ")
    for said in ("base digest  sha256:", "made by      Model/small", "adapter_model.safetensors"):
        assert said in out
    _, text, _ = models("show", "router@v1", "--json")
    found = json.loads(text)
    assert found["files"]["model.safetensors"]["bytes"] > 0
    assert Path(found["path"]) == applied / ".loopwright/default/models/router/v1"


def test_an_alias_is_given_moved_resolved_and_taken_away(models: Loopwright) -> None:
    assert models("alias", "router@1", "champion")[:2] == (0, "router@champion is router@1.\n")
    assert models("show", "router@champion")[1].startswith("router@1 ")
    assert "champion=v1" in models("list")[1]
    assert models("alias", "router", "champion", "--remove")[0] == 0
    code, _, err = models("show", "router@champion")
    assert code == 1
    assert "has router@1" in err
    assert models("alias", "router@1", "v7")[0] == 1


def test_an_unknown_model_is_told_with_the_nearest_name(models: Loopwright) -> None:
    code, _, err = models("show", "roter")
    assert code == 1
    assert "did you mean router?" in err


def test_a_full_model_is_exported_whole_and_never_over_something(
    models: Loopwright, tmp_path: Path
) -> None:
    code, out, _ = models("export", "router", "--to", str(tmp_path / "out"))
    assert code == 0
    assert "AutoModelForCausalLM" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    code, _, err = models("export", "router", "--to", str(tmp_path / "out"))
    assert code == 1
    assert "is there already" in err
    assert models("export", "router", "--to", str(tmp_path / "b"), "--merged")[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_shipped_base_is_copied_into_a_folder_of_ones_own(
    models: Loopwright, tmp_path: Path
) -> None:
    target = tmp_path / "base"
    assert models("export", "builtin:tiny-chat", "--to", str(target))[0] == 0
    home = shipped("builtin:tiny-chat")
    pins = Pins(tmp_path / "pins")
    assert folder_digest(target, pins) == folder_digest(home, pins)
    code, _, err = models("export", "builtin:tony-chat", "--to", str(tmp_path / "other"))
    assert code == 1
    assert "shipped: builtin:tiny-chat" in err


def test_an_adapter_is_exported_with_a_base_that_peft_finds(
    models: Loopwright, applied: Path, tmp_path: Path
) -> None:
    assert models("export", "small", "--to", str(tmp_path / "out"), "--adapter")[0] == 0
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == str(applied / "base")


def test_an_imported_model_is_traced_to_its_folder_and_base(models: Loopwright) -> None:
    _, out, _ = models("lineage", "small")
    first, imported, base = out.splitlines()
    assert first.startswith("adapter small@1  (sha256:")
    assert imported == "├─ imported by Model/small  (from adapter)"
    assert base.startswith("└─ base base  (sha256:")


def test_a_plan_shows_an_alias_as_a_change_of_our_record(models: Loopwright, applied: Path) -> None:
    models("alias", "router@1", "stable")
    everything = [str(applied / "all.yaml"), "--project", str(applied)]
    assert run(["apply", *everything, "--yes"]) == 0
    assert run(["plan", *everything, "--detailed-exitcode"]) == 0


def test_tampering_is_found_and_refused(models: Loopwright, applied: Path, tmp_path: Path) -> None:
    assert models("verify", "router")[0] == 0
    weights = applied / ".loopwright/default/models/router/v1/model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"?")
    try:
        for command in (["verify", "router"], ["export", "router", "--to", str(tmp_path / "out")]):
            code, _, err = models(*command)
            assert code == 1
            assert "model.safetensors is not what was registered" in err
    finally:
        weights.write_bytes(whole)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_shown_by_the_words_of_manifests_too(models: Loopwright, tmp_path: Path) -> None:
    assert models("show", "FineTuneJob/router") == models("show", "router")
    code, out, _ = models("show", "builtin:tiny-chat")
    digest = folder_digest(shipped("builtin:tiny-chat"), Pins(tmp_path))
    assert (code, digest in out) == (0, True)
    _, text, _ = models("show", "builtin:tiny-chat", "--json")
    assert json.loads(text)["digest"] == digest


def test_a_tuned_model_is_traced_from_its_calls_to_where_it_is_served(tmp_path: Path) -> None:
    version = ModelVersion(
        name="router",
        version=2,
        owner="lineage/FineTuneJob/router",
        kind="adapter",
        digest="sha256:model",
        files={"adapter_model.safetensors": FileFacts("sha256:file", 3)},
        base=BaseFacts("org/base", "1" * 40, "sha256:base"),
        lineage={},
        metrics={},
        created_at="2026-01-01T00:00:00Z",
        folder=tmp_path,
    )
    records = {
        record.address: record
        for record in (
            Record(
                Address("FineTuneJob", "router"),
                revisions=(
                    run_of(5, {"model": "router", "version": 2}, inputs={"dataset": "sha256:set"}),
                ),
            ),
            Record(
                Address("Dataset", "set"),
                revisions=(
                    run_of(
                        1,
                        {"digest": "sha256:set", "version": 3, "rows": 1200, "cut": 4000},
                        spec={"source": {"lake": "Lake/main"}},
                    ),
                ),
            ),
            Record(
                Address("CallImport", "old"), spec={"lake": "Lake/main"}, outputs={"calls": 3500}
            ),
            Record(
                Address("EvalRun", "judge"),
                revisions=(
                    run_of(1, {"composite": 91.25, "models": {"router@2": "sha256:model"}}),
                ),
            ),
            Record(Address("Endpoint", "prod"), outputs={"modelDigest": "sha256:model"}),
            Record(Address("Endpoint", "other"), outputs={"modelDigest": "sha256:else"}),
            Record(
                Address("Endpoint", "twin"),  # of equal content, and another revision
                outputs={"modelDigest": "sha256:model", "serves": "router@1"},
            ),
        )
    }
    made, base, evaluated, served = lineage(version, RecordedModels((), records)).below
    assert (made.name, made.note) == ("FineTuneJob/router", "revision 5")
    (dataset,) = made.below
    assert (dataset.name, dataset.note) == ("Dataset/set@3", "sha256:set, 1,200 rows")
    (lake,) = dataset.below
    assert (lake.name, lake.note) == ("Lake/main", "up to call 4,000")
    assert [(one.name, one.note) for one in lake.below] == [("CallImport/old", "3,500 calls")]
    assert base.name == "org/base"
    assert (evaluated.name, evaluated.note) == ("EvalRun/judge@1", "composite 91.2")
    assert served.name == "Endpoint/prod"


def run_of(
    number: int,
    outputs: dict[str, object],
    *,
    inputs: dict[str, str] | None = None,
    spec: dict[str, object] | None = None,
) -> Revision:
    return Revision(
        number, "", RunStatus.SUCCEEDED, outputs=outputs, inputs=inputs or {}, spec=spec or {}
    )
