"""The main job on real text: 10,003 bank customers' questions as recorded calls."""

from __future__ import annotations

from pathlib import Path

import banking77
import pytest
from checkout import Checkout

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not banking77.SOURCE.is_dir(), reason="the Banking77 files are not here"),
]

MANIFESTS = """\
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: bank}
spec: {provider: local, storage: .loopwright/lake}
---
apiVersion: loopwright.dev/v1alpha1
kind: CallImport
metadata: {name: banking77}
spec: {provider: local, lake: bank, files: [calls.jsonl]}
"""
SAMPLINGS = {
    "fifth": "{ratio: 0.2}",
    "any-1000": "{count: 1000, order: random}",
    "first-1000": "{count: 1000, order: chronological}",
    "last-1000": "{count: 1000, order: reverseChronological}",
}


def bank(folder: Path) -> Checkout:
    folder.mkdir()
    banking77.write_calls(banking77.SOURCE, folder / "calls.jsonl")
    documents = [MANIFESTS, *(dataset(name, how) for name, how in SAMPLINGS.items())]
    (folder / "bank.yaml").write_text("---\n".join(documents), encoding="utf-8")
    checkout = Checkout(folder)
    checkout.run("apply --yes --wait")
    return checkout


def dataset(name: str, sampling: str, *, more: str = "") -> str:
    return (
        "apiVersion: loopwright.dev/v1alpha1\nkind: Dataset\n"
        f"metadata: {{name: {name}}}\n"
        f"spec: {{provider: local, source: {{lake: bank}}, sampling: {sampling}{more}}}\n"
    )


def versions(checkout: Checkout) -> dict[tuple[str, int], tuple[int, str]]:
    """Rows and digest of each version."""
    return {
        (found["name"], found["version"]): (found["rows"], found["digest"])
        for found in checkout.json("dataset list")
    }


def test_shares_counts_orders_and_a_new_version(tmp_path: Path) -> None:
    first, second = bank(tmp_path / "first"), bank(tmp_path / "second")
    made = versions(first)
    assert made == versions(second)
    rows = {name: count for (name, _), (count, _) in made.items()}
    assert {rows[name] for name in SAMPLINGS if name != "fifth"} == {1_000}
    assert 1_800 < rows["fifth"] < 2_200
    assert "population  10,003" in first.run("dataset show fifth")

    with (first.folder / "bank.yaml").open("a", encoding="utf-8") as manifest:
        target = ", target: {versionOf: Dataset/any-1000}"
        manifest.write("---\n" + dataset("more", "{count: 1500, order: random}", more=target))
    first.run("apply --yes --wait")
    change = first.json("dataset diff any-1000@v1 any-1000@v2")
    assert (len(change["added"]), change["removed"]) == (500, [])

    first.run("lake compact")
    for (name, number), (_, digest) in versions(first).items():
        assert digest in first.run(f"dataset verify {name}@v{number}")
