"""Parameters that a manifest puts into requests, less those that are not its to say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def all_but(names: Iterable[str], *, decided_by: str) -> AfterValidator:
    """Refuses parameters of these names: `decided_by` says whose they are, e.g. `the batch`."""
    ours = frozenset(names)

    def check(parameters: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(ours & parameters.keys()):
            told = {"taken": ", ".join(taken), "whose": decided_by}
            raise PydanticCustomError(
                "parameters", "cannot say {taken}: {whose} decides that", told
            )
        return parameters

    return AfterValidator(check)
