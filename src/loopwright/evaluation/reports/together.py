"""Several evaluations as one: the questions they share, everybody's answers, compared in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loopwright.errors import EvaluationError
from loopwright.evaluation.reports.words import counted
from loopwright.evaluation.results import (
    Comparison,
    DatasetScore,
    EvaluationResult,
    ItemRecord,
    Part,
    Subject,
)
from loopwright.evaluation.statistics import Key, Standing

Loaded = tuple[EvaluationResult, Sequence[ItemRecord]]
Place = tuple[str, str, str]
"""Capability, dataset and id of an item."""


@dataclass(frozen=True, slots=True)
class _Seat:
    """A subject in the joint report, and where its answers are."""

    subject: Subject
    run: int
    label: str
    """As its own run calls it."""


def together(loaded: Sequence[Loaded]) -> Loaded:
    """One result over the items that all have; the first run's model is the evaluated one.

    Scores and intervals are computed anew on those items. A subject that several runs had (same
    label, same model) is there once. Raises EvaluationError when the suites differ, a run is there
    twice, or no item is shared.
    """
    first, _ = loaded[0]
    _same_suite([result for result, _ in loaded])
    _each_once([_label(result) for result, _ in loaded])
    by_place = [{_place(record): record for record in records} for _, records in loaded]
    places = [place for place in by_place[0] if all(place in other for other in by_place[1:])]
    if not places:
        raise EvaluationError(
            f"{_label(first)} and {_label(loaded[1][0])} have no question in common",
            hint="the suite's files changed between them: evaluate anew with `--replace`",
        )
    seats = list(_seats([result for result, _ in loaded]))
    records = [_joined(place, by_place, seats) for place in places]
    result = _scored(first, seats, records)
    notes = (_told_shared(loaded, len(records)), *(n for one, _ in loaded for n in one.notes))
    lineage = {_label(one): one.lineage for one, _ in loaded}
    return replace(result, notes=tuple(dict.fromkeys(notes)), lineage=lineage), records


def _label(result: EvaluationResult) -> str:
    return f"{result.name}@{result.revision}"


def _place(record: ItemRecord) -> Place:
    return record.capability, record.dataset, record.id


def _same_suite(results: Sequence[EvaluationResult]) -> None:
    for other in results[1:]:
        if other.suite != results[0].suite:
            raise EvaluationError(
                f"cannot put {_label(other)} beside {_label(results[0])}: it asks the suite "
                f"{other.suite!r}, not {results[0].suite!r}",
                hint="compare evaluations of one suite",
            )


def _each_once(labels: Sequence[str]) -> None:
    for number, label in enumerate(labels):
        if label in labels[:number]:
            raise EvaluationError(
                f"{label} cannot be put beside itself",
                hint="name another evaluation; `loopwright eval list` lists them",
            )


def _told_shared(loaded: Sequence[Loaded], shared: int) -> str:
    had = ", ".join(f"{_label(result)} has {len(records):,}" for result, records in loaded)
    return (
        f"Scores are of the {counted(shared, 'question')} that all have in common ({had}); "
        "tokens, cost and times are of each whole run."
    )


def _seats(results: Sequence[EvaluationResult]) -> Iterator[_Seat]:
    """The first run's model, then all others once, floors last.

    One model has one seat, whatever it was in which run; only the first run's model has another
    where a later run evaluated it again: that is what is compared then.
    """
    first = _who(results[0].subjects[0])
    taken: set[str] = set()
    labels: set[str] = set()
    found = []
    for run, result in enumerate(results):
        for subject in result.subjects:
            is_main, who = subject.part == Part.EVALUATED, _who(subject)
            if who in taken and not (run and is_main and who == first):
                continue
            label = subject.label
            if label in labels:
                label = f"{label} ({_label(result)})"
            taken.add(who)
            labels.add(subject.label)
            part = Part.BASELINE if run and is_main else subject.part
            found.append(_Seat(replace(subject, label=label, part=part), run, subject.label))
    yield from sorted(found, key=lambda seat: list(Part).index(seat.subject.part))


def _who(subject: Subject) -> str:
    """What tells a subject from others: the digest of its model, the name of a floor."""
    return subject.digest or subject.label


def _joined(
    place: Place, by_place: Sequence[Mapping[Place, ItemRecord]], seats: Sequence[_Seat]
) -> ItemRecord:
    answers = {
        seat.subject.label: found
        for seat in seats
        if (found := by_place[seat.run][place].answers.get(seat.label))
    }
    return replace(by_place[0][place], answers=answers)


def _scored(
    first: EvaluationResult, seats: Sequence[_Seat], records: Sequence[ItemRecord]
) -> EvaluationResult:
    entries = {(e.capability, e.dataset): e for e in first.subjects[0].datasets}
    shared = {(record.capability, record.dataset) for record in records}
    weights = {key: entry.weight for key, entry in entries.items() if key in shared}
    labels = [seat.subject.label for seat in seats]
    standing = Standing.of(records, weights, labels, confidence=first.confidence)
    return replace(
        first,
        subjects=tuple(_subject(seat.subject, standing, entries) for seat in seats),
        comparisons=tuple(_comparisons(labels, standing)),
        digest="",
    )


def _subject(subject: Subject, standing: Standing, entries: Mapping[Key, DatasetScore]) -> Subject:
    datasets = [
        replace(entries[key], score=score)
        for key in standing.points
        if (score := standing.dataset(key, subject.label))
    ]
    capabilities = {
        name: score
        for name in standing.capabilities
        if (score := standing.capability(name, subject.label))
    }
    composite = standing.composite(subject.label)
    return replace(subject, composite=composite, capabilities=capabilities, datasets=datasets)


def _comparisons(labels: Sequence[str], standing: Standing) -> Iterator[Comparison]:
    mine, *others = labels
    for other in others:
        whole = standing.compare(mine, other)
        if whole is None:
            continue
        datasets = standing.compare_datasets(mine, other)
        yield Comparison(
            other=other,
            composite=whole,
            capabilities=standing.compare_capabilities(mine, other),
            datasets={"/".join(key): difference for key, difference in datasets.items()},
        )
