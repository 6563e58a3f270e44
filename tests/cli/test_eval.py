"""`loopwright eval`: what state records of evaluations, and what lies in their folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.cli import run
from loopwright.engine.workspace import Workspace
from loopwright.evaluation.results import EvaluationResult, ItemRecord
from loopwright.evaluation.run_folder import RunFolder
from loopwright.resources.address import Address
from loopwright.state.lease import current_holder
from loopwright.state.records import Record, Revision, RunStatus
from loopwright.state.store import Entry
from support.evaluations import EVALUATED, an_evaluation
from support.local_worlds import Said

Eval = Callable[..., Said]
CURVE = '<svg xmlns="http://www.w3.org/2000/svg"><title>the loss of it</title></svg>'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two finished revisions of one evaluation, and the job that made the model of both."""
    (tmp_path / "rita").write_text("the-key-of-rita\n")
    (tmp_path / "loopwright.yaml").write_text(
        "principals: [{name: rita, role: reader, key: {file: rita}}]\n"
    )
    revisions = []
    for number, seed in ((3, 7), (4, 8)):
        result, records = an_evaluation(items=80, seed=seed)
        result = replace(result, revision=number, digest=f"sha256:{number}")
        revisions.append(revision(tmp_path, result, records))
    failed = Revision(5, "f", RunStatus.FAILED)
    evaluation = Record(
        Address("EvalRun", "router-eval"), revisions=(*revisions, failed), current=4
    )
    model = tmp_path / "models" / "ticket-router" / "v2"
    model.mkdir(parents=True)
    (model / "loss.svg").write_text(CURVE)
    digest = revisions[0].outputs["models"][EVALUATED]
    outputs = {"digest": digest, "path": "models/ticket-router/v2"}
    tuned = Revision(2, "t", RunStatus.SUCCEEDED, outputs=outputs)
    job = Record(Address("FineTuneJob", "ticket-router"), revisions=(tuned,), current=2)
    workspace = Workspace(tmp_path, "default", environ={})
    with workspace.session(holder=current_holder(), command="test", wait_seconds=0) as session:
        held = {record.address: record for record in (evaluation, job)}
        session.commit([Entry("record", str(address)) for address in held], held)
    return tmp_path


def revision(home: Path, result: EvaluationResult, records: list[ItemRecord]) -> Revision:
    place = f"evaluations/{result.name}/v{result.revision}"
    RunFolder(home / place).write(result, records)
    whole = result.subjects[0].composite
    assert whole is not None
    outputs = {
        "composite": whole.score,
        "intervals": {"composite": [whole.interval.low, whole.interval.high]},
        "items": whole.items,
        "failed": whole.failed,
        "report": place,
        "models": {s.label: s.digest for s in result.subjects if s.digest},
    }
    return Revision(result.revision, f"f{result.revision}", RunStatus.SUCCEEDED, outputs=outputs)


@pytest.fixture
def evaluations(project: Path, capsys: pytest.CaptureFixture[str]) -> Eval:
    """Runs `loopwright eval ...` in the project; exit code, stdout, stderr."""

    def call(*arguments: str) -> Said:
        code = run(["eval", *arguments, "--project", str(project)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


def test_a_list_has_a_line_for_every_finished_evaluation(evaluations: Eval) -> None:
    code, out, _ = evaluations("list")
    header, *rows = out.splitlines()
    assert code == 0
    assert header.split() == ["EVALUATION", "MODEL", "SCORE", "ITEMS", "FAILED"]
    assert [row.split()[:2] for row in rows] == [
        ["router-eval@3", EVALUATED],
        ["router-eval@4", EVALUATED],
    ]
    assert max(len(row) for row in rows) <= 80
    _, text, _ = evaluations("list", "--json")
    assert [run["revision"] for run in json.loads(text)] == [3, 4]


def test_a_report_that_was_edited_is_told(evaluations: Eval, project: Path) -> None:
    path = project / "evaluations/router-eval/v4/report.json"
    assert "warning" not in evaluations("show", "router-eval@4")[2]
    said = json.loads(path.read_text())
    said["subjects"][0]["composite"]["score"] = 99.9
    path.write_text(json.dumps(said))
    for command in ("show", "report"):
        _, _, err = evaluations(command, "router-eval@4")
        assert "report.json of router-eval@4 was changed: it tells 99.90" in err
        assert "warning" not in evaluations(command, "router-eval@3")[2]


def test_scores_are_shown_with_their_intervals_and_differences(evaluations: Eval) -> None:
    code, out, _ = evaluations("show", "EvalRun/router-eval@3")
    assert code == 0
    assert out.startswith(f"{EVALUATED} scores ")
    assert "with 95 % confidence" in " ".join(out.split())
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert all("±" in rows[name] for name in ("paraphrases", "客服问答"))
    assert "against builtin:tiny-chat" in out
    assert "report  " in out
    assert "sha256:4" in evaluations("show", "router-eval")[1]
    _, text, _ = evaluations("show", "router-eval@3", "--json")
    assert json.loads(text)["subjects"][0]["label"] == EVALUATED


def test_items_are_those_asked_for(evaluations: Eval) -> None:
    _, out, err = evaluations("items", "router-eval@3", "--failed", "--json")
    failed = [json.loads(line) for line in out.splitlines()]
    assert failed
    assert all(item["answers"][EVALUATED]["score"] < 100 for item in failed)
    assert err == f"{len(failed)} of 80 items\n"
    _, out, _ = evaluations(
        "items", "router-eval@3", "--dataset", "tools/look-up-order", "--limit", "1"
    )
    assert 'look_up_order({"order": 0})' in out
    _, out, _ = evaluations("items", "router-eval@3", "--dataset", "客服问答", "--limit", "2")
    assert out.count("  expected\n") == 2


def test_a_report_is_a_page_text_or_json(evaluations: Eval, project: Path) -> None:
    code, out, _ = evaluations("report", "router-eval@3")
    page = Path(out.strip())
    assert (code, page) == (0, project / "evaluations/router-eval/v3/report.html")
    assert "data:image/svg+xml;base64," in page.read_text(encoding="utf-8")
    _, out, _ = evaluations("report", "router-eval@3", "--format", "md")
    assert out.startswith("## Evaluation router-eval@3: ticket-router@2\n")
    target = project / "report.json"
    code, out, _ = evaluations("report", "router-eval@3", "--format", "json", "--out", str(target))
    assert (code, out) == (0, "")
    stored = json.loads((project / "evaluations/router-eval/v3/report.json").read_bytes())
    assert json.loads(target.read_bytes()) == stored


def test_evaluations_are_put_together(evaluations: Eval, project: Path) -> None:
    code, out, _ = evaluations("report", "router-eval@3", "--compare", "router-eval@4")
    assert code == 0
    page = Path(out.strip())
    assert page.name == "with-router-eval@4.html"
    told = page.read_text(encoding="utf-8")
    assert f"{EVALUATED} (router-eval@4)" in told
    assert "loopwright eval report router-eval@3 --compare router-eval@4" in told


def test_logs_for_other_tools_are_written(evaluations: Eval, project: Path) -> None:
    for form in ("lm-eval", "inspect"):
        code, out, _ = evaluations(
            "export", "router-eval", "--format", form, "--to", str(project / form)
        )
        assert code == 0
        assert all(Path(line).is_file() for line in out.splitlines())


def test_what_is_not_there_is_named_with_what_is(evaluations: Eval, project: Path) -> None:
    for asked, told, hint in (
        ("ruter-eval", "no finished evaluation 'ruter-eval'", "did you mean router-eval?"),
        ("router-eval@5", "has no finished revision 5", "there are 3, 4"),
        ("router-eval@new", "names no revision", "NAME@2"),
    ):
        code, _, err = evaluations("show", asked)
        assert code == 1
        assert told in err
        assert hint in err
    (project / "evaluations/router-eval/v4/items.jsonl").unlink()
    code, _, err = evaluations("report", "router-eval@4")
    assert code == 1
    assert "items.jsonl" in err


def test_a_reader_sees_scores_but_no_question(
    evaluations: Eval, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.setenv("LOOPWRIGHT_API_KEY", "the-key-of-rita")
    assert evaluations("show", "router-eval")[0] == 0
    for asked in (
        ("items", "router-eval"),
        ("report", "router-eval"),
        ("export", "router-eval", "--format", "inspect", "--to", str(project / "logs")),
    ):
        code, out, err = evaluations(*asked)
        assert (code, out) == (1, "")
        assert "may not read questions and answers of evaluations" in err
    assert not (project / "logs").exists()
