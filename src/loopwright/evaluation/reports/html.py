"""One HTML file that holds all of an evaluation and loads nothing.

It opens from a disk, says what matters first, and keeps working with 10,000 items: charts are
part of the page as it is written, the browser of questions reads JSON that is embedded in it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from loopwright.disk import Disk
from loopwright.evaluation.reports import charts, tables
from loopwright.evaluation.reports.items import embedded
from loopwright.evaluation.reports.markup import Markup, element, joined, safe
from loopwright.evaluation.reports.words import (
    VERDICTS,
    counted,
    headline,
    percent,
    rivals,
    score_in,
    verdict,
    when,
)
from loopwright.evaluation.results import EvaluationResult, ItemRecord, Part, Subject

_OWNER_ONLY = 0o600
"""As the records are: it shows what was asked and answered."""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a report tells beside the result."""

    loss_curve: str = ""
    """SVG of the training that made the evaluated model."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """More for `What it took`, by name."""
    again: Sequence[str] = ()
    """Commands that make the report again; without them, those of the run."""


def write(
    result: EvaluationResult,
    records: Sequence[ItemRecord],
    path: Path,
    *,
    extra: Extra | None = None,
) -> None:
    """Write the page to a file, whole or not at all. Raises OSError."""
    Disk().write_atomic(path, page(result, records, extra=extra).encode(), mode=_OWNER_ONLY)


def page(
    result: EvaluationResult, records: Sequence[ItemRecord], *, extra: Extra | None = None
) -> str:
    """The page as text."""
    folder = files("loopwright.evaluation.reports")
    style, script, frame = (
        folder.joinpath(name).read_text(encoding="utf-8")
        for name in ("page.css", "page.js", "page.html")
    )
    sections = _sections(result, records, extra or Extra())
    return Template(frame).substitute(
        title=safe(f"{result.subjects[0].label}: evaluation {result.name}@{result.revision}"),
        policy=_policy(script),
        style=style,
        top=_top(result),
        contents=_contents(sections),
        sections=joined(section for _, _, section in sections),
        foot=_foot(result),
        data=embedded(result, records),
        script=script,
    )


def _policy(script: str) -> str:
    """Nothing is loaded, and no script runs but the page's own."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _top(result: EvaluationResult) -> Markup:
    first, *others = headline(result)
    facts = [f"EvalRun/{result.name}@{result.revision}", f"EvalSuite/{result.suite}"]
    facts += [when(result.finished_at)] if result.finished_at else []
    found = rivals(result)
    badge = _badge(found[0][1].composite) if found else Markup()
    rows = [(s.label, n, s.composite) for n, s in enumerate(result.subjects)]
    return joined(
        (
            element("p", " · ".join(facts), class_="eyebrow"),
            element("h1", first),
            element("p", joined((badge, " ".join(others)), " "), class_="lead"),
            charts.bars([(label, n, score) for label, n, score in rows if score]),
            element(
                "p", f"Points of 100. Lines: {percent(result.confidence)} intervals.", class_="hint"
            ),
        )
    )


def _badge(difference: Any) -> Markup:
    found = verdict(difference)
    sign = {"better": "▲ ", "worse": "▼ ", "unclear": "≈ "}[found]
    return element("strong", sign + VERDICTS[found], class_=f"badge {found}")


Section = tuple[str, str, Markup]
"""Anchor, title, the section itself."""


def _sections(
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


def _contents(sections: Sequence[Section]) -> Markup:
    links = (element("a", title, href=f"#{anchor}") for anchor, title, _ in sections)
    return joined(links, Markup(" "))


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
            element("div", charts.forest(c), class_="scroll"),
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


def _foot(result: EvaluationResult) -> Markup:
    told = ("Scores and records ", tables.value(result.digest), ". ") if result.digest else ()
    made = "Made by loopwright. This file holds everything it shows, and loads nothing."
    return element("p", *told, made)
