"""What `doctor` looks at: this machine, the state, and each provider's own checks."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from loopwright import __version__
from loopwright.clock import from_text
from loopwright.engine.pool import ProviderPool
from loopwright.engine.workspace import Declared, Workspace
from loopwright.errors import LoopwrightError
from loopwright.providers.base import Opinion, Severity, SupportsPreflight
from loopwright.providers.registry import provider_types


def findings(workspace: Workspace, declared: Declared) -> Iterator[Opinion]:
    """Opinions, in the order a person would check things. Changes nothing."""
    yield Opinion(Severity.OK, "loopwright", f"{__version__} on Python {platform.python_version()}")
    yield Opinion(Severity.OK, "providers", f"installed: {', '.join(provider_types())}")
    yield from _state(workspace)
    yield from _secrets(workspace, declared)
    pool = ProviderPool(
        workspace, declared.resources, workspace.state().records(), project=declared.project
    )
    try:
        for name in pool.names():
            yield from _provider(pool, name)
    finally:
        pool.close()


def _state(workspace: Workspace) -> Iterator[Opinion]:
    try:
        state = workspace.state()
        records = state.records()
        lease = state.lease()
    except LoopwrightError as error:
        yield Opinion(Severity.ERROR, "state", error.message, error.hint or "")
        return
    yield Opinion(
        Severity.OK,
        "state",
        f"environment {workspace.environment}, {len(records)} resources, serial {state.serial}",
    )
    if lease is not None:
        stale = from_text(lease.expires_at) < workspace.clock.now()
        word = "expired" if stale else "held"
        yield Opinion(
            Severity.OK if stale else Severity.WARNING,
            "lock",
            f"{word} by {lease.holder} ({lease.command}) since {lease.acquired_at}",
        )
    doubtful = [str(address) for address, record in records.items() if record.pending]
    if doubtful:
        yield Opinion(
            Severity.WARNING,
            "state",
            f"under way or in doubt: {', '.join(doubtful)}",
            "the next apply goes on with them",
        )


def _secrets(workspace: Workspace, declared: Declared) -> Iterator[Opinion]:
    """Every referenced secret can be read. Its value is not shown, nor kept."""
    for address, resource in declared.resources.items():
        credentials = getattr(resource.spec, "credentials", {})
        for name, reference in credentials.items():
            subject = f"{address} credentials.{name}"
            try:
                reference.resolve(workspace.environ, resource.base_dir)
            except LoopwrightError as error:
                yield Opinion(Severity.ERROR, subject, error.message, error.hint or "")
            else:
                yield Opinion(Severity.OK, subject, "can be read")


def _provider(pool: ProviderPool, name: str) -> Iterator[Opinion]:
    try:
        provider = pool.provider(name)
        if isinstance(provider, SupportsPreflight):
            yield from provider.preflight()
        else:
            kinds = ", ".join(sorted(provider.adapters))
            yield Opinion(Severity.OK, f"Provider/{name}", f"realises {kinds}")
    except LoopwrightError as error:
        yield Opinion(Severity.ERROR, f"Provider/{name}", error.message, error.hint or "")
