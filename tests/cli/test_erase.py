"""`loopwright erase`: a subject leaves everything that is here, and what cannot be is marked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import orjson
import pytest

from loopwright.cli import run
from loopwright.errors import LakeKeyError
from loopwright.lake.keys import MasterKey
from loopwright.lake.sql.history import History, Ran
from loopwright.lake.store import Lake
from loopwright.providers.local.receipts import Receipt, Receipts
from support.local_worlds import RECORDED_CALLS, Loopwright, Said, do_jobs_inline, line, write_lines

ALICE = "alice@example.com"
SECRET = "ultramarine"  # in every text of hers, and in nobody else's
MANIFESTS = (
    RECORDED_CALLS
    + """\
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: set}
spec:
  provider: local
  source: {lake: main}
  sampling: {ratio: 1.0}
  split: {validation: 0.25}
---
apiVersion: loopwright.dev/v1alpha1
kind: Export
metadata: {name: out}
spec:
  provider: local
  source: {dataset: set}
  to: {path: out}
"""
)
EXPORT = """
---
apiVersion: loopwright.dev/v1alpha1
kind: Export
metadata: {{name: mine}}
spec: {{provider: local, source: {source}, to: {to}}}
"""
TUNED = """
---
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: cloud}
spec: {type: memory}
---
apiVersion: loopwright.dev/v1alpha1
kind: FineTuneJob
metadata: {name: tuned}
spec: {provider: cloud, base: "builtin:tiny-chat", dataset: set}
"""


def write_calls(path: Path) -> None:
    """Twelve calls of Bob, five of Alice."""
    bobs = [line(number) | {"user": "bob"} for number in range(12)]
    hers = [line(n, text=f"{SECRET} {n}") | {"user": ALICE} for n in range(12, 17)]
    write_lines(path, [*bobs, *hers])


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    do_jobs_inline(monkeypatch)
    write_calls(tmp_path / "calls.jsonl")
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    manifests = str(tmp_path / "all.yaml")
    assert run(["apply", manifests, "--project", str(tmp_path), "--yes", "--wait"]) == 0
    history = History(tmp_path / ".loopwright/default/sql/history.jsonl")
    for query in ("SELECT 1", f"SELECT count(*) FROM calls WHERE request LIKE '%{ALICE}%'"):
        history.add(Ran(at="2026-01-01T00:00:00Z", who="me", lake="main", query=query))
    (tmp_path / "calls.jsonl").unlink()
    key = MasterKey.from_file(tmp_path / ".loopwright/keys/main.key")
    with Lake.open(tmp_path / "lake", master=key).audit.opening(
        purpose="sql", query={"query": f"SELECT request FROM calls WHERE request LIKE '{ALICE}'"}
    ):
        pass
    capsys.readouterr()
    return tmp_path


@pytest.fixture
def loopwright(project: Path, capsys: pytest.CaptureFixture[str]) -> Loopwright:
    def call(*arguments: str) -> Said:
        code = run([*arguments, "--project", str(project)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


def quoting(folder: Path, *words: str) -> list[str]:
    """The files under `folder` that hold one of the words."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(word.encode() in path.read_bytes() for word in words)
    ]


def test_a_plan_tells_all_that_would_go_and_changes_nothing(
    loopwright: Loopwright, project: Path
) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    code, out, _ = loopwright("erase", "--subject", ALICE, "--plan", "--json")
    told = json.loads(out)
    (lake,) = told["lakes"]
    assert code == 0
    assert (lake["name"], lake["calls"]) == ("main", 5)
    assert [part["rows"] for part in lake["partitions"]] == [5]
    assert [(one["kind"], one["lines"], one["erasable"]) for one in told["copies"]] == [
        ("export", 5, True),
        ("version", 5, True),
    ]
    assert (told["queries"], told["importedFiles"]) == (2, ["calls.jsonl"])
    code, words, _ = loopwright("erase", "--subject", ALICE, "--plan")
    assert code == 0
    assert "Lake main: 5 calls go" in words
    assert "version set@v1: 5 lines go" in words
    kept = [path for path in before if "state.db" not in path.name]
    assert all(path.read_bytes() == before[path] for path in kept)


def test_nothing_of_the_subject_is_left_in_the_project(
    loopwright: Loopwright, project: Path
) -> None:
    assert quoting(project, SECRET, ALICE)
    copied = project.parent / f"{project.name}-copy"
    shutil.copytree(project / "lake", copied)
    code, out, err = loopwright("erase", "--subject", ALICE, "--yes")
    assert (code, "Erased." in out) == (0, True), err
    assert "key in file .loopwright/keys/main.key was renewed: back it up again" in err
    assert quoting(project, SECRET, ALICE) == []

    master = MasterKey.from_file(project / ".loopwright/keys/main.key")
    with pytest.raises(LakeKeyError, match="wrong master key"):
        Lake.open(copied, master=master)
    shutil.copy(project / "lake/keys/store.json", copied / "keys/store.json")
    with pytest.raises(LakeKeyError, match="destroyed"):
        list(Lake.open(copied, master=master).snapshot().scan(["call_id"]))

    code, out, _ = loopwright("erase", "--subject", ALICE, "--yes")
    assert (code, out) == (0, "Nothing of this subject is here.\n")


def test_an_inference_dataset_is_erased_like_its_lake(
    loopwright: Loopwright, project: Path
) -> None:
    export = {"lake": "main", "query": "SELECT call_id FROM calls"}, {"inferenceDataset": "mine"}
    (project / "all.yaml").write_text(
        MANIFESTS + EXPORT.format(source=json.dumps(export[0]), to=json.dumps(export[1]))
    )
    write_calls(project / "calls.jsonl")
    code, out, err = loopwright("apply", str(project / "all.yaml"), "--yes", "--wait")
    assert code == 0, out + err
    _, out, _ = loopwright("erase", "--subject", ALICE, "--yes")
    assert "inference dataset mine: 5 calls go" in out
    place = project / ".loopwright/default/inference/mine"
    master = MasterKey.from_file(project / ".loopwright/keys/main.key")
    assert Lake.open(place, master=master).status().calls == 12
    _, described, _ = loopwright("describe", "Export/mine")
    assert "less 5 calls, erased on " in described


def test_a_model_that_was_trained_on_them_is_marked(loopwright: Loopwright, project: Path) -> None:
    write_calls(project / "calls.jsonl")
    (project / "all.yaml").write_text(MANIFESTS + TUNED)
    code, out, err = loopwright("apply", str(project / "all.yaml"), "--yes", "--wait")
    assert code == 0, out + err
    _, out, _ = loopwright("erase", "--subject", ALICE, "--yes")
    assert "FineTuneJob/tuned v1: made from them; it is marked, make it anew" in out
    _, described, _ = loopwright("describe", "FineTuneJob/tuned")
    assert "made from 5 calls that were erased on " in described
    assert "holds erased calls" in loopwright("get", "FineTuneJob")[1]
    assert "holds erased calls" not in loopwright("get", "Dataset")[1]
    _, listed, _ = loopwright("history", "FineTuneJob/tuned", "--json")
    assert [entry["kind"] for entry in json.loads(listed)][-1] == "erased"


def test_what_killed_builds_and_exports_left_goes_too(
    loopwright: Loopwright, project: Path
) -> None:
    left = [project / ".loopwright/default/datasets/set/v7", project / ".out.replaced"]
    for folder in left:
        folder.mkdir()
        (folder / "train.jsonl").write_text(SECRET)
    loopwright("erase", "--subject", ALICE, "--yes")
    assert [folder.exists() for folder in left] == [False, False]
    assert quoting(project, SECRET, ALICE) == []


def test_what_was_made_of_the_calls_says_so_afterwards(
    loopwright: Loopwright, project: Path
) -> None:
    loopwright("erase", "--subject", ALICE, "--yes")
    code, out, _ = loopwright("dataset", "verify", "set@v1")
    assert code == 0, out
    assert "12 lines, less 5 erased" in out
    _, described, _ = loopwright("describe", "Dataset/set")
    assert "less 5 calls, erased on " in described
    assert len((project / "out/train.jsonl").read_bytes().splitlines()) == len(
        (project / ".loopwright/default/datasets/set/v1/train.jsonl").read_bytes().splitlines()
    )
    code, out, _ = loopwright("plan", str(project / "all.yaml"))
    assert "Export/out" not in out.partition("No changes")[0]
    history = History(project / ".loopwright/default/sql/history.jsonl").all()
    assert history[2].query == "SELECT count(*) FROM calls WHERE request LIKE '%[erased]%'"


def test_the_same_file_does_not_bring_them_back(loopwright: Loopwright, project: Path) -> None:
    loopwright("erase", "--subject", ALICE, "--yes")
    hers = [line(n, text=f"{SECRET} {n}") | {"user": ALICE} for n in range(12, 17)]
    write_lines(project / "again.jsonl", [*hers, line(99)])
    first_three = MANIFESTS.replace("calls.jsonl", "again.jsonl").split("---")[:3]
    (project / "all.yaml").write_text("---".join(first_three))
    loopwright("apply", str(project / "all.yaml"), "--yes", "--wait", "--no-prune")
    _, out, _ = loopwright("lake", "status", "--json")
    assert json.loads(out)[0]["calls"] == 13


@pytest.mark.parametrize(
    "command",
    [
        ["erase", "--subject", ALICE, "--yes"],
        ["erase", "--subject", ALICE, "--plan"],
        ["lake", "rotate", "--new-key", "file:new.key"],
    ],
)
def test_a_principal_below_admin_may_not(
    loopwright: Loopwright, project: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    principals = "principals: [{name: app, role: standard, key: {env: APP_KEY}}]\n"
    (project / "loopwright.yaml").write_text(principals)
    for name in ("APP_KEY", "LOOPWRIGHT_API_KEY"):
        monkeypatch.setenv(name, "the-key-of-the-app")
    code, _, err = loopwright(*command)
    assert (code, "principal app has the role standard and may not" in err) == (1, True)
    assert quoting(project, SECRET)


def test_nobody_is_erased_without_being_asked(loopwright: Loopwright, project: Path) -> None:
    code, _, err = loopwright("erase", "--subject", ALICE)
    assert (code, "--yes" in err) == (6, True)
    assert quoting(project, SECRET)


@pytest.mark.parametrize(
    "step",
    [
        "cli.erasing.Erasure._mark",
        "providers.local.erasing.erase_lines",
        "cli.erasing.Erasure._receipt",
        "providers.local.lake_keys.renew",
    ],
)
def test_an_erasure_that_died_is_resumed_without_the_id(
    loopwright: Loopwright, project: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(f"loopwright.{step}", dies)
        code, _, _ = loopwright("erase", "--subject", ALICE, "--yes")
        assert code == 1
    _, out, _ = loopwright("doctor", str(project / "all.yaml"))
    assert "erase --resume" in out
    code, _, _ = loopwright("erase", "--resume", "--yes")
    assert code == 0
    assert quoting(project, SECRET, ALICE) == []
    receipts = list((project / ".loopwright/default/erasures").glob("*.json"))
    (receipt,) = [orjson.loads(path.read_bytes()) for path in receipts]
    assert receipt["removed"][0]["rows"]["calls"] == 5
    _, described, _ = loopwright("describe", "Dataset/set")
    assert described.count("less 5 calls") == 1


def test_a_renewal_that_died_locks_nobody_out_and_is_finished(
    loopwright: Loopwright, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Died with half of the lakes under the new key: each opens, and `--resume` ends it."""
    export = {"lake": "main", "query": "SELECT call_id FROM calls"}, {"inferenceDataset": "mine"}
    (project / "all.yaml").write_text(
        MANIFESTS + EXPORT.format(source=json.dumps(export[0]), to=json.dumps(export[1]))
    )
    write_calls(project / "calls.jsonl")
    assert loopwright("apply", str(project / "all.yaml"), "--yes", "--wait")[0] == 0
    (project / "calls.jsonl").unlink()
    copies = {name: project.parent / f"{project.name}-{name}" for name in ("lake", "mine")}
    shutil.copytree(project / "lake", copies["lake"])
    shutil.copytree(project / ".loopwright/default/inference/mine", copies["mine"])
    rotate, times = Lake.rotate_master, iter(range(9))

    def once(lake: Lake, master: MasterKey) -> None:
        if next(times):
            raise RuntimeError("killed")
        rotate(lake, master)

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "rotate_master", once)
        assert loopwright("erase", "--subject", ALICE, "--yes")[0] == 1
    assert loopwright("lake", "verify")[0] == 0
    code, out, err = loopwright("sql", "SELECT count(*) AS n FROM mine", "--format", "csv")
    assert (code, out.split()) == (0, ["n", "12"]), err
    code, _, err = loopwright("erase", "--resume", "--yes")
    assert (code, "was renewed" in err) == (0, True), err
    key = project / ".loopwright/keys/main.key"
    assert len(key.read_text().split()) == 1
    for copied in copies.values():
        with pytest.raises(LakeKeyError, match="wrong master key"):
            Lake.open(copied, master=MasterKey.from_file(key))
    assert loopwright("lake", "verify")[0] == 0
    code, out, err = loopwright("sql", "SELECT count(*) AS n FROM mine", "--format", "csv")
    assert (code, out.split()) == (0, ["n", "12"]), err
    assert quoting(project, SECRET, ALICE) == []


def test_a_key_of_the_users_own_stays_and_what_is_left_to_do_is_told(
    loopwright: Loopwright, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "22" * 32)
    assert loopwright("lake", "rotate", "--new-key", "env:MY_KEY")[0] == 0
    _, out, _ = loopwright("erase", "--subject", ALICE, "--plan")
    assert "master key in env MY_KEY: it is yours and stays" in out
    code, out, err = loopwright("erase", "--subject", ALICE, "--yes")
    assert (code, "loopwright lake rotate NAME --new-key" in err) == (0, True)
    (path,) = (project / ".loopwright/default/erasures").glob("*.json")
    told = orjson.loads(path.read_bytes())["masterKeys"]
    assert told == [{"key": {"env": "MY_KEY"}, "lakes": ["main"], "renewed": False}]
    assert loopwright("lake", "verify")[0] == 0


def test_a_lake_of_another_environment_under_the_same_key_moves_along(
    loopwright: Loopwright, project: Path
) -> None:
    master = MasterKey.from_file(project / ".loopwright/keys/main.key")
    Lake.create(project / "other", master=master)
    state = project / ".loopwright/prod"
    state.mkdir()
    (state / "state.db").write_bytes(b"")
    facts = {"masterKey": {"file": ".loopwright/keys/main.key"}}
    Receipts(state / "lakes").put(Receipt("other", "me", facts=facts))
    moved = MasterKey.generate()
    Lake.create(project / "moved", master=moved)  # under another key since, and nobody told
    Receipts(state / "lakes").put(Receipt("moved", "me", facts=facts))
    code, _, err = loopwright("erase", "--subject", ALICE, "--yes")
    assert code == 0, err
    fresh = MasterKey.from_file(project / ".loopwright/keys/main.key")
    assert fresh.id != master.id
    assert Lake.open(project / "other", master=fresh).keys.master_id == fresh.id
    assert Lake.open(project / "moved", master=moved).keys.master_id == moved.id


def test_a_key_is_not_renewed_while_a_lake_under_it_is_away(
    loopwright: Loopwright, project: Path
) -> None:
    """It would be locked out: the erasure waits for it, and nothing is locked meanwhile."""
    master = MasterKey.from_file(project / ".loopwright/keys/main.key")
    facts = {"masterKey": {"file": ".loopwright/keys/main.key"}}
    Receipts(project / ".loopwright/default/lakes").put(Receipt("away", "me", facts=facts))
    code, _, err = loopwright("erase", "--subject", ALICE, "--yes")
    assert (code, "cannot be renewed: a lake under it is not in away" in err) == (1, True)
    assert quoting(project, SECRET, ALICE) == []
    assert loopwright("lake", "verify")[0] == 0
    Lake.create(project / "away", master=master)
    assert loopwright("erase", "--resume", "--yes")[0] == 0
    fresh = MasterKey.from_file(project / ".loopwright/keys/main.key")
    assert Lake.open(project / "away", master=fresh).keys.master_id != master.id


def test_an_erasure_that_died_after_its_receipt_gets_no_second_one(
    loopwright: Loopwright, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("loopwright.lake.erasing.erasure.finish", dies)
        assert loopwright("erase", "--subject", ALICE, "--yes")[0] == 1
    (receipt,) = (project / ".loopwright/default/erasures").glob("*.json")
    before = receipt.read_bytes()
    for _ in range(2):  # died before it finished the journals, and after that
        code, out, _ = loopwright("erase", "--resume", "--yes")
        assert code == 0
        assert out == f"No erasure is left to finish. The last receipt is {receipt}.\n"
        assert [
            path.read_bytes() for path in (project / ".loopwright/default/erasures").iterdir()
        ] == [before]
    assert "erase --resume" not in loopwright("doctor", str(project / "all.yaml"))[1]


def test_an_export_that_does_not_tell_its_calls_goes_and_is_made_again(
    loopwright: Loopwright, project: Path
) -> None:
    """Text without call ids is removed; numbers that opened no text stay."""
    queries = {
        "texts": "SELECT request FROM calls",
        "counts": "SELECT count(*) AS n FROM calls",
    }
    exports = "".join(
        EXPORT.format(
            source=json.dumps({"lake": "main", "query": query}), to=json.dumps({"path": name})
        ).replace("name: mine", f"name: {name}")
        for name, query in queries.items()
    )
    (project / "all.yaml").write_text(MANIFESTS + exports)
    write_calls(project / "calls.jsonl")
    manifests = str(project / "all.yaml")
    code, out, err = loopwright("apply", manifests, "--yes", "--wait")
    assert code == 0, out + err
    (project / "calls.jsonl").unlink()
    assert quoting(project / "texts", SECRET)
    code, out, err = loopwright("erase", "--subject", ALICE, "--yes")
    assert code == 0, err
    assert ": removed; the next apply makes it again" in out
    assert "counts" not in out
    assert (project / "counts").exists()
    assert not (project / "texts").exists()
    assert quoting(project, SECRET, ALICE) == []
    write_calls(project / "calls.jsonl")
    _, out, _ = loopwright("plan", manifests)
    assert "Export/texts" in out
    assert "Export/counts" not in out
    code, out, err = loopwright("apply", manifests, "--yes", "--wait")
    assert code == 0, out + err
    (made,) = (project / "texts").glob("*.jsonl")
    assert len(made.read_bytes().splitlines()) == 12
