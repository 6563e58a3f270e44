"""Inference datasets: named sets of calls that an Export makes, or that exist at the provider."""

from __future__ import annotations

from loopwright.resources.address import Address, Pointer
from loopwright.resources.markers import Ref
from loopwright.resources.references import Found

INFERENCE_DATASET = "InferenceDataset"
"""Not a kind: nobody declares one."""

_REF = Ref((INFERENCE_DATASET,), is_input=True, elsewhere=True)


def inference_dataset(path: tuple[str | int, ...], name: str) -> Found:
    """A field that names one: what an Export of the same manifests makes is waited for."""
    return Found(path, Pointer(Address(INFERENCE_DATASET, name)), _REF)
