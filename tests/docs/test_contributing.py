"""CONTRIBUTING.md is true: its kind and its provider, built from the page alone, work.

The files of the page are laid over a copy of the package; no other file is touched. What follows
runs in processes of its own, for the registries of kinds and providers remember what they found.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
FILE = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of_the_page() -> dict[str, str]:
    return dict(FILE.findall((HOME / "CONTRIBUTING.md").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the files of the page, and the provider as if pip had installed it."""
    root = tmp_path_factory.mktemp("contributing")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HOME / "src/loopwright", root / "src/loopwright", ignore=ignored)
    for name, content in files_of_the_page().items():
        path = root / name
        assert not path.exists(), f"{name} is edited, not added"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    install(root / "echo")
    return root


def install(package: Path) -> None:
    """What an installer makes of pyproject.toml: name, version and entry points."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = package / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    lines = [f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"]
    (info / "METADATA").write_text("".join(lines))
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("".join(groups))


def run(built: Path, *arguments: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": f"{built / 'src'}{os.pathsep}{built / 'echo'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=built / folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def loopwright(built: Path, *arguments: str, folder: str = ".") -> str:
    done = run(built, "-m", "loopwright", *arguments, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_shows_all_files_of_both_examples() -> None:
    assert set(files_of_the_page()) == {
        "src/loopwright/resources/note.py",
        "tests/resources/test_note.py",
        "examples/note/note.yaml",
        "echo/pyproject.toml",
        "echo/loopwright_echo/__init__.py",
        "echo/loopwright_echo/note.py",
        "echo/samples.yaml",
    }


def test_the_tests_of_the_kind_pass(built: Path) -> None:
    done = run(built, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/resources")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_kind_is_explained_and_has_a_schema(built: Path) -> None:
    assert "The dataset it is about." in loopwright(built, "explain", "Note.spec")
    loopwright(built, "schema", "--out", "made")
    schema = json.loads((built / "made/note.json").read_text(encoding="utf-8"))
    assert schema["$defs"]["NoteSpec"]["required"] == ["provider", "text"]


def test_without_its_provider_the_kind_is_refused_with_those_that_have_it(built: Path) -> None:
    other = built / "other"
    other.mkdir()
    text = (built / "examples/note/note.yaml").read_text().replace("type: echo", "type: memory")
    (other / "note.yaml").write_text(text)
    done = run(built, "-m", "loopwright", "validate", folder="other")
    assert done.returncode == 1
    assert "provider types with Note: echo" in done.stdout + done.stderr


def test_the_provider_passes_the_conformance_suite(built: Path) -> None:
    told = loopwright(built, "conformance", "echo", "--samples", "echo/samples.yaml", "--json")
    verdicts = {found["check"]: found["verdict"] for found in json.loads(told)}
    assert "failed" not in verdicts.values()
    assert verdicts["the-same-key-makes-one-object"] == "passed"
    assert verdicts["an-update-changes-the-named-fields-alone"] == "passed"
    assert verdicts["an-operation-survives-a-restart"] == "passed"


def test_the_example_is_applied_changed_and_removed(built: Path) -> None:
    project = built / "examples/note"
    loopwright(built, "apply", "--yes", folder="examples/note")
    (kept,) = (project / "notes").glob("*.json")
    assert json.loads(kept.read_text())["spec"]["text"] == "Checked by Li."
    assert loopwright(built, "plan", folder="examples/note").startswith("No changes.")
    edited = (project / "note.yaml").read_text().replace("by Li", "by Wang")
    (project / "note.yaml").write_text(edited)
    loopwright(built, "apply", "--yes", folder="examples/note")
    assert json.loads(kept.read_text())["spec"]["text"] == "Checked by Wang."
    loopwright(built, "destroy", "--yes", folder="examples/note")
    assert not kept.exists()
