"""Is a dataset version still what its manifest says, and does its lake still give the same?

Every finding names the file and the line or call. Nothing is repaired here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

from loopwright.errors import DatasetError
from loopwright.lake.datasets.catalog import MANIFEST, Catalog, file_name
from loopwright.lake.datasets.held_out import HeldOut
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.datasets.recipe import Recipe
from loopwright.lake.datasets.version import SPLITS, Line, VersionManifest, root_of, version_digest
from loopwright.lake.erasing.erased_lines import ERASED
from loopwright.lake.lookup import let_go
from loopwright.lake.store import Lake

_NAMED_AT_MOST = 10


@dataclass(frozen=True)
class VerifyResult:
    """What was found wrong, and the digest of the rebuilt version (None when none was rebuilt).

    `erased` lines are gone on purpose; then what is left must be as it was built. Of `expired`
    lines the lake has let go the text, so that they cannot be built again.
    """

    findings: tuple[str, ...]
    digest: str | None
    rebuilt: str | None
    erased: int = 0
    expired: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings


def verify(catalog: Catalog, name: str, version: int, *, lake: Lake | None = None) -> VerifyResult:
    """Check manifest, files and lines; with a lake, also rebuild and compare.

    The lake that built the version is asked at the recorded cut; another lake, which numbers its
    calls by itself, at its newest. Raises DatasetError when there is no such version.
    """
    try:
        manifest = catalog.load(name, version)
        left = catalog.lines_left(manifest)
    except DatasetError as error:
        if version not in catalog.versions(name):
            raise
        return VerifyResult((str(error),), digest=None, rebuilt=None)
    erased = len(manifest.lines) - len(left)
    findings = [*_manifest_findings(manifest), *_file_findings(manifest, catalog, left)]
    if lake is None:
        return VerifyResult(tuple(findings), manifest.digest, rebuilt=None, erased=erased)
    lines = _rebuilt(manifest, catalog, lake)
    rebuilt = version_digest(manifest.recipe_digest, root_of(lines))
    gone = _let_go(manifest, left, lines, lake)
    if erased or gone:
        left = [line for line in left if line.call_id not in gone]
        findings.extend(_less_findings(left, lines, less=erased + len(gone)))
    elif rebuilt != manifest.digest:
        findings.extend(_rebuild_findings(manifest.lines, lines))
    return VerifyResult(tuple(findings), manifest.digest, rebuilt, erased=erased, expired=len(gone))


def _manifest_findings(manifest: VersionManifest) -> Iterator[str]:
    """Contradictions inside a manifest, which a seal alone would let through."""
    digest = version_digest(manifest.recipe_digest, manifest.merkle_root)
    checks = {
        "recipe_digest": manifest.recipe_digest == Recipe.from_spec(manifest.recipe).digest,
        "merkle_root": manifest.merkle_root == root_of(manifest.lines),
        "digest": manifest.digest == digest,
        "kept": manifest.kept == len(manifest.lines),
        "sampled": manifest.sampled == manifest.kept + sum(manifest.dropped.values()),
    }
    for stated, holds in checks.items():
        if not holds:
            yield f"{MANIFEST}: {stated} does not follow from the rest of the manifest"


def _file_findings(
    manifest: VersionManifest, catalog: Catalog, left: Sequence[Line]
) -> Iterator[str]:
    folder = catalog.folder(manifest.name, manifest.version)
    for split in SPLITS:
        lines = [line for line in left if line.split == split]
        if file_name(split) in manifest.files:
            yield from _line_findings(folder / file_name(split), manifest, lines)
        elif lines:
            yield f"{MANIFEST}: {len(lines)} lines are in {split}, which has no file"
    known = {MANIFEST, ERASED, *manifest.files}
    for path in sorted(folder.iterdir()):
        if path.name not in known:
            yield f"{path.name}: not a file of this version"


def _line_findings(path: Path, manifest: VersionManifest, lines: list[Line]) -> Iterator[str]:
    facts = manifest.files[path.name]
    if not path.is_file():
        yield f"{path.name}: missing"
        return
    whole, wrong, number = sha256(), 0, 0
    with path.open("rb") as handle:
        for number, (data, line) in enumerate(zip_longest(handle, lines), start=1):
            whole.update(data or b"")
            finding = _line_finding(data, line)
            wrong += finding is not None
            if finding and wrong <= _NAMED_AT_MOST:
                yield f"{path.name} line {number}: {finding}"
    if wrong > _NAMED_AT_MOST:
        yield f"{path.name}: {wrong} of {number} lines are wrong in all"
    if not wrong and whole.hexdigest() != facts.sha256:
        yield f"{path.name}: its bytes are not the ones that were written"


def _line_finding(data: bytes | None, line: Line | None) -> str | None:
    if line is None:
        return "not a line of this version"
    if data is None:
        return f"missing (call {line.call_id})"
    if not data.endswith(b"\n"):
        return f"cut off (call {line.call_id})"
    if sha256(data[:-1]).hexdigest() != line.sha256:
        return f"changed (call {line.call_id})"
    return None


def _rebuilt(manifest: VersionManifest, catalog: Catalog, lake: Lake) -> list[Line]:
    same = lake.lake_id == manifest.lake_id
    recipe = Recipe.from_spec(manifest.recipe)
    lines = Lines(
        lake.snapshot(through=manifest.cut if same else None),
        recipe,
        purpose=f"verify dataset {manifest.name} v{manifest.version}",
        held_out=HeldOut(catalog).questions(recipe.held_out),
    )
    digests = [(sample.call_id, sha256(sample.data).hexdigest()) for sample in lines]
    return [Line(*line, split) for line, split in zip(digests, lines.splits(), strict=True)]


def _let_go(
    manifest: VersionManifest, left: Sequence[Line], lines: Sequence[Line], lake: Lake
) -> set[str]:
    """Calls that the lake which built the version does not draw, since it let go their text."""
    drawn = {line.call_id for line in lines}
    missing = {line.call_id for line in left if line.call_id not in drawn}
    if lake.lake_id != manifest.lake_id:
        return set()
    return let_go(lake, lake.manifest.head(), missing)


def _less_findings(left: Sequence[Line], lines: Sequence[Line], *, less: int) -> Iterator[str]:
    """Of a version that lost lines or calls: at most as many others are drawn in their place, and
    without them the split may fall in another way.
    """
    recorded = {line.call_id: line for line in left}
    alike, others = [], []
    for line in lines:
        before = recorded.get(line.call_id)
        if before is None:
            others.append(line)
        else:
            alike.append(replace(line, split=before.split))
    drawn = alike if len(others) <= less else [*alike, *others]
    if {line.call_id: line for line in drawn} != recorded:
        yield from _rebuild_findings(left, drawn)


def _rebuild_findings(before: Sequence[Line], lines: Sequence[Line]) -> Iterator[str]:
    recorded = {line.call_id: line for line in before}
    rebuilt = {line.call_id: line for line in lines}
    both = recorded.keys() & rebuilt.keys()
    found = {
        "is not drawn from the lake any more": sorted(recorded.keys() - rebuilt.keys()),
        "is drawn from the lake but not in the version": sorted(rebuilt.keys() - recorded.keys()),
        "gives another line": sorted(one for one in both if recorded[one] != rebuilt[one]),
    }
    for what, call_ids in found.items():
        for call_id in call_ids[:_NAMED_AT_MOST]:
            yield f"rebuild: call {call_id} {what}"
        if len(call_ids) > _NAMED_AT_MOST:
            yield f"rebuild: {len(call_ids)} calls in all: {what}"
    if not any(found.values()):
        yield "rebuild: the same lines in another order"
