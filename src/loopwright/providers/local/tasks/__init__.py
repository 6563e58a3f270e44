"""What jobs do, one module a task; imported in the child, where the data plane is loaded.

A task may be killed at any point and is then run again from the start with the same arguments:
what it does twice must come out once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task made."""

    external_id: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""


def run_of(task: str) -> Callable[[Work], Outcome]:
    """What a task does: `run` of the module that it names."""
    run: Callable[[Work], Outcome] = import_module(task).run
    return run
