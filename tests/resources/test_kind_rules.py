"""Every rule of every kind, with the message that a person reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from declaring import PROVIDER, declared, document, told

CUSTOM = document("Endpoint", "chat", {"provider": "cloud", "model": {"base": "tiny"}})
PRESET = document(
    "Endpoint", "ready", {"provider": "cloud", "type": "preset", "model": {"base": "tiny"}}
)
LAKE = document("Lake", "main", {"provider": "cloud", "storage": "lake"})
DATASET = document("Dataset", "d", {"provider": "cloud", "source": {"lake": "main"}})
JOB = document("FineTuneJob", "x", {"provider": "cloud", "base": "tiny", "dataset": "d"})
SUITE_OF_NOTHING = {"name": "a", "file": "a.jsonl", "method": "f1"}
BASE = PROVIDER + CUSTOM + PRESET + LAKE + DATASET + JOB

Case = tuple[str, dict[str, Any], str, str]

ONE_DOCUMENT: dict[str, Case] = {
    "ratio of zero": (
        "Dataset",
        {"source": {"lake": "main"}, "sampling": {"ratio": 0}},
        "spec.sampling.ratio",
        "`ratio` must be greater than 0, but is 0",
    ),
    "a batch that streams": (
        "BatchInference",
        {
            "endpoint": "chat",
            "input": {"file": "q.jsonl"},
            "output": "out",
            "parameters": {"stream": True, "model": "other", "temperature": 0},
        },
        "spec.parameters",
        "`parameters` cannot say model, stream: the batch decides that",
    ),
    "ratio above one": (
        "Dataset",
        {"source": {"lake": "main"}, "sampling": {"ratio": 20}},
        "spec.sampling.ratio",
        "`ratio` must be at most 1, but is 20",
    ),
    "count of zero": (
        "Dataset",
        {"source": {"lake": "main"}, "sampling": {"count": 0}},
        "spec.sampling.count",
        "`count` must be greater than 0, but is 0",
    ),
    "ratio and count": (
        "Dataset",
        {"source": {"lake": "main"}, "sampling": {"ratio": 0.2, "count": 5}},
        "spec.sampling",
        "`sampling` takes ratio or count, not both",
    ),
    "order without count": (
        "Dataset",
        {"source": {"lake": "main"}, "sampling": {"ratio": 0.2, "order": "random"}},
        "spec.sampling",
        "`sampling` takes order only with count; a ratio is always random",
    ),
    "independent draws in order of time": (
        "Dataset",
        {
            "source": {"lake": "main"},
            "sampling": {"count": 5, "order": "chronological", "independent": True},
        },
        "spec.sampling",
        "`sampling` is random where it is independent; leave out order: chronological",
    ),
    "another format": (
        "Dataset",
        {"source": {"lake": "main"}, "format": "dpo"},
        "spec.format",
        '`format` cannot be the text "dpo"',
    ),
    "a new dataset and a version": (
        "Dataset",
        {"source": {"lake": "main"}, "target": {"new": "a", "versionOf": "d"}},
        "spec.target",
        "`target` takes new or versionOf, not both",
    ),
    "no source": (
        "Dataset",
        {"source": {}},
        "spec.source",
        "`source` needs exactly one of lake, inferenceDataset; none is given",
    ),
    "dates the wrong way round": (
        "Dataset",
        {"source": {"lake": "main"}, "filter": {"from": "2026-10-02", "to": "2026-10-02"}},
        "spec.filter",
        "`filter` matches no call: from must be before to, which is exclusive",
    ),
    "not a date": (
        "Dataset",
        {"source": {"lake": "main"}, "filter": {"from": "last week"}},
        "spec.filter.from",
        "`from` must be a date such as 2026-10-01 or 2026-10-01T08:00:00Z, but is 'last week'",
    ),
    "not a day of the calendar": (
        "Dataset",
        {"source": {"lake": "main"}, "filter": {"from": "2026-02-30"}},
        "spec.filter.from",
        "`from` must be a date such as 2026-10-01 or 2026-10-01T08:00:00Z, but is '2026-02-30'",
    ),
    "a response schema that refers to a file": (
        "Dataset",
        {"source": {"lake": "main"}, "filter": {"responseSchema": {"$ref": "file:///x"}}},
        "spec.filter.responseSchema",
        "`responseSchema` refers to what it does not hold: file:///x",
    ),
    "a response schema of an unknown type": (
        "Dataset",
        {"source": {"lake": "main"}, "filter": {"responseSchema": {"type": "objekt"}}},
        "spec.filter.responseSchema",
        "`responseSchema` is not a JSON Schema: "
        "'objekt' is not valid under any of the given schemas",
    ),
    "token bounds the wrong way round": (
        "Dataset",
        {"source": {"lake": "main"}, "cleaning": {"minTokens": 9, "maxTokens": 8}},
        "spec.cleaning",
        "`cleaning` leaves nothing: minTokens is above maxTokens",
    ),
    "an outcome that no call has": (
        "Dataset",
        {"source": {"lake": "main"}, "cleaning": {"outcomes": ["okay"]}},
        "spec.cleaning.outcomes[0]",
        '`outcomes[0]` cannot be the text "okay"',
    ),
    "everything held out": (
        "Dataset",
        {"source": {"lake": "main"}, "split": {"validation": 1}},
        "spec.split.validation",
        "`validation` must be less than 1, but is 1",
    ),
    "a revision every moment": (
        "Dataset",
        {"source": {"lake": "main"}, "trigger": {"every": "0s"}},
        "spec.trigger.every",
        "`every` must be longer than 0s",
    ),
    "not a duration": (
        "Dataset",
        {"source": {"lake": "main"}, "trigger": {"every": "weekly"}},
        "spec.trigger.every",
        "`every` must be a duration such as 30s, 10m, 12h, 7d or 2w, but is 'weekly'",
    ),
    "ignoring a field that is none": (
        "Lake",
        {"storage": "lake2", "lifecycle": {"ignoreChanges": ["retension.text"]}},
        "spec",
        "`spec` has no field 'retension' for lifecycle.ignoreChanges to name; "
        "did you mean 'retention'?",
    ),
    "text that outlives its call": (
        "Lake",
        {"storage": "lake2", "retention": {"text": "53w", "metadata": "52w"}},
        "spec.retention",
        "`retention` keeps text longer than its metadata; give text 52w or less",
    ),
    "a reference of the wrong kind": (
        "Delivery",
        {"endpoint": "chat", "lake": "Dataset/d"},
        "spec.lake",
        "`lake` must be a reference to Lake, written Lake/name, but is 'Dataset/d'",
    ),
    "a revision where the current one is meant": (
        "Delivery",
        {"endpoint": "chat", "lake": "main@2"},
        "spec.lake",
        "`lake` follows the current revision and cannot name one, as 'main@2' does",
    ),
    "a pattern that is no regular expression": (
        "Delivery",
        {"endpoint": "chat", "lake": "main", "redaction": {"patterns": {"id": "("}}},
        "spec.redaction.patterns",
        "`patterns` holds 'id', which is not a regular expression: "
        "missing ), unterminated subpattern at position 0",
    ),
    "a pattern that cannot be run within a time": (
        "Delivery",
        {"endpoint": "chat", "lake": "main", "redaction": {"patterns": {"id": "{e}"}}},
        "spec.redaction.patterns",
        "`patterns` holds 'id', which is not a regular expression: "
        "nothing for fuzzy constraint at position 0",
    ),
    "a share of calls above all": (
        "Delivery",
        {"endpoint": "chat", "lake": "main", "rate": 1.5},
        "spec.rate",
        "`rate` must be at most 1, but is 1.5",
    ),
    "two models at once": (
        "Endpoint",
        {"model": {"base": "tiny", "fineTuneJob": "x"}},
        "spec.model",
        "`model` needs exactly one of base, model, fineTuneJob, upstream; "
        "base and fineTuneJob are given",
    ),
    "no model": (
        "Endpoint",
        {"model": {}},
        "spec.model",
        "`model` needs exactly one of base, model, fineTuneJob, upstream; none is given",
    ),
    "promotion to a preset endpoint": (
        "Endpoint",
        {
            "type": "preset",
            "model": {"base": "tiny"},
            "promote": {"from": "x", "gate": {"evalRun": "e"}},
        },
        "spec",
        "`spec` of type preset has nothing promoted to it; make it type: custom",
    ),
    "a tuned model on a preset endpoint": (
        "Endpoint",
        {"type": "preset", "model": {"fineTuneJob": "x"}},
        "spec",
        "`spec` of type preset serves a base model; make it type: custom",
    ),
    "another training type": (
        "FineTuneJob",
        {"base": "tiny", "dataset": "d", "trainingType": "DPO"},
        "spec.trainingType",
        '`trainingType` cannot be the text "DPO"',
    ),
    "nothing to start from": (
        "FineTuneJob",
        {"dataset": "d"},
        "spec",
        "`spec` needs exactly one of base, model; none is given",
    ),
    "validation on the training data": (
        "FineTuneJob",
        {"base": "tiny", "dataset": "d@2", "validation": {"dataset": "Dataset/d@2"}},
        "spec",
        "`spec` validates on its training data; name another dataset, or give a percentage",
    ),
    "no dataset": (
        "FineTuneJob",
        {"base": "tiny"},
        "spec.dataset",
        "`spec` needs the field `dataset`",
    ),
    "weights in two places": (
        "Model",
        {"weights": {"path": "a", "providerId": "b"}},
        "spec.weights",
        "`weights` needs exactly one of path, providerId; path and providerId are given",
    ),
    "a query without its lake": (
        "Export",
        {"source": {"query": "SELECT 1"}, "to": {"path": "out"}},
        "spec.source",
        "`source` takes query only with lake, the one that it reads",
    ),
    "a lake beside a dataset": (
        "Export",
        {"source": {"dataset": "d", "lake": "main"}, "to": {"path": "out"}},
        "spec.source",
        "`source` takes lake only with query or template",
    ),
    "parameters without a template": (
        "Export",
        {"source": {"dataset": "d", "parameters": {"days": 7}}, "to": {"path": "out"}},
        "spec.source",
        "`source` takes parameters only with template",
    ),
    "two destinations": (
        "Export",
        {"source": {"dataset": "d"}, "to": {"path": "out", "inferenceDataset": "a"}},
        "spec.to",
        "`to` needs exactly one of inferenceDataset, path, providerDataset; "
        "inferenceDataset and path are given",
    ),
    "a whole dataset under another name": (
        "Export",
        {"source": {"dataset": "d@2"}, "to": {"providerDataset": "e"}},
        "spec",
        "`spec` renames a whole dataset, which keeps its name; write providerDataset: d",
    ),
    "a whole inference dataset under another name": (
        "Export",
        {"source": {"inferenceDataset": "d"}, "to": {"providerDataset": "e"}},
        "spec",
        "`spec` renames a whole dataset, which keeps its name; write providerDataset: d",
    ),
    "another file format": (
        "Export",
        {"source": {"dataset": "d"}, "to": {"path": "out"}, "format": "csv"},
        "spec.format",
        '`format` cannot be the text "csv"',
    ),
    "nobody to answer": (
        "BatchInference",
        {"input": {"file": "q.jsonl"}, "output": "out"},
        "spec",
        "`spec` needs exactly one of endpoint, model; none is given",
    ),
    "no files to import": (
        "CallImport",
        {"lake": "main", "files": []},
        "spec.files",
        "`files` must have at least 1 entry, but is a list",
    ),
    "an evaluation without endpoint": (
        "EvalRun",
        {"suite": "s"},
        "spec.endpoint",
        "`spec` needs the field `endpoint`",
    ),
    "an endpoint compared with itself": (
        "EvalRun",
        {"suite": "s", "endpoint": "chat", "baseline": "Endpoint/chat"},
        "spec",
        "`spec` compares an endpoint with itself; name another baseline, or none",
    ),
}


@pytest.mark.parametrize("name", ONE_DOCUMENT)
def test_rule_within_one_document(name: str, tmp_path: Path) -> None:
    kind, spec, field, message = ONE_DOCUMENT[name]
    text = BASE + document(kind, "broken", {"provider": "cloud"} | spec)
    found = declared(tmp_path, text).diagnostics
    broken = [one for one in found if one.code != "unresolved-reference"]
    assert told(broken) == [(field, message)]


def test_capability_names_of_a_suite_differ(tmp_path: Path) -> None:
    one = {"name": "routing", "datasets": [SUITE_OF_NOTHING]}
    text = document("EvalSuite", "s", {"capabilities": [one, one]})
    assert told(declared(tmp_path, text).diagnostics) == [
        ("spec", "`spec` holds the capability routing twice; names must differ")
    ]


def test_dataset_names_of_a_capability_differ(tmp_path: Path) -> None:
    one = {"name": "routing", "datasets": [SUITE_OF_NOTHING, SUITE_OF_NOTHING]}
    text = document("EvalSuite", "s", {"capabilities": [one]})
    assert told(declared(tmp_path, text).diagnostics) == [
        ("spec.capabilities[0]", "`capabilities[0]` holds the dataset a twice; names must differ")
    ]


@pytest.mark.parametrize("currency", ["yuan", "cny", "CNYX"])
def test_currency_is_a_code(currency: str, tmp_path: Path) -> None:
    text = document("Provider", "p", {"type": "memory", "prices": {"currency": currency}})
    found = declared(tmp_path, text).diagnostics
    assert [one.field for one in found] == ["spec.prices.currency"]


SEVERAL_DOCUMENTS: dict[str, tuple[str, str, str]] = {
    "delivery on a preset endpoint": (
        document("Delivery", "v", {"provider": "cloud", "endpoint": "ready", "lake": "main"}),
        "spec.endpoint",
        "Endpoint/ready is a preset endpoint: its calls cannot be delivered; "
        "use an endpoint of type custom",
    ),
    "two deliveries of one endpoint": (
        document("Delivery", "v", {"provider": "cloud", "endpoint": "chat", "lake": "main"})
        + document(
            "Delivery", "w", {"provider": "cloud", "endpoint": "Endpoint/chat", "lake": "main"}
        ),
        "spec.endpoint",
        "Delivery/v already has the calls of Endpoint/chat, in {file}",
    ),
    "two lakes in one place": (
        document("Lake", "other", {"provider": "cloud", "storage": "lake/"}),
        "spec.storage",
        "Lake/main already has the storage 'lake' of Provider/cloud, in {file}",
    ),
    "a name that another dataset has": (
        document(
            "Dataset",
            "e",
            {"provider": "cloud", "source": {"lake": "main"}, "target": {"new": "d"}},
        ),
        "spec.target.new",
        "Dataset/d already has the dataset name 'd', in {file}",
    ),
    "a version of what adds versions itself": (
        document(
            "Dataset",
            "e",
            {"provider": "cloud", "source": {"lake": "main"}, "target": {"versionOf": "d"}},
        )
        + document(
            "Dataset",
            "f",
            {"provider": "cloud", "source": {"lake": "main"}, "target": {"versionOf": "e"}},
        ),
        "spec.target.versionOf",
        "Dataset/e itself adds versions to Dataset/d; name that one",
    ),
    "two exports to one inference dataset": (
        document(
            "Export",
            "e",
            {"provider": "cloud", "source": {"dataset": "d"}, "to": {"inferenceDataset": "i"}},
        )
        + document(
            "Export",
            "f",
            {"provider": "cloud", "source": {"dataset": "d"}, "to": {"inferenceDataset": "i"}},
        ),
        "spec.to.inferenceDataset",
        "Export/e already has the inference dataset 'i', in {file}",
    ),
    "an export and answers in one place": (
        document(
            "Export",
            "e",
            {"provider": "cloud", "source": {"dataset": "d"}, "to": {"path": "out/"}},
        )
        + document(
            "BatchInference",
            "b",
            {
                "provider": "cloud",
                "endpoint": "chat",
                "input": {"file": "q.jsonl"},
                "output": "out",
            },
        ),
        "spec.to.path",
        "BatchInference/b already has the place 'out', in {file}",
    ),
    "a model of a job's name": (
        document("Model", "x", {"provider": "cloud", "weights": {"path": "m"}}),
        "metadata.name",
        "the job registers Model/x, which is also declared; rename one of them",
    ),
    "a gate on the evaluation of something else": (
        document(
            "EvalSuite", "s", {"capabilities": [{"name": "c", "datasets": [SUITE_OF_NOTHING]}]}
        )
        + document("EvalRun", "r", {"provider": "cloud", "suite": "s", "endpoint": "chat"})
        + document(
            "Endpoint",
            "prod",
            {
                "provider": "cloud",
                "model": {"base": "tiny"},
                "promote": {"from": "x", "gate": {"evalRun": "r"}},
            },
        ),
        "spec.promote.gate.evalRun",
        "EvalRun/r looks at Endpoint/chat, which does not serve the newest model of "
        "FineTuneJob/x; give that endpoint model: {{fineTuneJob: FineTuneJob/x}}",
    ),
    "a regression that is held beside nothing": (
        document(
            "EvalSuite", "s", {"capabilities": [{"name": "c", "datasets": [SUITE_OF_NOTHING]}]}
        )
        + document("EvalRun", "r", {"provider": "cloud", "suite": "s", "endpoint": "tuned"})
        + document(
            "Endpoint", "tuned", {"provider": "cloud", "model": {"fineTuneJob": "FineTuneJob/x"}}
        )
        + document(
            "Endpoint",
            "prod",
            {
                "provider": "cloud",
                "model": {"base": "tiny"},
                "promote": {"from": "x", "gate": {"evalRun": "r", "maxRegression": 1}},
            },
        ),
        "spec.promote.gate.maxRegression",
        "needs a comparison with Endpoint/prod, but EvalRun/r compares with none; "
        "give that run baseline: prod",
    ),
}


@pytest.mark.parametrize("name", SEVERAL_DOCUMENTS)
def test_rule_between_documents(name: str, tmp_path: Path) -> None:
    text, field, message = SEVERAL_DOCUMENTS[name]
    found = told(declared(tmp_path, BASE + text).diagnostics)
    without_lines = [(place, re.sub(r"(loop\.yaml):\d+$", r"\1", words)) for place, words in found]
    assert without_lines == [(field, message.format(file=tmp_path / "loop.yaml"))]


def test_the_base_of_these_cases_is_sound(tmp_path: Path) -> None:
    assert declared(tmp_path, BASE).diagnostics == []
