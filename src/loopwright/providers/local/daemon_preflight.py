"""What `doctor` asks of the project's daemon: that it lives, follows, and keeps up."""

from __future__ import annotations

from collections.abc import Iterator

from loopwright.errors import ProviderError
from loopwright.providers.base import Opinion, Severity
from loopwright.providers.local.serving import Serving, Status

_SUBJECT = "daemon"


def findings(serving: Serving) -> Iterator[Opinion]:
    """Nothing where no endpoint was ever declared."""
    try:
        status = serving.status()
    except ProviderError as error:
        yield Opinion(Severity.ERROR, _SUBJECT, error.message, error.hint or "")
        return
    if status is not None:
        yield from _told(status)
    elif not serving.folder.is_idle:
        mend = "start it with `loopwright apply` or `loopwright serve --detach`"
        yield Opinion(Severity.ERROR, _SUBJECT, "it does not run, so no endpoint answers", mend)


def _told(status: Status) -> Iterator[Opinion]:
    running = sum(one["running"] for one in status["endpoints"].values())
    count = f"{running} endpoint{'s' if running != 1 else ''}"
    said = f"process {status['pid']} serves {count} at {status['gateway']}"
    yield Opinion(Severity.OK, _SUBJECT, said)
    for subject, why in status["problems"].items():
        yield Opinion(Severity.ERROR, subject, why, "see the daemon's log")
    for lake, log in status["logs"].items():
        lost = sum(log["lost"].values())
        calls = f"{log['delivered']:,} call{'s' if log['delivered'] != 1 else ''}"
        told = f"{calls} since the daemon began, {lost:,} lost"
        severity = Severity.WARNING if lost else Severity.OK
        yield Opinion(severity, f"log of Lake/{lake}", told, f"see `loopwright lake audit {lake}`")
