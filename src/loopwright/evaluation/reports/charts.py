"""Charts that need no script: drawn as SVG and as boxes whose widths are percentages.

Each has its numbers beside it or in a label, so that nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, pi, sin

from loopwright.evaluation.reports.axis_names import LINE, AxisName, Box, around
from loopwright.evaluation.reports.markup import Markup, element, joined
from loopwright.evaluation.reports.words import between, points
from loopwright.evaluation.results import Score, Subject

COLOURS = 8
"""As many as `page.css` has; a ninth subject begins anew."""
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
    names = [_axis_name(name, n, len(axes)) for n, name in enumerate(axes)]
    left, top, right, bottom = around(names, _web_box(len(axes)))
    return Markup(
        element(
            "svg",
            *_web(len(axes)),
            *reversed(shapes),
            *(name.drawn() for name in names),
            viewBox=f"{left:.0f} {top:.0f} {right - left:.0f} {bottom - top:.0f}",
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


def _web_box(axes: int) -> Box:
    """Room of the web alone: one of three axes ends above a circle of the same width."""
    bottom = max(_point(n, axes, 1)[1] for n in range(axes))
    return _MIDDLE_X - _RADIUS, _MIDDLE_Y - _RADIUS, _MIDDLE_X + _RADIUS, bottom + 4


def _axis_name(name: str, number: int, axes: int) -> AxisName:
    x, y = _point(number, axes, 1.1)
    if abs(x - _MIDDLE_X) >= 12:
        down = 14 if y > _MIDDLE_Y + 8 else 0
        return AxisName(name, x, y + down, "start" if x > _MIDDLE_X else "end")
    if y > _MIDDLE_Y:
        return AxisName(name, x, y + 14, "middle")
    above = AxisName(name, x, y, "middle")
    return AxisName(name, x, y - LINE * (len(above.lines) - 1), "middle")


def legend(subjects: Sequence[Subject]) -> Markup:
    """Which colour is whose."""
    return element(
        "p", joined(name_of(s.label, n) for n, s in enumerate(subjects)), class_="legend"
    )
