"""Tables of the page: scores, what it took, where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.evaluation.reports.charts import name_of
from loopwright.evaluation.reports.markup import Markup, element, joined
from loopwright.evaluation.reports.words import FLOORS, PARTS, between, points, short
from loopwright.evaluation.results import Score, Subject

_DIGEST = re.compile(r"\b((?:sha256:)?[0-9a-f]{64}|[0-9a-f]{40})\b")
_TOOK = (
    "",
    "Questions",
    "Failed",
    "From earlier runs",
    "Tokens in",
    "Tokens out",
    "Cost",
    "Median time",
    "95 % within",
)


def scores(subjects: Sequence[Subject]) -> Markup:
    """A row a subject; a column a capability, and at the end the whole."""
    names = list(subjects[0].capabilities)
    heads = [element("th", name, scope="col") for name in names]
    heads.append(element("th", "All", scope="col", class_="total"))
    rows = [_row(s, n, names) for n, s in enumerate(subjects)]
    return _table((element("td"), *heads), rows, caption="Scores of 100 by capability")


def _row(subject: Subject, index: int, names: Sequence[str]) -> Markup:
    head = element("th", name_of(subject.label, index), scope="row")
    cells = (_cell(subject.capabilities.get(name)) for name in names)
    return element("tr", head, *cells, _cell(subject.composite, class_="total"))


def _cell(score: Score | None, class_: str | None = None) -> Markup:
    if score is None:
        return element("td", "–", class_=class_)
    low, high = points(score.interval.low), points(score.interval.high)
    told = (element("b", points(score.score)), element("small", f"{low} … {high}"))
    return element("td", *told, title=between(score.interval), class_=class_)


def _table(heads: Sequence[str], rows: Sequence[str], *, caption: str) -> Markup:
    return element(
        "div",
        element(
            "table",
            element("caption", caption, class_="unseen"),
            element("thead", element("tr", *heads)),
            element("tbody", *rows),
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def subjects_told(subjects: Sequence[Subject]) -> Markup:
    """Who answered, a line each."""
    return element(
        "ul", *(_subject(subject, n) for n, subject in enumerate(subjects)), class_="who"
    )


def _subject(subject: Subject, index: int) -> Markup:
    facts = [FLOORS.get(subject.label, ""), PARTS[subject.part]]
    facts += [f"behind Endpoint/{subject.endpoint}"] if subject.endpoint else []
    told = element("span", "; ".join(filter(None, facts)))
    digest = element("span", value(subject.digest)) if subject.digest else ""
    return element("li", name_of(subject.label, index), told, digest)


def cost(subjects: Sequence[Subject]) -> Markup:
    """What the answers took: tokens, money, time; only of those who were asked."""
    rows = [_cost(s, n) for n, s in enumerate(subjects) if s.endpoint or s.input_tokens]
    if not rows:
        return Markup()
    return _table(
        [element("th", head, scope="col") for head in _TOOK], rows, caption="What the answers took"
    )


def _cost(subject: Subject, index: int) -> Markup:
    score = subject.composite
    cells = (
        f"{score.items:,}" if score else "–",
        f"{score.failed:,}" if score else "–",
        f"{subject.cached:,}",
        f"{subject.input_tokens:,}",
        f"{subject.output_tokens:,}",
        "–" if subject.cost is None else f"{subject.cost:,.4f}",
        duration(subject.seconds.get("p50")),
        duration(subject.seconds.get("p95")),
    )
    head = element("th", name_of(subject.label, index), scope="row")
    return element("tr", head, *(element("td", cell) for cell in cells))


def duration(seconds: float | None) -> str:
    """`41 ms`, `2.3 s`."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def chain(lineage: Mapping[str, Any], subject: Subject) -> Markup:
    """From what was a model made: base and dataset, the job, the model; nothing when unknown."""
    job = lineage.get("job")
    if not isinstance(job, Mapping) or "job" not in job:
        return Markup()
    told = {
        "base model": str(lineage.get("base", "")).partition(" (")[0],
        "dataset version": str(job.get("dataset", "")),
        "fine-tune job": f"{job['job']}@{job['revision']}" if "revision" in job else job["job"],
        "model": subject.label,
    }
    beside = "beside-base" if told["base model"] else None
    steps = (
        element(
            "li",
            element("small", what),
            element("b", name),
            class_=beside if what == "dataset version" else None,
        )
        for what, name in told.items()
        if name
    )
    return element("ol", *steps, class_="chain")


def facts(found: Mapping[str, Any]) -> Markup:
    """Facts by name; a fact of several parts is a list of its own."""
    rows = (
        joined((element("dt", spoken(name)), element("dd", value(fact))))
        for name, fact in found.items()
        if fact not in (None, "", {}, [])
    )
    return element("dl", *rows, class_="facts")


def spoken(name: str) -> str:
    """`learningRate` and `learning_rate` as `learning rate`; names with other signs as they are."""
    if not name.replace("_", "").isalnum() or not name.isascii():
        return name
    spaced = "".join(
        f" {sign.lower()}" if sign.isupper() and before.islower() else sign
        for before, sign in zip(" " + name, name, strict=False)
    )
    return spaced.replace("_", " ")


def value(fact: Any) -> Markup:
    """A fact: a digest in short with the whole of it on hover, parts as a list, text as it is."""
    if isinstance(fact, Mapping):
        return facts(fact)
    if isinstance(fact, list | tuple):
        return joined((value(one) for one in fact), ", ")
    if isinstance(fact, float):
        return joined([f"{fact:g}"])
    pieces = _DIGEST.split(str(fact))
    return joined(_code(piece) if place % 2 else piece for place, piece in enumerate(pieces))


def _code(digest: str) -> Markup:
    return element("code", short(digest), title=digest)
