"""A dataset version, estimated and built.

The estimate reads metadata only. A build writes its lines as they come, and the manifest last:
that write is the commit. What a line is belongs to `lines`, where it lies to `catalog`.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from loopwright import __version__
from loopwright.clock import Clock, SystemClock, to_text
from loopwright.errors import DatasetError
from loopwright.lake.catalog import Catalog, LineFile, file_name
from loopwright.lake.cleaning import REASON, check_response_schema
from loopwright.lake.lines import Lines, Tally, text_bytes
from loopwright.lake.matching import call_count
from loopwright.lake.recipe import LineFormat, Recipe
from loopwright.lake.rendering import RENDERER
from loopwright.lake.snapshot import Snapshot
from loopwright.lake.store import Lake
from loopwright.lake.version import (
    SPLITS,
    TRAIN,
    Line,
    NotEnoughRowsError,
    VersionFile,
    VersionManifest,
    parent_of,
    root_of,
    version_digest,
)
from loopwright.lake.walking import Draw

_REPORT_EVERY = 500


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is: rows walked, lines kept, and the lines it ends with where known."""

    walked: int
    kept: int
    wanted: int | None


@dataclass(frozen=True)
class Estimate:
    """What a build would come to, from metadata alone.

    `population` counts the lake's calls, `matched` those that the filter lets through, `sampled`
    those that the draw walks over, `dropped` what metadata leaves out of them: all exact. `rows`
    is a range: its lower end leaves out every call of a kind that the line format or the response
    schema may refuse, its upper end none. Tokens and bytes (of text) belong to the upper end.
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

    @property
    def enough(self) -> bool:
        """Whether a build can succeed as far as metadata tells."""
        return self.rows[1] >= (1 if self.wanted is None else self.wanted)


def estimate(snapshot: Snapshot, recipe: Recipe) -> Estimate:
    """Walk the draw without opening text; works under the reader role."""
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
    )


def _until(rows: pa.Table, missing: int) -> pa.Table:
    """The rows up to the one that is the `missing`th to stay."""
    stays = pc.cast(pc.is_null(rows[REASON]), pa.int64())
    before = pc.subtract(pc.cumulative_sum(stays), stays)
    return rows.filter(pc.less(before, missing))


def _doubtful(rows: pa.Table, recipe: Recipe) -> int:
    """Rows that text may still leave out: tools, media, reasoning, a response schema."""
    if recipe.filter.response_schema is not None:
        return int(rows.num_rows)
    risky = pc.coalesce(rows["has_tools"], False)
    for column in ("n_tool_calls", "n_media", "reasoning_tokens"):
        risky = pc.or_(risky, pc.greater(pc.coalesce(rows[column], 0), 0))
    doubtful: int | None = pc.sum(risky).as_py()
    return doubtful or 0


@dataclass
class _Written:
    """The lines of a version as they reach its files."""

    lines: list[Line] = field(default_factory=list)
    files: dict[str, VersionFile] = field(default_factory=dict)


def build(
    lake: Lake,
    recipe: Recipe,
    *,
    catalog: Catalog,
    name: str,
    owner: str,
    version: int | None = None,
    cut: int | None = None,
    progress: Callable[[BuildProgress], None] | None = None,
    clock: Clock | None = None,
) -> VersionManifest:
    """Build and commit the next version of a dataset, or return it when it is there already.

    `version` is the number it must get (default: the next), `cut` the ingest sequence to stop at
    (default: the lake's watermark). Raises NotEnoughRowsError, and leaves nothing behind, when
    the lake has fewer usable calls than `count` asks for, or none at all.
    """
    snapshot = lake.snapshot(through=cut)
    with catalog.held(name, owner=owner):
        number = version if version is not None else catalog.next_version(name)
        if number in catalog.versions(name):
            return _same(catalog.load(name, number), recipe, snapshot, lake.lake_id)
        if number < catalog.next_version(name):
            raise DatasetError(f"Version {number} of dataset {name!r} was taken away for good")
        newest = catalog.newest(name)
        lines = Lines(snapshot, recipe, purpose=f"dataset {name} v{number}")
        _check_enough(lines.draw.population.count, recipe)  # before any text is opened
        with catalog.draft(name, number) as folder:
            written = _write(lines, folder, catalog, progress)
            manifest = _manifest(
                lines,
                written,
                name=name,
                version=number,
                lake_id=lake.lake_id,
                parent=None if newest is None else catalog.load(name, newest),
                created_at=to_text((clock or SystemClock()).now()),
            )
            catalog.commit(manifest, owner=owner)
    return manifest


def _same(
    found: VersionManifest, recipe: Recipe, snapshot: Snapshot, lake_id: str
) -> VersionManifest:
    """A version that is there answers the same build: what a retry after a crash meets."""
    asked = (recipe.digest, snapshot.cut, lake_id)
    if (found.recipe_digest, found.cut, found.lake_id) != asked:
        raise DatasetError(
            f"Version {found.version} of dataset {found.name!r} exists and was built otherwise",
            hint="Versions never change: build under the next number.",
        )
    return found


def _check_enough(have: int, recipe: Recipe) -> None:
    want = recipe.sampling.count or 1
    if have < want:
        raise NotEnoughRowsError(have=have, want=want)


def _write(
    lines: Lines,
    folder: Path,
    catalog: Catalog,
    progress: Callable[[BuildProgress], None] | None,
) -> _Written:
    written = _Written()
    splits = SPLITS if lines.recipe.split.validation else (TRAIN,)
    wanted = lines.recipe.sampling.count
    with ExitStack() as stack:
        files = {
            split: LineFile(stack.enter_context(catalog.disk.staged(folder / file_name(split))))
            for split in splits
        }
        for sample in lines:
            files[sample.split].write(sample.data)
            digest = sha256(sample.data).hexdigest()
            written.lines.append(Line(sample.call_id, digest, sample.split))
            if progress and lines.tally.kept % _REPORT_EVERY == 0:
                progress(BuildProgress(lines.tally.sampled, lines.tally.kept, wanted))
        _check_enough(lines.tally.kept, lines.recipe)
    written.files = {file_name(split): file.facts for split, file in files.items()}
    if progress:
        progress(BuildProgress(lines.tally.sampled, lines.tally.kept, wanted))
    return written


def _manifest(
    lines: Lines,
    written: _Written,
    *,
    name: str,
    version: int,
    lake_id: str,
    parent: VersionManifest | None,
    created_at: str,
) -> VersionManifest:
    recipe, tally = lines.recipe, lines.tally
    root = root_of(written.lines)
    return VersionManifest(
        name=name,
        version=version,
        digest=version_digest(recipe.digest, root),
        recipe=recipe.to_json(),
        recipe_digest=recipe.digest,
        cut=lines.snapshot.cut,
        lake_id=lake_id,
        population=call_count(lines.snapshot),
        matched=lines.draw.population.count,
        sampled=tally.sampled,
        kept=tally.kept,
        dropped=dict(sorted(tally.dropped.items())),
        split={
            "validation": recipe.split.validation,
            "by": recipe.split.by.value,
            "lines": dict(sorted(Counter(line.split for line in written.lines).items())),
        },
        tokens={"input": tally.input_tokens, "output": tally.output_tokens},
        merkle_root=root,
        lines=tuple(written.lines),
        files=written.files,
        tools=_tools(recipe.line_format),
        parent=parent_of(parent, written.lines),
        created_at=created_at,
    )


def _tools(line_format: LineFormat) -> dict[str, str]:
    return {
        "loopwright": __version__,
        "renderer": f"{RENDERER} {line_format.value}",
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "orjson": orjson.__version__,
    }
