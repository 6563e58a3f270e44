"""The adapter contract as checks that any provider can be put through, by anybody, without pytest.

`run_conformance` judges, one finding a rule and kind. Nothing here knows a concrete provider, and
nothing prints.
"""

from loopwright.providers.conformance.findings import Finding, Verdict
from loopwright.providers.conformance.suite import run_conformance

__all__ = ["Finding", "Verdict", "run_conformance"]
