"""The sections of the page, in the order they are read."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopwright.evaluation.reports import charts, tables
from loopwright.evaluation.reports.forest import forest
from loopwright.evaluation.reports.markup import Markup, element, joined
from loopwright.evaluation.reports.words import counted, percent, score_in
from loopwright.evaluation.results import EvaluationResult, ItemRecord, Part, Subject


@dataclass(frozen=True, slots=True)
class Extra:
    """What a report tells beside the result."""

    loss_curve: str = ""
    """SVG of the training that made the evaluated model."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """More for `What it took`, by name."""
    again: Sequence[str] = ()
    """Commands that make the report again; without them, those of the run."""


Section = tuple[str, str, Markup]
"""Anchor, title, the section itself."""


def sections(
    result: EvaluationResult, records: Sequence[ItemRecord], extra: Extra
) -> list[Section]:
    parts: list[tuple[str, str, Markup]] = [
        ("compared", "What was compared", _compared(result)),
        ("capabilities", "By capability", _capabilities(result)),
        ("datasets", "By dataset", _datasets(result)),
        ("differences", "Question by question", _differences(result)),
        ("items", "Questions and answers", _browser(records)),
        ("training", "How it was trained", _training(extra)),
        ("cost", "What it took", _cost(result, extra)),
        ("lineage", "Where it comes from", _lineage(result, extra)),
    ]
    return [
        (anchor, title, element("section", element("h2", title), body, id=anchor))
        for anchor, title, body in parts
        if body
    ]


def _said(*sentences: str) -> Markup:
    return element("p", " ".join(sentences), class_="said")


def _compared(result: EvaluationResult) -> Markup:
    items = result.subjects[0].composite.items if result.subjects[0].composite else 0
    told = _said(
        f"Each of these answered the same {counted(items, 'question')} of the suite"
        f" {result.suite}; an answer earns 0 to 100 points.",
        "The score of a dataset is the mean over its questions, of a capability the weighted mean"
        " of its datasets, and the whole the mean of the capabilities.",
        "The questions are a sample of all that could be asked, so each score has an interval:"
        f" with {percent(result.confidence)} confidence, the score over all such questions lies"
        " within it.",
    )
    floor = _said(
        "What needs no model is the least to expect: a model that is not clearly above it has"
        " learned nothing that looking up would not give.",
    )
    has_floor = any(subject.part == Part.FLOOR for subject in result.subjects)
    notes = element("ul", *(element("li", note) for note in result.notes), class_="notes")
    return joined(
        (
            told,
            tables.subjects_told(result.subjects),
            floor if has_floor else "",
            notes if result.notes else "",
        )
    )


def _capabilities(result: EvaluationResult) -> Markup:
    subjects = result.subjects
    if len(subjects[0].capabilities) < charts.FEWEST_AXES:
        groups = (_capability_bars(name, subjects) for name in subjects[0].capabilities)
        return joined((element("div", *groups, class_="groups"), tables.scores(subjects)))
    drawn = element("figure", charts.radar(subjects), charts.legend(subjects))
    return element("div", drawn, tables.scores(subjects), class_="beside")


def _capability_bars(name: str, subjects: Sequence[Subject]) -> Markup:
    rows = [
        (s.label, n, s.capabilities[name]) for n, s in enumerate(subjects) if name in s.capabilities
    ]
    return element("div", element("h3", name), charts.bars(rows), class_="group")


def _datasets(result: EvaluationResult) -> Markup:
    groups = []
    for entry in result.subjects[0].datasets:
        rows = [
            (subject.label, n, score)
            for n, subject in enumerate(result.subjects)
            if (score := score_in(subject, entry))
        ]
        weight = f" · weight {entry.weight:g}" if entry.weight != 1 else ""
        told = f"{counted(entry.score.items, 'question')} · {entry.method}{weight}"
        name = element("h3", element("span", entry.capability + " / ", class_="dim"), entry.dataset)
        failed = entry.score.failed
        short = element("p", f"{failed:,} without an answer", class_="warn") if failed else ""
        about = element("p", told, class_="hint")
        groups.append(element("div", name, about, short, charts.bars(rows), class_="group"))
    return element("div", *groups, class_="groups")


def _differences(result: EvaluationResult) -> Markup:
    if not result.comparisons:
        return Markup()
    label = result.subjects[0].label
    told = _said(
        f"On each question, the points of {label} less those of the other.",
        "As both had the same questions, this tells more than two scores side by side.",
        "A line that does not touch zero is a clear difference.",
    )
    parts = {subject.label: subject.part for subject in result.subjects}
    against = [
        element(
            "details",
            element("summary", f"against {c.other}"),
            element("div", forest(c), class_="scroll"),
            open=parts.get(c.other) != Part.FLOOR or len(result.comparisons) == 1,
        )
        for c in result.comparisons
    ]
    return joined((told, *against))


def _browser(records: Sequence[ItemRecord]) -> Markup:
    """Where the script puts the questions."""
    if not records:
        return Markup()
    without = element("p", "Looking through the questions needs JavaScript; all else does not.")
    return joined(
        (element("noscript", without), element("div", id="browser", class_="browser", hidden=True))
    )


def _training(extra: Extra) -> Markup:
    if not extra.loss_curve:
        return Markup()
    # As an image its content can run nothing, and its colours follow the scheme by themselves.
    data = base64.b64encode(extra.loss_curve.encode()).decode()
    drawn = element(
        "img", src=f"data:image/svg+xml;base64,{data}", alt="Loss over the steps of the training"
    )
    return element("figure", drawn, class_="curve")


def _cost(result: EvaluationResult, extra: Extra) -> Markup:
    table = tables.cost(result.subjects)
    return joined((table, tables.facts(extra.facts) if extra.facts else ""))


def _lineage(result: EvaluationResult, extra: Extra) -> Markup:
    run = f"EvalRun/{result.name}"
    again = extra.again or (
        f"loopwright eval report {run}@{result.revision} --format html",
        f"loopwright apply --replace {run}",
    )
    told = _said(
        "The first command writes this page again from what is kept, the second asks all"
        " questions anew."
    )
    commands = element("pre", "\n".join(again), tabindex="0")
    return joined(
        (
            tables.chain(result.lineage, result.subjects[0]),
            tables.facts(result.lineage),
            element("h3", "How to make it again"),
            "" if extra.again else told,
            commands,
        )
    )
