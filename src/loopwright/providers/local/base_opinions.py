"""What a plan can see to be wrong with the base model that a job tunes or an endpoint serves."""

from __future__ import annotations

from collections.abc import Iterator

from loopwright.errors import LoopwrightError
from loopwright.models.bases import pin, resolve
from loopwright.models.hub import Hub
from loopwright.providers.base import Opinion, Severity, Target
from loopwright.providers.local.job_adapter import refusal
from loopwright.providers.local.places import Places
from loopwright.providers.local.registered import registry_of


def base_opinions(
    target: Target, reference: str, places: Places, *, path: str, trusted: bool
) -> Iterator[Opinion]:
    """An error at `path` where the name stands for nothing that could be used; a warning where
    the model is fetched first."""
    try:
        resolve(
            reference,
            project=places.project,
            environ=places.environ,
            pins=registry_of(places).pins,
            trust_remote_code=trusted,
        )
        return
    except LoopwrightError as error:
        problem = error
    if _is_fetched(reference, places):
        yield Opinion(
            Severity.WARNING,
            str(target.address),
            f"the base model {reference} is not on this machine yet: it is downloaded first, and "
            "how large it is, is not known",
            "fetch it beforehand with `hf download`, or name a folder",
            path,
        )
    else:
        yield refusal(target, problem.message, problem.hint or "", path=path)


def _is_fetched(reference: str, places: Places) -> bool:
    """Whether an apply itself can get a base that is not here."""
    pins = registry_of(places).pins
    try:
        found = pin(reference, project=places.project, environ=places.environ, pins=pins)
    except LoopwrightError:
        return False
    return not found.startswith("sha256:") and not Hub(places.environ).is_offline
