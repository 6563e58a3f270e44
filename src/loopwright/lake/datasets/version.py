"""What a dataset version is: its manifest, its digest, and how two versions differ.

Values and arithmetic only. Files are `catalog`'s, lines are `building`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import orjson

from loopwright.errors import DatasetError
from loopwright.hashing import digest, merkle_root, sha256_hex

TRAIN = "train"
VALIDATION = "validation"
SPLITS = (TRAIN, VALIDATION)


class NotEnoughRowsError(DatasetError):
    """The lake does not hold enough usable calls yet. Nothing was left behind."""

    def __init__(self, *, have: int, want: int) -> None:
        super().__init__(
            f"Cannot build the dataset version: {have} usable calls, {want} wanted",
            hint="Wait for more calls, widen the filter, or lower the count.",
        )
        self.have = have
        self.want = want


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a version: which call it renders, the SHA-256 of its bytes, its split."""

    call_id: str
    sha256: str
    split: str


@dataclass(frozen=True)
class VersionFile:
    """A file of a version, as written."""

    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Parent:
    """The version before, and how many calls came and went since."""

    version: int
    digest: str
    added: int
    removed: int


@dataclass(frozen=True)
class VersionManifest:
    """Everything that a version is, in the order of its lines. Written last: the commit point."""

    name: str
    version: int
    digest: str
    recipe: Mapping[str, Any]
    recipe_digest: str
    cut: int
    lake_id: str
    population: int
    matched: int
    sampled: int
    kept: int
    dropped: Mapping[str, int]
    split: Mapping[str, Any]
    tokens: Mapping[str, int]
    merkle_root: str
    lines: tuple[Line, ...]
    files: Mapping[str, VersionFile]
    tools: Mapping[str, str]
    parent: Parent | None
    created_at: str
    corrected: int = 0
    """Lines that teach a person's correction instead of the recorded answer."""
    leaks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of the contaminated: by set of held-out questions, by the way in which they gave it away."""
    not_held_against: Mapping[str, str] = field(default_factory=dict)
    """Sets of held-out questions that were not looked at, and why."""
    comparison: Mapping[str, Any] = field(default_factory=dict)
    """By dimension: distance, verdict, and the counts of population and sample."""

    def to_bytes(self) -> bytes:
        """JSON with a seal: the digest of all the rest, so that damage is seen without a lake."""
        stated = {one.name: getattr(self, one.name) for one in fields(self)}
        return orjson.dumps({**stated, "seal": _seal(stated)}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str) -> Self:
        """Read what `to_bytes` wrote. Raises DatasetError, naming `source`, when it was changed."""
        try:
            stated = orjson.loads(data)
            seal = stated.pop("seal")
            manifest = cls(**_typed(stated))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"Cannot read {source}: not a version manifest") from error
        if seal != _seal(stated):
            raise DatasetError(
                f"{source} was changed after it was written",
                hint="Restore it, or build the version again under a new number.",
            )
        return manifest


def _seal(stated: Mapping[str, Any]) -> str:
    return "sha256:" + sha256_hex(orjson.dumps(stated))


def _typed(read: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **read,
        "lines": tuple(Line(**line) for line in read["lines"]),
        "files": {name: VersionFile(**facts) for name, facts in read["files"].items()},
        "parent": Parent(**read["parent"]) if read["parent"] else None,
    }


def root_of(lines: Iterable[Line]) -> str:
    """Merkle root over (split, line digest) in order: it stays provable when a text is erased."""
    return merkle_root(f"{line.split} {line.sha256}".encode() for line in lines)


def version_digest(recipe_digest: str, root: str) -> str:
    """What a version is called by its content: equal on every machine that builds it."""
    return digest({"recipe": recipe_digest, "merkle_root": root})


def parent_of(parent: VersionManifest | None, lines: Iterable[Line]) -> Parent | None:
    if parent is None:
        return None
    mine = {line.call_id for line in lines}
    theirs = {line.call_id for line in parent.lines}
    return Parent(parent.version, parent.digest, len(mine - theirs), len(theirs - mine))


@dataclass(frozen=True)
class VersionDiff:
    """From one version to another: calls that came and went, lines that changed, the recipe."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    kept: int
    counts: Mapping[str, tuple[int, int]]
    recipe: Mapping[str, tuple[Any, Any]]

    @property
    def empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.recipe)


def diff(a: VersionManifest, b: VersionManifest) -> VersionDiff:
    """What changes from `a` to `b`. A line is changed when its call stays and its bytes do not."""
    mine = {line.call_id: (line.sha256, line.split) for line in a.lines}
    theirs = {line.call_id: (line.sha256, line.split) for line in b.lines}
    both = mine.keys() & theirs.keys()
    changed = sorted(call_id for call_id in both if mine[call_id] != theirs[call_id])
    return VersionDiff(
        added=tuple(sorted(theirs.keys() - mine.keys())),
        removed=tuple(sorted(mine.keys() - theirs.keys())),
        changed=tuple(changed),
        kept=len(both) - len(changed),
        counts=_changes(_counts(a), _counts(b)),
        recipe=_changes(_leaves(a.recipe), _leaves(b.recipe)),
    )


def _counts(manifest: VersionManifest) -> dict[str, int]:
    splits = Counter(line.split for line in manifest.lines)
    return {
        "population": manifest.population,
        "matched": manifest.matched,
        "sampled": manifest.sampled,
        "kept": manifest.kept,
        "corrected": manifest.corrected,
        **{f"dropped.{reason}": count for reason, count in manifest.dropped.items()},
        **{f"tokens.{kind}": count for kind, count in manifest.tokens.items()},
        **{f"split.{split}": splits[split] for split in SPLITS},
    }


def _leaves(value: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            found |= _leaves(inner, f"{path}{key}.")
        else:
            found[f"{path}{key}"] = inner
    return found


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        key: (a.get(key), b.get(key))
        for key in sorted(a.keys() | b.keys())
        if a.get(key) != b.get(key)
    }
