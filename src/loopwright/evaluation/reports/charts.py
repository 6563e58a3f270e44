"""Charts that need no script: drawn as SVG and as boxes whose widths are percentages.

Each has its numbers beside it or in a label, so that nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, pi, sin

from loopwright.evaluation.reports.markup import Markup, element, joined
from loopwright.evaluation.reports.words import between, points, signed, verdict
from loopwright.evaluation.results import Comparison, Difference, Score, Subject

COLOURS = 6
"""As many as `page.css` has; a seventh subject begins anew."""
FEWEST_AXES = 3
"""A radar of fewer capabilities is a line."""
_RADIUS, _MIDDLE_X, _MIDDLE_Y = 150.0, 220.0, 184.0


def colour(index: int) -> str:
    """Class of a subject's colour, the same in every chart."""
    return f"s{index % COLOURS}"


def name_of(label: str, index: int) -> Markup:
    """A subject's name with the mark of its colour."""
    mark = element("i", class_=f"mark {colour(index)}", aria_hidden="true")
    return element("span", mark, label, class_="subject")


def bars(rows: Sequence[tuple[str, int, Score]]) -> Markup:
    """A bar of 0-100 a row: label, place of its subject, score; a line shows the interval."""
    return element("div", *(_bar(*row) for row in rows), class_="bars")


def _bar(label: str, index: int, score: Score) -> Markup:
    low, high = score.interval.low, score.interval.high
    told = f"{label}: {points(score.score)} of 100, {between(score.interval)}"
    track = element(
        "span",
        element("i", class_=f"fill {colour(index)}", style=f"width:{score.score:.2f}%"),
        element("i", class_="span", style=f"left:{low:.2f}%;width:{max(high - low, 0.2):.2f}%"),
        class_="track",
        role="img",
        aria_label=told,
        title=told,
    )
    number = element("b", points(score.score), class_="number")
    return element("div", name_of(label, index), track, number, class_="bar")


def radar(subjects: Sequence[Subject]) -> Markup:
    """A polygon a subject over the capabilities of the first; at least three of them."""
    axes = list(subjects[0].capabilities)
    told = "; ".join(
        f"{s.label}: " + ", ".join(f"{name} {points(_at(s, name))}" for name in axes)
        for s in subjects
    )
    shapes = [_shape(subject, index, axes) for index, subject in enumerate(subjects)]
    return Markup(
        element(
            "svg",
            *_web(len(axes)),
            *reversed(shapes),
            *(_axis_name(name, n, len(axes)) for n, name in enumerate(axes)),
            viewBox=f"0 0 {2 * _MIDDLE_X:.0f} {_height(len(axes)):.0f}",
            role="img",
            aria_label=f"Scores by capability. {told}",
            class_="radar",
        )
    )


def _at(subject: Subject, capability: str) -> float:
    found = subject.capabilities.get(capability)
    return found.score if found else 0.0


def _point(number: int, axes: int, share: float) -> tuple[float, float]:
    """Where a share of an axis lies; the first axis points up."""
    angle = 2 * pi * number / axes - pi / 2
    return _MIDDLE_X + _RADIUS * share * cos(angle), _MIDDLE_Y + _RADIUS * share * sin(angle)


def _ring(shares: Sequence[float]) -> str:
    found = (_point(n, len(shares), share) for n, share in enumerate(shares))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in found)


def _web(axes: int) -> Iterator[Markup]:
    for part in (25, 50, 75, 100):
        yield element("polygon", points=_ring([part / 100] * axes), class_="ring")
    for number in range(axes):
        x, y = _point(number, axes, 1)
        yield element("line", x1=_MIDDLE_X, y1=_MIDDLE_Y, x2=x, y2=y, class_="ring")
    for part in (50, 100):
        y = _MIDDLE_Y - _RADIUS * part / 100
        yield element("text", str(part), x=_MIDDLE_X + 5, y=y + 13, class_="tick")


def _shape(subject: Subject, index: int, axes: Sequence[str]) -> Markup:
    shares = [_at(subject, name) / 100 for name in axes]
    dots = (_point(n, len(shares), share) for n, share in enumerate(shares))
    return element(
        "g",
        element("polygon", points=_ring(shares)),
        *(element("circle", cx=x, cy=y, r=4) for x, y in dots),
        class_=f"shape {colour(index)} {subject.part}",
    )


def _height(axes: int) -> float:
    """Down to the lowest axis name: a web of three ends above a circle of the same width."""
    return max(_point(n, axes, 1.1)[1] for n in range(axes)) + 22


def _axis_name(name: str, number: int, axes: int) -> Markup:
    x, y = _point(number, axes, 1.1)
    side = "middle" if abs(x - _MIDDLE_X) < 12 else "start" if x > _MIDDLE_X else "end"
    down = 14 if y > _MIDDLE_Y + 8 else 0
    shown = name if len(name) <= 16 else name[:15] + "…"
    return element(
        "text", shown, element("title", name), x=x, y=y + down, text_anchor=side, class_="axis"
    )


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


def legend(subjects: Sequence[Subject]) -> Markup:
    """Which colour is whose."""
    return element(
        "p", joined(name_of(s.label, n) for n, s in enumerate(subjects)), class_="legend"
    )
