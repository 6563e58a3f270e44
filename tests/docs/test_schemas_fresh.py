"""What is generated and committed says what the models and the commands say now."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import commands_page
import kinds_page
import pytest

from loopwright.errors import LoopwrightError
from loopwright.schemas import schema_files, write_schemas

HOME = Path(__file__).resolve().parents[2]


@cache
def generated() -> dict[str, bytes]:
    files = {f"schemas/{name}": content for name, content in schema_files().items()}
    pages = {"docs/kinds.md": kinds_page.page(), "docs/commands.md": commands_page.page()}
    return files | {name: page.encode() for name, page in pages.items()}


@pytest.mark.parametrize("path", sorted(generated()))
def test_generated_file_is_fresh(path: str, update_golden: bool) -> None:
    if update_golden:
        (HOME / path).write_bytes(generated()[path])
    assert (HOME / path).read_bytes() == generated()[path], "run pytest tests/docs --update-golden"


def test_no_schema_is_left_of_a_kind_that_is_gone() -> None:
    assert {path.name for path in (HOME / "schemas").iterdir()} == set(schema_files())


def test_schemas_are_written_into_a_new_folder(tmp_path: Path) -> None:
    written = write_schemas(tmp_path / "a" / "schemas")
    assert {path.name: path.read_bytes() for path in written} == schema_files()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(LoopwrightError, match=r"cannot write schemas to .*taken"):
        write_schemas(tmp_path / "taken")
