"""Reads manifests as the command line does: text or files in, resources and problems out."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from loopwright.manifests.diagnostics import Diagnostic
from loopwright.manifests.loader import ManifestSet, load
from loopwright.parsing import Parsed, parse
from loopwright.resources.address import Address
from loopwright.resources.base import API_VERSION

RICH = Path(__file__).parent / "rich"

PROVIDER = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: cloud}
spec: {type: memory}
"""


def loaded(*paths: Path) -> ManifestSet:
    """The manifests below some paths; each must be sound YAML."""
    found = load(
        [str(path) for path in paths], project_dir=paths[0].parent, stdin=lambda: b"", environ={}
    )
    assert found.diagnostics == []
    return found


def declared(folder: Path, text: str, *, recorded: Collection[Address] = ()) -> Parsed:
    """Parse YAML text that is put into a folder as `loop.yaml`."""
    path = folder / "loop.yaml"
    path.write_text(text, encoding="utf-8")
    return parse(loaded(path), recorded=recorded)


def document(kind: str, name: str, spec: dict[str, Any]) -> str:
    """One manifest as YAML, with the separator in front."""
    data = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return "---\n" + yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def told(diagnostics: Collection[Diagnostic]) -> list[tuple[str, str]]:
    """Field and message of each problem: what a person reads first."""
    return [(found.field, found.message) for found in diagnostics]
