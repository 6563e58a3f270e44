"""How a file's format is told, what a mapping changes, and what lies beside a log."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_world import ids, new_lake, table
from vendor_lines import (
    ANSWER,
    CALLS,
    CHAT,
    CONVERSE,
    CONVERSE_ANSWER,
    CONVERSE_REQUEST,
    LANGFUSE,
    QUESTION,
    SPAN,
)

from loopwright.errors import LakeError
from loopwright.lake import jsonl
from loopwright.lake.importing import ImportProgress, ImportResult, import_calls
from loopwright.lake.looking import UnknownFormatError, look
from loopwright.lake.shapes.mapped import FieldPaths
from loopwright.lake.store import Lake


def lines(*found: Any) -> bytes:
    return b"".join(orjson.dumps(line) + b"\n" for line in found)


def imported(folder: Path, content: bytes, **options: Any) -> tuple[Lake, ImportResult]:
    lake = new_lake(folder / f"lake{len(list(folder.iterdir()))}")
    path = folder / "calls"
    path.write_bytes(content)
    return lake, import_calls(lake, [path], **options)


def row(lake: Lake, *columns: str) -> tuple[Any, ...]:
    (found,) = table(lake.snapshot(), list(columns)).to_pylist()
    return tuple(found[name] for name in columns)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_lines_a_list_and_a_page_hold_the_same_calls(tmp_path: Path, name: str) -> None:
    calls = CALLS[name]
    indented = orjson.dumps(calls, option=orjson.OPT_INDENT_2)
    forms = [
        lines(*calls),
        gzip.compress(lines(*calls)),
        orjson.dumps(calls),
        b"\xef\xbb\xbf\n" + indented,
        orjson.dumps({"object": "list", "data": calls, "has_more": False}) + b"\n",
    ]
    found = []
    for content in forms:
        lake, result = imported(tmp_path, content)
        assert (result.added, result.bad_total) == (len(calls), 0)
        assert result.files[0].format == name
        found.append(sorted(ids(lake.snapshot())))
    assert found == [found[0]] * len(forms)


def test_rows_of_parquet_are_lines(tmp_path: Path) -> None:
    at = datetime(2026, 1, 31, tzinfo=UTC)
    rows = [LANGFUSE, SPAN] * 100
    of_text = ("id", "trace_id", "type", "input", "output", "level", "user_id")
    plain = pa.table({name: [found[name] for found in rows] for name in of_text})
    more = {
        "start_time": pa.array([at + timedelta(seconds=n) for n in range(len(rows))]),
        "metadata": pa.array([[("route", "shop")]] * len(rows), pa.map_(pa.string(), pa.string())),
        "usage_details": pa.array(
            [[("input", 9), ("output", 7)]] * len(rows), pa.map_(pa.string(), pa.int64())
        ),
        "total_cost": pa.array([Decimal("0.00125")] * len(rows)),
    }
    for name, values in more.items():
        plain = plain.append_column(name, values)
    path = tmp_path / "langfuse"
    pq.write_table(plain, path)
    lake = new_lake(tmp_path / "lake")
    seen: list[ImportProgress] = []
    result = import_calls(lake, [path], progress=seen.append)
    assert (result.added, result.files[0].format) == (100, "langfuse")
    assert seen[-1].bytes_done == seen[-1].bytes_total
    first = table(lake.snapshot(), ["ts", "tags", "input_tokens", "cost_micro_usd"]).to_pylist()[0]
    assert first == {
        "ts": at,
        "tags": [("route", "shop")],
        "input_tokens": 9,
        "cost_micro_usd": 1250,
    }
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LakeError, match="Parquet file is damaged"):
        import_calls(lake, [path])


def test_the_most_frequent_shape_of_the_first_lines_is_the_files(tmp_path: Path) -> None:
    _, result = imported(tmp_path, lines(CHAT, LANGFUSE, SPAN, {"id": 1}))
    assert (result.files[0].format, result.added) == ("langfuse", 1)
    assert result.no_calls == {"observation other than a generation": 3}


def test_nothing_is_imported_when_one_file_cannot_be_told(tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    good, odd = tmp_path / "good.jsonl", tmp_path / "odd.jsonl"
    good.write_bytes(lines(CHAT))
    odd.write_bytes(lines({"type": "x", "input": QUESTION, "output": ANSWER}))
    with pytest.raises(UnknownFormatError) as refusal:
        import_calls(lake, [good, odd])
    said = str(refusal.value)
    assert "odd.jsonl: no call in a known format in its only line" in said
    assert "nearest: langfuse (has input, output, type), bedrock-invocations" in said
    assert QUESTION not in said
    assert "spec.mapping" in str(refusal.value.hint)
    assert not ids(lake.snapshot())


def test_a_format_that_no_line_fits_is_refused_with_the_one_that_does(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match=r"calls \(litellm\): no call in") as refusal:
        imported(tmp_path, lines(CHAT), format="litellm")
    assert "look like openai-chat" in str(refusal.value.hint)
    with pytest.raises(UnknownFormatError, match=r"first 2 lines: .* list of messages \(2\)"):
        imported(tmp_path, lines({"messages": []}, {"messages": 1}))
    _, result = imported(tmp_path, lines(SPAN))
    assert (result.read, result.added) == (1, 0)


def test_a_document_too_large_for_memory_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "LARGEST_DOCUMENT", 1000)
    with pytest.raises(LakeError, match="one JSON document of more than") as refusal:
        imported(tmp_path, orjson.dumps([CHAT] * 50, option=orjson.OPT_INDENT_2))
    assert "JSON lines" in str(refusal.value.hint)
    _, result = imported(tmp_path, b'{"messages": \n' + lines(*[CHAT] * 50))
    assert (result.added, result.bad_total) == (50, 1)


def test_a_broken_first_line_costs_that_line_alone(tmp_path: Path) -> None:
    content = b"[\n" + lines(CHAT, CHAT)
    _, result = imported(tmp_path, content)
    assert (result.added, [bad.line for bad in result.bad]) == (2, [1])
    many = content + lines(*({**CHAT, "created": number} for number in range(20_000)))
    _, result = imported(tmp_path, gzip.compress(many)[:-20])
    first, last = result.bad
    assert first.line == 1
    assert last.line == result.added + 2 > 1000


OWN = {
    "body": {"in": '{"messages": [{"role": "user", "content": "' + QUESTION + '"}]}'},
    "said": [{"text": ANSWER}],
    "meta": {"at": 1_769_817_600, "who": 77, "talk": "t-1", "route": "shop", "key": "r-1"},
}
OWN_MAPPING = {
    "request": "body.in",
    "response": "said.0.text",
    "ts": "meta.at",
    "subject": "meta.who",
    "session": "meta.talk",
    "endpoint": "meta.route",
    "id": "meta.key",
    "model": "meta.model",
}


def test_logs_of_ones_own_are_read_as_mapped(tmp_path: Path) -> None:
    lake, result = imported(tmp_path, lines(OWN), mapping=OWN_MAPPING)
    assert result.files[0].format == "as mapped"
    told = row(lake, "endpoint", "session_id", "client_request_id", "request", "response")
    assert told[:3] == ("shop", "t-1", "r-1")
    assert orjson.loads(told[3])["messages"] == [{"role": "user", "content": QUESTION}]
    assert orjson.loads(told[3])["user"] == "77"
    assert orjson.loads(told[4])["choices"][0]["message"]["content"] == ANSWER
    (ts, subject) = row(lake, "ts", "subject_key")
    assert (ts.timestamp(), subject) == (1_769_817_600, lake.hash_keys.subject_key("77"))


def test_a_mapping_corrects_single_fields_of_a_known_format(tmp_path: Path) -> None:
    mapping = {"endpoint": "name", "subject": "metadata.route", "model": "metadata.scope.name"}
    lake, _ = imported(tmp_path, lines(LANGFUSE), mapping=mapping)
    subject = lake.hash_keys.subject_key("shop")
    assert row(lake, "endpoint", "subject_key", "model", "session_id") == (
        "answer",
        subject,
        "sdk",
        "s-1",
    )


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ({"request": "body.none", "response": "said"}, "input that is no chat request"),
        ({**OWN_MAPPING, "session": "body"}, "session is not text"),
        ({**OWN_MAPPING, "ts": "said"}, "the time is neither a number nor RFC 3339"),
        ({"messages": "said.1"}, "messages is not a list of messages"),
    ],
)
def test_a_mapping_that_leads_nowhere_is_told_by_the_lines(
    tmp_path: Path, mapping: dict[str, str], reason: str
) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(lines(OWN))
    with pytest.raises(UnknownFormatError, match=reason) as refusal:
        look(path, mapping=FieldPaths(mapping))
    assert "spec.mapping" in str(refusal.value.hint)


def test_large_bodies_of_bedrock_are_read_where_they_lie_beside_the_log(tmp_path: Path) -> None:
    line = CONVERSE | {
        "input": {"inputBodyS3Path": "s3://logs/x/data/1_input.json.gz", "inputTokenCount": 9},
        "output": {"outputBodyS3Path": "s3://logs/x/data/1_output.json.gz"},
    }
    lake, result = imported(tmp_path, lines(line))
    assert list(result.no_calls.values()) == [1]
    data = tmp_path / "data"
    data.mkdir()
    (data / "1_input.json.gz").write_bytes(gzip.compress(orjson.dumps(CONVERSE_REQUEST)))
    (tmp_path / "1_output.json.gz").write_bytes(orjson.dumps(CONVERSE_ANSWER))
    assert import_calls(lake, [tmp_path / "calls"]).added == 1
    assert ANSWER in row(lake, "response")[0]
    (data / "1_input.json.gz").write_bytes(b"{")
    (tmp_path / "calls").write_bytes(lines(line, CONVERSE))
    (bad,) = import_calls(lake, [tmp_path / "calls"]).bad
    assert bad.reason == "the body beside the log is not JSON"


@pytest.mark.parametrize(
    "name", ["../secret.json", "/etc/secret.json", "link.json", "..", "", "\0"]
)
def test_a_log_leads_to_no_file_elsewhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "logs"
    (folder / "data").mkdir(parents=True)
    (tmp_path / "secret.json").write_bytes(orjson.dumps(CONVERSE_REQUEST))
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    path = folder / "log.jsonl"
    path.write_bytes(lines(CONVERSE | {"input": {"inputBodyS3Path": f"s3://logs/data/{name}"}}))
    assert look(path).calls == 0
