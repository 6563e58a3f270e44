"""The command lines that a Markdown page shows: what is in its `bash` blocks."""

from __future__ import annotations

import re
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(page: str) -> str:
    """A page of the repository."""
    return (HOME / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[list[str]]:
    """The lines of each block of shell commands, in the order of the page."""
    return [found.splitlines() for found in _BLOCK.findall(text(page))]


def without_installing(line: str) -> str:
    """A command line without the parts before its last, which make a virtual environment."""
    return line.rpartition(" && ")[2]
