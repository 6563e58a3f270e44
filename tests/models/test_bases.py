"""Base models by name: shipped, in a folder, of the hub's cache; what is refused, and why."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from loopwright.errors import ModelError
from loopwright.models.bases import Base, builtins, pin, resolve
from loopwright.models.pins import Pins
from support.tiny_models import make_light_adapter, make_light_base

OLD, NEW = "1" * 40, "2" * 40


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(tmp_path / "registry")


def cached(home: Path, repository: str, *, commit: str, content: bytes, ref: str = "main") -> Path:
    """A model in a cache of the hub, laid out as huggingface_hub lays it out."""
    model = home / "hub" / f"models--{repository.replace('/', '--')}"
    (model / "refs").mkdir(parents=True, exist_ok=True)
    (model / "refs" / ref).write_text(commit)
    snapshot = make_light_base(model / "snapshots" / commit, content=content)
    blob = model / "blobs" / content.hex()
    blob.parent.mkdir(exist_ok=True)
    (snapshot / "model.safetensors").rename(blob)
    (snapshot / "model.safetensors").symlink_to(blob)
    return snapshot


def found(reference: str, project: Path, pins: Pins, **options: bool | dict[str, str]) -> Base:
    environ = options.pop("environ", {})
    assert isinstance(environ, dict)
    return resolve(reference, project=project, environ=environ, pins=pins, **options)  # type: ignore[arg-type]


def test_a_folder_is_relative_to_the_project_and_known_by_its_content(
    tmp_path: Path, pins: Pins
) -> None:
    make_light_base(tmp_path / "models" / "a")
    make_light_base(tmp_path / "elsewhere")
    base = found("models/a", tmp_path, pins)
    assert base.folder == tmp_path / "models" / "a"
    assert base.parameters == len(b"weights")
    assert base.digest == found("./elsewhere", tmp_path, pins).digest
    assert base.digest == pin("models/a", project=tmp_path, environ={}, pins=pins)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_what_decides_answers_decides_the_digest(tmp_path: Path, pins: Pins, name: str) -> None:
    folder = make_light_base(tmp_path / "a")
    before = found("a", tmp_path, pins).digest
    make_light_base(folder, content=b"weighty")
    if name != "model.safetensors":
        make_light_base(folder)
        (folder / name).write_bytes(orjson.dumps({"changed": True}))
    assert found("a", tmp_path, pins).digest != before


def test_what_decides_no_answer_leaves_the_digest_alone(tmp_path: Path, pins: Pins) -> None:
    folder = make_light_base(tmp_path / "a")
    before = found("a", tmp_path, pins).digest
    (folder / "README.md").write_text("about it")
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "optimizer.pt").write_bytes(b"another")
    assert found("a", tmp_path, pins).digest == before


def test_a_digest_is_read_once_while_nobody_touches_the_file(
    tmp_path: Path, pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_light_base(tmp_path / "a")
    before = found("a", tmp_path, pins).digest
    with monkeypatch.context() as patched:
        patched.setattr(
            "loopwright.models.digests.file_digest", lambda path: pytest.fail(str(path))
        )
        assert found("a", tmp_path, pins).digest == before


def test_shards_count_together_and_a_missing_one_is_named(tmp_path: Path, pins: Pins) -> None:
    folder = make_light_base(tmp_path / "a")
    parts = {"one": "model-00001-of-00002.safetensors", "two": "model-00002-of-00002.safetensors"}
    for name in parts.values():
        (folder / name).write_bytes((folder / "model.safetensors").read_bytes())
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_bytes(orjson.dumps({"weight_map": parts}))
    assert found("a", tmp_path, pins).parameters == 2 * len(b"weights")
    (folder / parts["two"]).unlink()
    with pytest.raises(ModelError, match="00002-of-00002"):
        found("a", tmp_path, pins)


def test_a_truncated_file_is_named(tmp_path: Path, pins: Pins) -> None:
    weights = make_light_base(tmp_path / "a") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model\.safetensors is not a whole"):
        found("a", tmp_path, pins)


@pytest.mark.parametrize(
    ("name", "said"),
    [("pytorch_model.bin", "pickle"), ("model.Q4.gguf", "gguf"), ("notes.txt", "has no model")],
)
def test_weights_that_are_no_safetensors_are_refused(
    tmp_path: Path, pins: Pins, name: str, said: str
) -> None:
    folder = make_light_base(tmp_path / "a")
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(ModelError, match=said):
        found("a", tmp_path, pins)


def test_code_of_its_own_needs_a_declaration_and_then_counts(tmp_path: Path, pins: Pins) -> None:
    folder = make_light_base(tmp_path / "a")
    config = {"auto_map": {"AutoModelForCausalLM": "modeling.Own"}}
    (folder / "config.json").write_bytes(orjson.dumps(config))
    (folder / "modeling.py").write_text("one")
    with pytest.raises(ModelError, match="Python code of its own") as caught:
        found("a", tmp_path, pins)
    assert "trustRemoteCode" in str(caught.value.hint)
    before = found("a", tmp_path, pins, trust_remote_code=True)
    (folder / "modeling.py").write_text("another")
    assert before.digest != found("a", tmp_path, pins, trust_remote_code=True).digest
    config["auto_map"]["AutoModelForCausalLM"] = "org/other--modeling.Own"
    (folder / "config.json").write_bytes(orjson.dumps(config))
    with pytest.raises(ModelError, match="another repository"):
        found("a", tmp_path, pins, trust_remote_code=True)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("builtin:huge", "no model builtin:huge is shipped"),
        ("./gone", "there is no folder"),
        ("gone", "names no base model"),
        ("org/../x", "names no base model"),
        ("adapter", "is an adapter"),
    ],
)
def test_a_name_of_nothing_is_refused(
    tmp_path: Path, pins: Pins, reference: str, said: str
) -> None:
    make_light_adapter(tmp_path / "adapter", base="builtin:tiny-chat")
    with pytest.raises(ModelError, match=said):
        found(reference, tmp_path, pins)


@pytest.mark.parametrize("name", builtins())
def test_what_is_shipped_resolves(tmp_path: Path, pins: Pins, name: str) -> None:
    base = found(f"builtin:{name}", tmp_path, pins)
    assert base.parameters > 100_000
    assert not base.revision


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE"])
def test_a_hub_model_is_found_in_the_cache_without_a_network(
    tmp_path: Path, pins: Pins, variable: str
) -> None:
    home = tmp_path / "home"
    snapshot = cached(home, "org/name", commit=OLD, content=b"old")
    environ = {"HF_HUB_OFFLINE": "1", variable: str(home / "hub" if "CACHE" in variable else home)}
    base = found("org/name", tmp_path, pins, environ=environ)
    assert (base.folder, base.revision) == (snapshot, OLD)
    assert pin("org/name", project=tmp_path, environ=environ, pins=pins) == f"org/name@{OLD}"


def test_a_branch_that_moves_does_not_move_the_pin(tmp_path: Path, pins: Pins) -> None:
    home = tmp_path / "home"
    environ = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    cached(home, "org/name", commit=OLD, content=b"old")
    before = pin("org/name", project=tmp_path, environ=environ, pins=pins)
    cached(home, "org/name", commit=NEW, content=b"new")
    assert pin("org/name", project=tmp_path, environ=environ, pins=pins) == before
    assert found("org/name", tmp_path, pins, environ=environ).revision == OLD
    assert found(f"org/name@{NEW}", tmp_path, pins, environ=environ).revision == NEW


def test_a_revision_is_one_of_the_cache_or_named(tmp_path: Path, pins: Pins) -> None:
    home = tmp_path / "home"
    environ = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    cached(home, "org/name", commit=OLD, content=b"old", ref="v1")
    assert found("org/name@v1", tmp_path, pins, environ=environ).revision == OLD
    with pytest.raises(ModelError, match="org/name at main is not in the cache") as caught:
        found("org/name", tmp_path, pins, environ=environ)
    assert "hf download org/name" in str(caught.value.hint)


def test_offline_nothing_is_fetched(tmp_path: Path, pins: Pins) -> None:
    environ = {"HF_HUB_OFFLINE": "true", "HF_HOME": str(tmp_path)}
    with pytest.raises(ModelError, match=f"org/name at {OLD} is not in the cache"):
        found(f"org/name@{OLD}", tmp_path, pins, environ=environ, download=True)


def test_the_hub_is_asked_once_what_a_branch_is(
    tmp_path: Path, pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Api:
        def __init__(self, **options: object) -> None:
            self.options = options

        def model_info(self, repository: str, *, revision: str, timeout: float) -> object:
            asked.append((repository, revision))
            return type("Info", (), {"sha": OLD})

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    environ = {"HF_HOME": str(tmp_path / "empty")}
    for _ in range(2):
        assert pin("org/name", project=tmp_path, environ=environ, pins=pins) == f"org/name@{OLD}"
    assert asked == [("org/name", "main")]


def test_the_hubs_own_client_finds_the_same_snapshot(tmp_path: Path, pins: Pins) -> None:
    from huggingface_hub import snapshot_download

    home = tmp_path / "home"
    cached(home, "org/name", commit=OLD, content=b"old")
    base = found("org/name", tmp_path, pins, environ={"HF_HOME": str(home)})
    theirs = snapshot_download("org/name", cache_dir=home / "hub", local_files_only=True)
    assert base.folder == Path(theirs)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_job_fetches_what_is_missing_and_nothing_else(
    tmp_path: Path, pins: Pins, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    home, asked = tmp_path / "home", []
    cached(home, "org/name", commit=OLD, content=b"old")
    blob = home / "hub" / "models--org--name" / "blobs" / b"old".hex()
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-1])  # a download that was cut

    def download(repository: str, **options: object) -> str:
        asked.append((repository, options))
        blob.write_bytes(whole)
        return str(home / "hub" / "models--org--name" / "snapshots" / OLD)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    environ = {"HF_HOME": str(home), "HF_TOKEN": "secret"}
    with pytest.raises(ModelError, match="is not in the cache"):
        found("org/name", tmp_path, pins, environ=environ)
    base = found(
        "org/name", tmp_path, pins, environ=environ, download=True, trust_remote_code=trusted
    )
    ((repository, options),) = asked
    assert (repository, options["revision"], base.revision) == ("org/name", OLD, OLD)
    assert options["cache_dir"] == home / "hub"
    patterns = options["allow_patterns"]
    assert isinstance(patterns, list)
    assert ("*.py" in patterns) is trusted
    assert not [one for one in patterns if one.endswith((".bin", ".pt"))]


def test_a_base_without_a_tokenizer_is_refused(tmp_path: Path, pins: Pins) -> None:
    (make_light_base(tmp_path / "a") / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="has no tokenizer"):
        found("a", tmp_path, pins)
