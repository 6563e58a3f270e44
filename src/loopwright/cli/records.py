"""Records in words, for the commands that show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopwright.providers.base import Progress
    from loopwright.state.records import Record, Revision


def condition_words(record: Record) -> str:
    """One phrase: running, suspended, failed, retained, ready."""
    if record.suspension:
        until = f" until {record.suspension.until[:10]}" if record.suspension.until else ""
        return f"suspended{until}"
    if record.pending:
        return f"{record.pending.action} running" if record.pending.sent else "in doubt"
    if record.last_error:
        return "failed, earlier revision in use" if record.current else "failed"
    standing = "retained" if record.retained else "ready"
    current = record.current_revision
    return f"{standing}, holds erased calls" if current and current.holds_erased else standing


def progress_words(progress: Progress | None) -> str:
    """E.g. `120 of 300 steps, loss 0.412, 8,900 tokens/s, about 35 s left`."""
    if progress is None:
        return ""
    from loopwright.planning.render.wording import hours_words

    total = f" of {progress.total:,.0f}" if progress.total else ""
    done = f"{progress.done:,.0f}{total} {progress.unit}" if progress.unit else ""
    eta = progress.eta_seconds
    left = "" if eta is None else f"about {hours_words(eta / 3600)} left"
    return ", ".join(filter(None, (done.rstrip(), progress.note, left)))


def erasure_words(revision: Revision) -> Iterator[str]:
    """A sentence an erasure: what of a revision was erased, and whether it is in it still."""
    for mark in revision.erased.values():
        counted = "calls" if mark["calls"] is None else f"{mark['calls']:,} calls"
        if mark["inside"]:
            yield f"made from {counted} that were erased on {mark['at'][:10]}: make it anew"
        else:
            yield f"less {counted}, erased on {mark['at'][:10]}"


def matches(record: Record, kinds: Iterable[str], labels: Iterable[str]) -> bool:
    """Whether a record is of one of the kinds or addresses, and bears every label."""
    wanted = tuple(kinds)
    named = not wanted or any(text in (record.address.kind, str(record.address)) for text in wanted)
    return named and all(
        str(record.labels.get(text.partition("=")[0])) == text.partition("=")[2] for text in labels
    )


def lines_of(value: Mapping[str, Any], indent: int = 2) -> Iterator[str]:
    """A nested mapping as indented `name: value` lines, what is unset left out."""
    from loopwright.planning.render.wording import value_words

    pad = " " * indent
    for name, item in value.items():
        if item in (None, "", [], {}, ()):
            continue
        if isinstance(item, Mapping):
            yield f"{pad}{name}:"
            yield from lines_of(item, indent + 2)
        elif isinstance(item, list | tuple) and item and isinstance(item[0], Mapping):
            yield f"{pad}{name}:"
            for entry in item:
                first, *rest = lines_of(entry, 0)
                yield f"{pad}  - {first}"
                yield from (f"{pad}    {line}" for line in rest)
        else:
            yield f"{pad}{name}: {value_words(item)}"
