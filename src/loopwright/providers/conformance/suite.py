"""Runs every check for every kind that a provider realises, and tells what was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from inspect import getdoc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, ValidationError

from loopwright.clock import Clock, SystemClock
from loopwright.errors import LoopwrightError
from loopwright.manifests.project import Gateway, Project
from loopwright.manifests.secrets import SecretRef
from loopwright.providers.base import ProviderContext, ProviderFactory
from loopwright.providers.conformance import creating, looking, working
from loopwright.providers.conformance.bench import Bench, Trial
from loopwright.providers.conformance.findings import Broken, Finding, Unjudged, Verdict
from loopwright.providers.conformance_samples import Samples, default_samples, sample_environ

Check = Callable[[Trial], None]

CHECKS: tuple[Check, ...] = (*creating.CHECKS, *looking.CHECKS, *working.CHECKS)


def run_conformance(
    factory: ProviderFactory,
    provider_type: str,
    *,
    connection: Mapping[str, Any],
    samples: Samples | None = None,
    kinds: Collection[str] | None = None,
    unreachable: Mapping[str, Any] | None = None,
    patience: float = 600,
    folder: Path | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    credentials: Mapping[str, SecretRef] | None = None,
) -> Iterator[Finding]:
    """Judge a provider, one finding a rule and kind, as they come; what it made is removed.

    `connection` is as in `Provider.spec.connection`, `unreachable` one under which every call
    must fail. `patience` is how many seconds an operation may take. `folder` stands for the
    project's; default: a passing one. Raises LoopwrightError when a connection is invalid.
    """
    with TemporaryDirectory(prefix="loopwright-conformance-") as passing:
        place = folder or Path(passing)
        context = ProviderContext(
            name=provider_type,
            connection=_connection(factory, provider_type, connection),
            project_dir=place,
            state_dir=place,
            clock=clock or SystemClock(),
            credentials=credentials or {},
            environ={**sample_environ(), **(environ or {})},
            # Whatever serves in a trial takes an address that is free.
            project=Project(gateway=Gateway(listen="127.0.0.1:0")),
        )
        down = unreachable and _connection(factory, provider_type, unreachable)
        bench = Bench(factory, context, samples or default_samples(), down or None, patience)
        try:
            yield from _judge_all(bench, kinds)
        finally:
            bench.close()


def _connection(
    factory: ProviderFactory, provider_type: str, settings: Mapping[str, Any]
) -> BaseModel:
    try:
        return factory.connection.model_validate(settings)
    except ValidationError as error:
        raise LoopwrightError(
            f"cannot connect to {provider_type} with these settings: {error}",
            hint="give what Provider.spec.connection allows for this type",
        ) from error


def _judge_all(bench: Bench, kinds: Collection[str] | None) -> Iterator[Finding]:
    for kind in sorted(bench.factory.capabilities):
        if kinds is None or kind in kinds:
            for check in CHECKS:
                yield _judged(check, Trial(bench, kind))


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
