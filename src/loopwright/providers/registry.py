"""Finds providers by entry point (`loopwright.providers`), without importing their drivers."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib.metadata import entry_points

from loopwright.errors import PlanError
from loopwright.providers.base import ProviderFactory

GROUP = "loopwright.providers"


@cache
def provider_types() -> tuple[str, ...]:
    """Names of the installed provider types, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


@cache
def factory(provider_type: str) -> ProviderFactory:
    """The factory of a provider type. Raises PlanError naming the installed ones."""
    for point in entry_points(group=GROUP, name=provider_type):
        try:
            found: ProviderFactory = point.load()
        except ImportError as error:
            raise PlanError(
                f"the provider type {provider_type!r} cannot be loaded: {error}",
                hint="install what it needs, or remove the package that offers it",
            ) from error
        return found
    raise PlanError(
        f"there is no provider of type {provider_type!r}",
        hint=f"installed: {', '.join(provider_types())}",
    )


def types_realising(kind: str) -> tuple[str, ...]:
    """The installed provider types that have an adapter for a kind."""
    return tuple(name for name in provider_types() if kind in _kinds_of(name))


def _kinds_of(provider_type: str) -> Collection[str]:
    """What a type realises; nothing where a broken package offers it."""
    try:
        return factory(provider_type).capabilities
    except PlanError:
        return ()
