"""Secrets are references: literal ones are found, references resolve, nothing is echoed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from loopwright.errors import LoopwrightError
from loopwright.manifests.secrets import (
    SecretRef,
    SecretValue,
    find_literal_secrets,
    is_secret_name,
    masked,
)
from loopwright.manifests.source import Source
from loopwright.manifests.yaml import parse

LITERALS = [
    "sk-" + "a1B2" * 6,
    "AKIA" + "ABCD" * 4,
    "AKLT" + "abcd" * 8,
    "ghp_" + "a1" * 18,
    "github_pat_" + "a1" * 15,
    "xoxb-1234567890-abc",
    "Bearer eyJ" + "hbGciOi" * 3,
    "hf_" + "abCD" * 8,
    "AIza" + "x" * 35,
    "-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----",
]


def scan(text: str) -> list[tuple[str, int]]:
    parsed = parse(Source("m.yaml", text, Path()))
    found = [one for document in parsed.documents for one in find_literal_secrets(document)]
    return [(one.field, one.span.column) for one in found if one.span]


@pytest.mark.parametrize("literal", LITERALS)
def test_a_literal_secret_is_found_anywhere_and_masked(literal: str) -> None:
    text = f'note: [x, {{y: "say {literal} loud"}}]\n'
    assert scan(text) == [("note[1].y", 15)]
    document = parse(Source("m.yaml", text, Path())).documents[0]
    (problem,) = find_literal_secrets(document)
    assert literal[12:] not in str(problem.to_json())


@pytest.mark.parametrize("literal", [one for one in LITERALS if "BEGIN" not in one])
def test_masking_hides_a_secret_and_keeps_every_column(literal: str) -> None:
    text = f"a: {literal} # next\n"
    assert literal[7:] not in masked(text)
    assert len(masked(text)) == len(text)
    assert masked(text).endswith(" # next\n")


@pytest.mark.parametrize("address", ["http://bot:hunter2@host/x", "redis://:hunter2@host:6379"])
def test_a_password_in_a_web_address_is_found_and_masked(address: str) -> None:
    document = parse(Source("m.yaml", f"to: see {address}\n", Path())).documents[0]
    (problem,) = find_literal_secrets(document)
    assert (problem.code, problem.field) == ("literal-secret", "to")
    assert "hunter2" not in str(problem.to_json())


@pytest.mark.parametrize(
    "address",
    [
        "http://host:8080/a@b",
        "ssh://git@host:22/repo",
        "http://bot:${PASSWORD}@host/x",
        "docker://ubuntu:22.04@sha256:0f",
    ],
)
def test_a_web_address_without_a_password_is_no_secret(address: str) -> None:
    assert not scan(f"to: {address}\n")


def test_a_private_key_block_is_masked_to_its_end() -> None:
    text = "a: |\n  -----BEGIN PRIVATE KEY-----\n  MIIEvQIBADAN\n  -----END PRIVATE KEY-----\n"
    assert "MIIE" not in masked(text)
    assert masked(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "name", ["apiKey", "api_key", "API_KEY", "secretKey", "password", "token", "accessToken"]
)
def test_plain_text_under_a_secret_name_is_a_literal_secret(name: str) -> None:
    assert is_secret_name(name)
    assert scan(f"{name}: hunter2") == [(name, len(name) + 3)]
    assert "hunter2" not in masked(f"spec: {{x: 1, {name}: hunter2}}")


@pytest.mark.parametrize(
    "text",
    [
        "apiKey: {env: ARK_API_KEY}",
        "apiKey: {file: ark.key}",
        "maxTokens: many",
        "padToken: <pad>",
        "tokenizer: sk-learn",
        "key: a",
        "apiKey: ''",
        "password: null",
    ],
)
def test_references_and_harmless_names_are_let_through(text: str) -> None:
    assert scan(text) == []


def test_a_reference_names_exactly_one_place() -> None:
    for data in ({}, {"env": "A", "file": "b"}, {"env": "not a name"}):
        with pytest.raises(ValidationError):
            SecretRef.model_validate(data)


def test_references_resolve_to_a_value_that_does_not_show_itself(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("hunter2\n")
    from_file = SecretRef(file="k").resolve({}, tmp_path)
    from_env = SecretRef(env="K").resolve({"K": "hunter2"}, tmp_path)
    assert from_file == from_env == SecretValue("hunter2")
    assert from_file.reveal() == "hunter2"
    assert "hunter2" not in f"{from_file} {from_file!r} {[from_file]}"


def test_what_cannot_be_resolved_names_the_reference_only(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * 70_000)
    for ref, name in [
        (SecretRef(env="K"), "{env: K}"),
        (SecretRef(file="none"), "{file: none}"),
        (SecretRef(file="empty"), "{file: empty}"),
        (SecretRef(file="binary"), "{file: binary}"),
        (SecretRef(file="huge"), "{file: huge}"),
    ]:
        with pytest.raises(LoopwrightError, match="cannot") as error:
            ref.resolve({"K": ""}, tmp_path)
        assert name in str(error.value)
