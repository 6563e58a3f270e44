"""Finds kinds: one module of this package a kind, named after it (`fine_tune_job.py`).

A kind is imported when it is first asked for, so a run pays only for the kinds it uses.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import loopwright.resources as package
from loopwright.resources.base import Resource

_NOT_KINDS = frozenset(
    {
        "address",
        "base",
        "dataset_filter",
        "durations",
        "explain",
        "inference",
        "markers",
        "references",
        "registry",
        "request_parameters",
        "rules",
        "schema",
        "suite_dataset",
    }
)


@cache
def kinds() -> tuple[str, ...]:
    """Names of all kinds, sorted."""
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(_kind_of(name) for name in names if name not in _NOT_KINDS))


@cache
def resource_class(kind: str) -> type[Resource]:
    """The class of a kind. Raises KeyError when there is none."""
    if kind not in kinds():
        raise KeyError(kind)
    module = importlib.import_module(f"{package.__name__}.{_module_of(kind)}")
    found: type[Resource] = getattr(module, kind)
    return found


def _kind_of(module: str) -> str:
    return "".join(part.capitalize() for part in module.split("_"))


def _module_of(kind: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind).lstrip("_")
