"""What tokens cost at whoever answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens; 0 where nothing is said."""

    currency: str = ""
    input_per_million: float = 0.0
    output_per_million: float = 0.0

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """As `Provider.spec.prices` says them."""
        return cls(
            str(said.get("currency", "")),
            float(said.get("inputPerMillionTokens", 0)),
            float(said.get("outputPerMillionTokens", 0)),
        )

    @property
    def are_said(self) -> bool:
        """Whether anything costs anything, as far as is known."""
        return bool(self.input_per_million or self.output_per_million)

    def cost(self, input_tokens: float, output_tokens: float) -> float:
        """In the currency of the prices."""
        paid = input_tokens * self.input_per_million + output_tokens * self.output_per_million
        return paid / _MILLION
