"""The pages are whole: commands, codes, kinds and examples are told, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from loopwright.cli import COMMANDS
from loopwright.errors import ExitCode
from loopwright.resources.registry import kinds
from support.readme import HOME, READMES, blocks, text

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
OF_A_MACHINE = re.compile(r"/(?:root|home|Users|tmp|work)/[\w.]|[\w-]+\.(?:internal|local):\d")


def files(*patterns: str) -> list[str]:
    """What git knows or would add, by pattern."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=HOME,
        capture_output=True,
        text=True,
        check=False,
    )
    found = listed.stdout.split("\n") if listed.returncode == 0 else []
    return [name for name in found if name and (HOME / name).is_file()]


PAGES = files("*.md") or sorted(str(path.relative_to(HOME)) for path in HOME.glob("[!.]*/**/*.md"))


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    plain = FENCED.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in found}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_what_is_there(page: str) -> None:
    path = HOME / page
    for target in LINK.findall(FENCED.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_no_file_names_a_place_of_one_machine() -> None:
    texts = files("*.md", "*.yaml", "*.yml", "*.toml", "*.txt", "*.py", ".ci/*")
    found = [
        f"{name}: {match[0]}"
        for name in texts
        if name != "tests/docs/test_pages.py"
        for match in OF_A_MACHINE.finditer((HOME / name).read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("page", READMES)
def test_a_readme_names_every_command_and_exit_code(page: str) -> None:
    said = text(page)
    quoted = " ".join(re.findall(r"`([^`\n]+)`", said))
    named = set(re.split(r"[\s,、]+", quoted))
    assert set(COMMANDS) - named == set()
    codes = re.findall(r"^\| `?(\d)`? \|", said, re.MULTILINE)
    assert codes == [str(int(code)) for code in ExitCode]


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = map(blocks, READMES)
    assert english == chinese
    links = [set(LINK.findall(text(page))) for page in READMES]
    assert links[0] - {"README.zh-CN.md"} == links[1] - {"README.md"}


def test_the_two_commands_set_everything_up_by_themselves() -> None:
    first, *_, test = (block[0] for block in blocks("README.md"))
    for line, folder in ((first, ".venv"), (test, ".venv-test")):
        assert line.startswith(
            f"python3 -m venv {folder} && {folder}/bin/pip install -q -c constraints.txt "
        )
        assert f" && {folder}/bin/" in line.partition("pip install")[2]
    pinned = (HOME / "constraints.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in pinned if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+(?: ?;.*)?", line) for line in pinned if "==" in line)
    assert {"pyarrow", "pydantic", "pytest"} <= {name.lower() for name in names}


def test_the_ci_runs_the_same_test_command() -> None:
    script = (HOME / ".ci/run").read_text(encoding="utf-8")
    assert "README.md" in script
    assert blocks("README.md")[-1][0].startswith("python3 -m venv .venv-test ")


def test_every_kind_has_its_section() -> None:
    assert {kind.lower() for kind in kinds()} <= anchors(HOME / "docs/kinds.md")


def test_the_changelog_names_the_version() -> None:
    from loopwright import __version__

    assert f"## {__version__}" in text("CHANGELOG.md")
