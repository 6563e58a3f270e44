"""How many rows an Export would write, counted with the metadata key alone."""

from __future__ import annotations

from loopwright.errors import LakeKeyError, LoopwrightError, SqlError, SqlLimitError
from loopwright.lake.keys import Role
from loopwright.lake.sql.request import Limits
from loopwright.providers.base import Estimate, Range
from loopwright.providers.local.export_sources import QuerySource
from loopwright.providers.local.lake_place import open_lake
from loopwright.providers.local.places import Places

_LIMITS = Limits(seconds=10)


def problem_of(
    source: QuerySource, places: Places, *, only: tuple[str, ...] | None
) -> SqlError | None:
    """Why the words of a query alone keep it from being run; None: they do not. No row is read."""
    try:
        with source.asked(places, role=Role.READER, limits=_LIMITS, only=only):
            return None
    except SqlLimitError:
        return None
    except SqlError as error:
        return error
    except LoopwrightError:  # the lake's own troubles are the estimate's to tell
        return None


def estimate_of(source: QuerySource, places: Places, *, only: tuple[str, ...] | None) -> Estimate:
    """Raises SqlError when the query cannot run, or its result lacks one of `only`."""
    open_lake(source.lake["storage"], source.lake["key"], places, role=Role.READER)
    try:
        with source.asked(
            places, role=Role.READER, limits=_LIMITS, only=only, counted=True
        ) as answer:
            (batch,) = [found for found in answer.batches() if found.num_rows]
    except LakeKeyError:
        return Estimate(notes=("without an estimate: its query reads text",))
    except SqlLimitError:
        return Estimate(notes=("without an estimate: its query takes long",))
    return Estimate(rows=Range.exact(batch.column("rows")[0].as_py()))
