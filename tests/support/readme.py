"""The command lines that a Markdown page shows, in its `bash` blocks, and their output."""

from __future__ import annotations

import re
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(page: str) -> str:
    """A page of the repository."""
    return (HOME / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[list[str]]:
    """The lines of each block of shell commands, in the order of the page."""
    return [
        found.splitlines() for language, found in _BLOCK.findall(text(page)) if language == "bash"
    ]


def outputs(page: str) -> list[str]:
    """What blocks without a language show: output of a command, pictures."""
    return [found for language, found in _BLOCK.findall(text(page)) if not language]


def without_installing(line: str) -> str:
    """A command line without the parts before its last, which make a virtual environment."""
    return line.rpartition(" && ")[2]
