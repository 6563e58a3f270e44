"""The adapter contract as checks that any provider can be put through, by anybody, without pytest.

`run_conformance` judges; `default_samples` gives it something to make of each kind. Nothing here
knows a concrete provider, and nothing prints.
"""

from loopwright.providers.conformance.findings import Finding, Verdict
from loopwright.providers.conformance.samples import (
    Sample,
    default_samples,
    sample_environ,
    samples_from,
)
from loopwright.providers.conformance.suite import CHECKS, run_conformance

__all__ = [
    "CHECKS",
    "Finding",
    "Sample",
    "Verdict",
    "default_samples",
    "run_conformance",
    "sample_environ",
    "samples_from",
]
