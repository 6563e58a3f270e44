"""Metrics of a run: what is appended is what is read, whatever a kill tore off."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.tuning.curve import draw, log_ticks, ticks
from loopwright.tuning.progress import MetricsFile, Point, Progress, Tail, read_points


def _points(count: int) -> list[Point]:
    return [
        Point(step, 100, step / 50, 10 * step, 0.5 * step, loss=3.0 / step, tokens_per_second=20.0)
        for step in range(1, count + 1)
    ]


def _written(path: Path, points: list[Point]) -> MetricsFile:
    metrics = MetricsFile(path)
    for point in points:
        metrics.add(point)
    return metrics


@given(cut=st.integers(0, 400))
def test_a_torn_last_line_costs_that_line_only(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "metrics.jsonl"
    _written(path, _points(4))
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    lines = whole[:cut].count(b"\n")
    assert Tail(path).read().step == lines
    assert len(read_points(path)) in (lines, lines + 1)  # the last may be whole but for its end


def test_progress_has_the_newest_of_each_and_the_time_left(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path)
    assert tail.read() == Progress()
    metrics = _written(path, _points(10))
    metrics.add(Point(10, 100, 0.2, 100, 5.0, validation_loss=0.7))
    progress = tail.read()
    assert (progress.step, progress.loss, progress.validation_loss) == (10, 0.3, 0.7)
    assert progress.eta_seconds == 90 * 0.5
    assert progress.note == "loss 0.300, validation 0.700, 20 tokens/s"


def test_a_run_taken_up_again_takes_back_what_it_will_write_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = _written(path, _points(10))
    metrics.add(Point(10, 100, phase="saving"))
    last = metrics.rewind(6)
    assert last is not None
    assert last.step == 6
    assert [point.step for point in read_points(path)] == [1, 2, 3, 4, 5, 6]
    assert metrics.rewind(0) is None


def test_the_curve_is_a_picture_with_both_lines_inside_its_frame() -> None:
    points = [*_points(80), Point(80, 100, validation_loss=0.5), Point(90, 100, loss=float("nan"))]
    root = ET.fromstring(draw(points, title="Loss of <router> & co"))
    box = [float(number) for number in root.attrib["viewBox"].split()]
    lines = {one.attrib["class"]: one for one in root.iter("{http://www.w3.org/2000/svg}polyline")}
    assert set(lines) == {"train", "held"}
    for line in lines.values():
        for pair in line.attrib["points"].split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= box[2]
            assert 0 <= y <= box[3]
    assert len(lines["train"].attrib["points"].split()) == 80  # what is no number is left out


def test_the_end_of_a_run_can_be_seen_though_it_began_high() -> None:
    """From 10 to 0.05 within the first steps: what follows must not lie flat on the floor."""
    falling = [10.0, 4.0, 1.0, *(0.2 * 0.97**step for step in range(47))]
    points = [Point(step, 50, loss=loss) for step, loss in enumerate(falling, start=1)]
    root = ET.fromstring(draw(points))
    (line,) = root.iter("{http://www.w3.org/2000/svg}polyline")
    heights = [float(pair.split(",")[1]) for pair in line.attrib["points"].split()]
    assert heights == sorted(heights)
    assert heights[-1] - heights[3] > 0.2 * (heights[-1] - heights[0])
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"logarithmic", "0.1", "1", "10"} <= set(texts)
    level = [Point(step, 50, loss=2.0 - step / 50) for step in range(1, 51)]
    assert "logarithmic" not in draw(level)


@given(low=st.floats(1e-9, 1e3), times=st.floats(10.5, 1e9))
def test_ticks_of_a_logarithmic_axis_are_few_and_inside(low: float, times: float) -> None:
    found = log_ticks(low, low * times)
    assert 1 <= len(found) <= 8
    assert found == sorted(found)
    assert all(low * (1 - 1e-5) <= tick <= low * times * (1 + 1e-5) for tick in found)


@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
)
def test_ticks_are_few_round_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 7
    slack = span * 1e-6
    assert all(low - slack <= tick <= low + span + slack for tick in found)
