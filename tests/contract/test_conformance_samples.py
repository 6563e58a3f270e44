"""Samples: the shipped ones cover every kind, and anybody's own are read from manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.errors import LoopwrightError
from loopwright.providers.conformance_samples import default_samples, read_samples
from loopwright.resources.address import Address
from loopwright.resources.registry import kinds

OWN = """
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: mine, annotations: {loopwright.dev/edit: "visibilityDelay: 1m"}}
spec: {provider: p, storage: "folder/{name}"}
"""


def test_every_kind_has_a_shipped_sample_whose_references_are_samples_too() -> None:
    samples = default_samples()
    assert set(kinds()) - {"Provider"} == {address.kind for address in samples}
    named = {
        found.pointer.address
        for sample in samples.values()
        for found in sample.resource.references()
        if found.pointer.address.kind != "Provider"
    }
    assert named <= samples.keys()


def test_a_sample_takes_the_name_at_hand_and_its_edit(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    sample = read_samples(tmp_path / "own.yaml")[Address("Lake", "mine")]
    assert sample.base_dir == tmp_path
    assert sample.named("x-1").desired()["storage"] == "folder/x-1"
    plain, edited = sample.named("x").desired(), sample.named("x", edited=True).desired()
    assert edited == {**plain, "visibilityDelay": "1m"}


@pytest.mark.parametrize(
    "text",
    ["kind: [", "kind: Lak", "[1, 2]", OWN.replace("1m", "soon"), OWN.replace("spec:", "spek:")],
)
def test_what_is_no_sample_is_refused_by_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(LoopwrightError, match=r"own\.yaml"):
        read_samples(tmp_path / "own.yaml")


def test_a_missing_file_of_samples_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoopwrightError, match="none"):
        read_samples(tmp_path / "none.yaml")
