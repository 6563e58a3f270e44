"""What a dataset version would come to, from the metadata of a lake alone.

Exact where metadata decides, a range where text does. Nothing is opened and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.lake.datasets.cleaning import REASON, check_response_schema
from loopwright.lake.datasets.comparison import PROFILED, Difference, Profile, compared
from loopwright.lake.datasets.lines import Tally, text_bytes
from loopwright.lake.datasets.matching import call_count
from loopwright.lake.datasets.recipe import Dedup, Recipe
from loopwright.lake.datasets.walking import Draw
from loopwright.lake.snapshot import Snapshot


@dataclass(frozen=True)
class Estimate:
    """What a build would come to, from metadata alone.

    `population` counts the lake's calls, `matched` those that the filter lets through, `sampled`
    those that the draw walks over, `dropped` what metadata leaves out of them: all exact. `rows`
    is a range: its lower end leaves out every call of a kind that the line format or the response
    schema may refuse (every call where texts are compared), its upper end none. Tokens and bytes
    (of text) belong to the upper end.
    """

    population: int
    matched: int
    sampled: int
    dropped: Mapping[str, int]
    rows: tuple[int, int]
    input_tokens: int
    output_tokens: int
    bytes: int
    wanted: int | None
    comparison: Mapping[str, Difference] = field(default_factory=dict)
    """How what is sampled differs from what is matched, in what metadata tells."""

    @property
    def enough(self) -> bool:
        """Whether a build can succeed as far as metadata tells."""
        return self.rows[1] >= (1 if self.wanted is None else self.wanted)


def estimate(snapshot: Snapshot, recipe: Recipe) -> Estimate:
    """Walk the draw without opening text; works under the reader role.

    Also with nothing but the digests of held-out questions: they are not read.
    """
    check_response_schema(recipe.filter.response_schema)
    draw = Draw(snapshot, recipe)
    wanted = recipe.sampling.count
    tally, size, doubtful = Tally(), 0, 0
    for stretch in draw.stretches():
        rows = stretch if wanted is None else _until(stretch, wanted - tally.kept)
        staying = rows.filter(pc.is_null(rows[REASON]))
        tally.sampled += rows.num_rows
        tally.kept += staying.num_rows
        tally.dropped.update(rows[REASON].drop_null().to_pylist())
        tally.input_tokens += pc.sum(staying["input_tokens"]).as_py() or 0
        tally.output_tokens += pc.sum(staying["output_tokens"]).as_py() or 0
        tally.profile.add(staying.select(PROFILED))
        size += pc.sum(text_bytes(staying)).as_py() or 0
        doubtful += _doubtful(staying, recipe)
        if tally.kept == wanted:
            break
    return Estimate(
        population=call_count(snapshot),
        matched=draw.population.count,
        sampled=tally.sampled,
        dropped=dict(tally.dropped),
        rows=(tally.kept - doubtful, tally.kept),
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        bytes=size,
        wanted=wanted,
        comparison=compared(Profile.of(draw.population.tables(PROFILED)), tally.profile),
    )


def _until(rows: pa.Table, missing: int) -> pa.Table:
    """The rows up to the one that is the `missing`th to stay."""
    stays = pc.cast(pc.is_null(rows[REASON]), pa.int64())
    before = pc.subtract(pc.cumulative_sum(stays), stays)
    return rows.filter(pc.less(before, missing))


def _doubtful(rows: pa.Table, recipe: Recipe) -> int:
    """Rows that text may still leave out: tools, media, reasoning; all where text is compared."""
    near = recipe.cleaning.dedup is Dedup.NEAR
    if recipe.filter.response_schema is not None or recipe.held_out or near:
        return int(rows.num_rows)
    risky = pc.coalesce(rows["has_tools"], False)
    for column in ("n_tool_calls", "n_media", "reasoning_tokens"):
        risky = pc.or_(risky, pc.greater(pc.coalesce(rows[column], 0), 0))
    doubtful: int | None = pc.sum(risky).as_py()
    return doubtful or 0
