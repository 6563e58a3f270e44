"""Differences paired by question, with their intervals on one scale: a forest plot in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

from loopwright.evaluation.reports.markup import Markup, element
from loopwright.evaluation.reports.words import between, signed, verdict
from loopwright.evaluation.results import Comparison, Difference


@dataclass(frozen=True, slots=True)
class Scale:
    """Points to percentages of a width; always holds zero."""

    low: float
    high: float

    @classmethod
    def over(cls, differences: Sequence[Difference]) -> Scale:
        low = min([0.0, *(d.interval.low for d in differences)])
        high = max([0.0, *(d.interval.high for d in differences)])
        step = 10 if high - low > 20 else 2
        return cls(floor((low - 0.5) / step) * step, ceil((high + 0.5) / step) * step)

    def at(self, value: float) -> float:
        return 100 * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Zero and the ends, without an end that would stand on zero's toes."""
        return [0.0, *(end for end in (self.low, self.high) if abs(self.at(end) - self.at(0)) > 14)]


def forest(comparison: Comparison) -> Markup:
    """Differences with their intervals on one scale: all, each capability, each dataset."""
    rows = _forest_rows(comparison)
    scale = Scale.over([difference for _, _, difference in rows])
    ticks = (_tick(scale, value) for value in sorted(scale.ticks()))
    axis = element("span", *ticks, class_="ticks", aria_hidden="true")
    foot = element("tr", element("td"), element("td", axis), element("td"), element("td"))
    heads = ("", "Difference", "Points", "Better / same / worse")
    return element(
        "table",
        element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
        element("tbody", *(_forest_row(*row, scale) for row in rows), foot),
        class_="forest",
    )


def _tick(scale: Scale, value: float) -> Markup:
    """A number under the axis; at the ends it stays within."""
    at = scale.at(value)
    place = "start" if at < 5 else "end" if at > 95 else None
    whole = signed(value).removesuffix(".0")
    return element("i", whole, class_=place, style=f"left:{at:.2f}%")


def _forest_rows(comparison: Comparison) -> list[tuple[str, str, Difference]]:
    """Name, level and difference; a capability of one dataset is told once."""
    rows = [("All", "all", comparison.composite)]
    for capability, difference in comparison.capabilities.items():
        rows.append((capability, "capability", difference))
        own = _datasets_of(capability, comparison.datasets)
        if len(own) > 1:
            rows += [(name, "dataset", found) for name, found in own.items()]
    return rows


def _datasets_of(capability: str, datasets: Mapping[str, Difference]) -> dict[str, Difference]:
    start = f"{capability}/"
    return {
        name.removeprefix(start): found
        for name, found in datasets.items()
        if name.startswith(start)
    }


def _forest_row(name: str, level: str, difference: Difference, scale: Scale) -> Markup:
    low, high = difference.interval.low, difference.interval.high
    told = f"{name}: {signed(difference.difference)} points, {between(difference.interval)}"
    left, right = scale.at(low), scale.at(high)
    plot = element(
        "span",
        element("i", class_="zero", style=f"left:{scale.at(0):.2f}%"),
        element("i", class_="reach", style=f"left:{left:.2f}%;width:{right - left:.2f}%"),
        element("i", class_="dot", style=f"left:{scale.at(difference.difference):.2f}%"),
        class_=f"plot {verdict(difference)}",
        role="img",
        aria_label=told,
        title=told,
    )
    numbers = element(
        "span",
        element("b", signed(difference.difference)),
        element("small", f"{signed(low)} … {signed(high)}"),
        class_="numbers",
    )
    return element(
        "tr",
        element("th", name, scope="row"),
        element("td", plot),
        element("td", numbers),
        element("td", outcomes(difference)),
        class_=level,
    )


def outcomes(difference: Difference) -> Markup:
    """How many questions it answered better, alike and worse, as three boxes and in numbers."""
    counts = (difference.wins, difference.ties, difference.losses)
    boxes = (
        element("i", class_=kind, style=f"flex-grow:{count}")
        for kind, count in zip(("win", "tie", "loss"), counts, strict=True)
        if count
    )
    told = element("small", " / ".join(f"{count:,}" for count in counts))
    return element(
        "span", element("span", *boxes, class_="split", aria_hidden="true"), told, class_="outcomes"
    )
