"""The loss curve of a run as one SVG: training and validation loss over steps.

Follows the reader's light or dark scheme, and needs nothing but this file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from loopwright.tuning.progress import Point, read_points

_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 48
_MOST_POINTS = 600
_WIDE, _MOST_TICKS = 10.0, 8
_STYLE = """
svg{font:13px system-ui,sans-serif;--ink:#1f2328;--faint:#59636e;--grid:#d1d9e0;--train:#0969da;
--held:#bc4c00;background:#fff}
@media(prefers-color-scheme:dark){svg{--ink:#f0f6fc;--faint:#9198a1;--grid:#3d444d;--train:#4493f8;
--held:#f0883e;background:#0d1117}}
text{fill:var(--faint)}.title{fill:var(--ink);font-weight:600}
.grid{stroke:var(--grid)}.train{stroke:var(--train)}.held{stroke:var(--held)}
.train,.held{fill:none;stroke-width:2;stroke-linejoin:round}
.dot{fill:var(--held)}.key-train{fill:var(--train)}.key-held{fill:var(--held)}
"""

Pair = tuple[float, float]


def write_curve(metrics: Path, target: Path) -> None:
    """Draw the run of a metrics file, when it has come to a first loss."""
    points = read_points(metrics)
    if any(point.loss is not None for point in points):
        target.write_text(draw(points), encoding="utf-8")


def draw(points: Sequence[Point], *, title: str = "Loss") -> str:
    """An SVG document. Losses that are no finite numbers are left out."""
    train = _thinned(_pairs(points, "loss"))
    held = _pairs(points, "validation_loss")
    xs = [x for x, _ in train + held] or [0.0, 1.0]
    ys = [y for _, y in train + held] or [0.0, 1.0]
    scale = _Scale((0.0, max(*xs, 1.0)), ys)
    parts = [*_axes(scale), *_lines(train, held, scale), *_legend(title, train, held)]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{_summary(title, train, held)}">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


class _Scale:
    """From data to places in the picture.

    Losses that fall by more than a power of ten are drawn on a logarithmic axis: on another one
    the first steps take all the room, and how the run ends cannot be seen.
    """

    def __init__(self, x: Pair, losses: Sequence[float]) -> None:
        self.x = x
        self.is_log = 0 < _WIDE * min(losses) < max(losses)
        self.y = (min(losses), max(losses)) if self.is_log else _bounds(losses)

    @property
    def y_ticks(self) -> list[float]:
        """Round numbers on the axis of losses."""
        return log_ticks(*self.y) if self.is_log else ticks(*self.y)

    def at(self, x: float, y: float) -> Pair:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        low, high, value = map(math.log, (*self.y, y)) if self.is_log else (*self.y, y)
        up = (value - low) / (high - low)
        return (
            round(_LEFT + across * (_WIDTH - _LEFT - _RIGHT), 1),
            round(_HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM), 1),
        )


def _pairs(points: Iterable[Point], name: str) -> list[Pair]:
    found = [(float(point.step), getattr(point, name)) for point in points]
    return [(x, y) for x, y in found if y is not None and math.isfinite(y)]


def _thinned(pairs: list[Pair]) -> list[Pair]:
    """At most a few hundred points, each the mean of its neighbours, so that none is hidden."""
    size = math.ceil(len(pairs) / _MOST_POINTS) or 1
    groups = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _bounds(values: Sequence[float]) -> Pair:
    """From zero where the losses come near it, to a little above the highest."""
    low, high = min(values), max(values)
    if low < 0.4 * high:
        low = min(0.0, low)
    return (low, high) if high > low else (low, low + 1.0)


def ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * many for many in (1, 2, 5, 10) if power * many >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten from `low` to `high`; only the powers where that is many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1,)):
        every = [many * 10.0**power for power in range(first, last + 1) for many in steps]
        found = [float(f"{one:.6g}") for one in every if low <= one <= high]
        if len(found) <= _MOST_TICKS:
            return found
    return found[:: math.ceil(len(found) / _MOST_TICKS)]


def _axes(scale: _Scale) -> Iterable[str]:
    for y in scale.y_ticks:
        left, height = scale.at(scale.x[0], y)
        yield f'<line class="grid" x1="{left}" x2="{_WIDTH - _RIGHT}" y1="{height}" y2="{height}"/>'
        yield f'<text x="{left - 8}" y="{height + 4}" text-anchor="end">{y:g}</text>'
    floor = _HEIGHT - _BOTTOM
    for x in ticks(*scale.x):
        place, _ = scale.at(x, scale.y[0])
        yield f'<line class="grid" x1="{place}" x2="{place}" y1="{floor}" y2="{floor + 5}"/>'
        yield f'<text x="{place}" y="{floor + 20}" text-anchor="middle">{x:,g}</text>'
    yield f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">step</text>'
    if scale.is_log:
        yield f'<text x="8" y="{_HEIGHT - 8}">logarithmic</text>'


def _lines(train: Sequence[Pair], held: Sequence[Pair], scale: _Scale) -> Iterable[str]:
    for name, pairs in (("train", train), ("held", held)):
        places = " ".join(f"{x},{y}" for x, y in (scale.at(*pair) for pair in pairs))
        if places:
            yield f'<polyline class="{name}" points="{places}"/>'
    for pair in held:
        x, y = scale.at(*pair)
        yield f'<circle class="dot" cx="{x}" cy="{y}" r="3"><title>{pair[1]:.4g}</title></circle>'


def _legend(title: str, train: Sequence[Pair], held: Sequence[Pair]) -> Iterable[str]:
    yield f'<text class="title" x="{_LEFT}" y="22">{_escaped(title)}</text>'
    right = _WIDTH - _RIGHT
    for name, label, pairs in (("held", "validation", held), ("train", "training", train)):
        if pairs:
            text = f"{label} {pairs[-1][1]:.4g}"
            yield f'<text x="{right}" y="22" text-anchor="end">{text}</text>'
            right -= 7 * len(text) + 8
            yield f'<circle class="key-{name}" cx="{right}" cy="18" r="4"/>'
            right -= 16


def _summary(title: str, train: Sequence[Pair], held: Sequence[Pair]) -> str:
    said = [_escaped(title)]
    for label, pairs in (("training", train), ("validation", held)):
        if pairs:
            said.append(f"{label} from {pairs[0][1]:.3g} to {pairs[-1][1]:.3g}")
    return ", ".join(said)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
