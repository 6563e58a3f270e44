"""One HTML file that holds all of an evaluation and loads nothing.

It opens from a disk, says what matters first, and keeps working with 10,000 items: charts are
part of the page as it is written, the browser of questions reads JSON that is embedded in it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from loopwright.disk import Disk
from loopwright.evaluation.reports import charts, tables
from loopwright.evaluation.reports.items import embedded
from loopwright.evaluation.reports.markup import Markup, element, joined, safe
from loopwright.evaluation.reports.sections import Extra, Section, sections
from loopwright.evaluation.reports.words import (
    VERDICTS,
    headline,
    percent,
    rivals,
    verdict,
    when,
)
from loopwright.evaluation.results import EvaluationResult, ItemRecord

__all__ = ["Extra", "page", "write"]
_OWNER_ONLY = 0o600
"""As the records are: it shows what was asked and answered."""


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
    found = sections(result, records, extra or Extra())
    return Template(frame).substitute(
        title=safe(f"{result.subjects[0].label}: evaluation {result.name}@{result.revision}"),
        policy=_policy(script),
        style=style,
        top=_top(result),
        contents=_contents(found),
        sections=joined(section for _, _, section in found),
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
    badge = _badge(found[0][1].composite) if len(found) == 1 else Markup()
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


def _contents(found: Sequence[Section]) -> Markup:
    links = (element("a", title, href=f"#{anchor}") for anchor, title, _ in found)
    return joined(links, Markup(" "))


def _foot(result: EvaluationResult) -> Markup:
    told = ("Scores and records ", tables.value(result.digest), ". ") if result.digest else ()
    made = "Made by loopwright. This file holds everything it shows, and loads nothing."
    return element("p", *told, made)
