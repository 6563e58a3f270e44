"""Runs every check for every kind that a provider realises, and tells what was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from inspect import getdoc

from pydantic import BaseModel

from loopwright.providers.base import ProviderContext, ProviderFactory
from loopwright.providers.conformance import creating, looking, working
from loopwright.providers.conformance.bench import Bench, Trial
from loopwright.providers.conformance.findings import Broken, Finding, Unjudged, Verdict
from loopwright.providers.conformance.samples import Samples, default_samples

Check = Callable[[Trial], None]

CHECKS: tuple[Check, ...] = (*creating.CHECKS, *looking.CHECKS, *working.CHECKS)


def run_conformance(
    factory: ProviderFactory,
    context: ProviderContext,
    *,
    samples: Samples | None = None,
    kinds: Collection[str] | None = None,
    unreachable: BaseModel | None = None,
    patience: float = 600,
) -> Iterator[Finding]:
    """Judge a provider, one finding a rule and kind, as they come; what it made is removed.

    `unreachable` is a connection under which every call must fail. `patience` is how many
    seconds of the context's clock an operation may take. Objects that outlive the provider
    value are needed: it is built anew in between.
    """
    bench = Bench(factory, context, samples or default_samples(), unreachable, patience)
    try:
        for kind in sorted(factory.capabilities):
            if kinds is None or kind in kinds:
                for check in CHECKS:
                    yield _judged(check, Trial(bench, kind))
    finally:
        bench.close()


def _judged(check: Check, trial: Trial) -> Finding:
    verdict, message = Verdict.PASSED, ""
    try:
        check(trial)
    except Unjudged as reason:
        verdict, message = Verdict.SKIPPED, str(reason)
    except Broken as fault:
        verdict, message = Verdict.FAILED, str(fault)
    except Exception as error:  # an adapter may raise anything, and that is a finding too
        verdict, message = Verdict.FAILED, f"{type(error).__name__}: {error}"
    finally:
        trial.clean()
    name = check.__name__.replace("_", "-")
    return Finding(name, trial.kind, verdict, getdoc(check) or "", message)
