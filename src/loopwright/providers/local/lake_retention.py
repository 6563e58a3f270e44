"""What another retention would let go of a lake, counted before anybody says yes to it.

From the file manifest alone, so that a plan loads no Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from loopwright.clock import SystemClock
from loopwright.disk import Disk
from loopwright.errors import LakeError
from loopwright.lake.files import FileManifest, Head
from loopwright.lake.keys import Role
from loopwright.lake.keystore import KeyStore, LakeSecret
from loopwright.lake.settings import Retention, read_settings
from loopwright.providers.base import Opinion, Severity, Target
from loopwright.providers.local.lake_place import LakePlace, LakeSettings, master_key
from loopwright.providers.local.places import Places
from loopwright.resources.durations import parse_duration


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows of calls and feedback that go, and further ones that lose their text."""

    rows: int
    texts: int

    def __bool__(self) -> bool:
        return bool(self.rows or self.texts)

    def __str__(self) -> str:
        parts = [f"{self.rows:,} rows"] if self.rows else []
        parts += [f"the text of {self.texts:,} rows"] if self.texts else []
        return " and ".join(parts)


def retention_of(said: Mapping[str, str]) -> Retention:
    """A retention as a manifest words it."""
    spans = {part: timedelta(seconds=parse_duration(text)) for part, text in said.items()}
    return Retention(**spans)


def cautions(place: LakePlace, target: Target, places: Places) -> Iterator[Opinion]:
    """What the retention in the manifest would let go of what the lake holds now."""
    settings = place.settings()
    if not (place.exists and settings and settings.owner == target.owner):
        return
    kept = retention_of(target.spec.get("retention", {}))
    try:
        lost = lost_to(kept, place, settings, places, now=SystemClock().now())
    except LakeError:  # told where the lake is observed or changed
        return
    if lost:
        yield Opinion(
            Severity.WARNING,
            str(target.address),
            f"its retention lets go {lost}, which are past it already",
            "nothing brings them back",
        )


def lost_to(
    retention: Retention, place: LakePlace, settings: LakeSettings, places: Places, *, now: datetime
) -> Lost:
    """What a lake holds now and would not under a retention that is not its own yet.

    Raises LakeError, and LakeKeyError without the master key.
    """
    if read_settings(place.root).retention == retention:
        return Lost(0, 0)
    files = _head(place, settings, places).files
    gone = [file for file in files if retention.metadata_is_past(file.dt, now)]
    blank = [
        file
        for file in files
        if not file.without_text
        and retention.text_is_past(file.dt, now)
        and not retention.metadata_is_past(file.dt, now)
    ]
    return Lost(sum(file.rows for file in gone), sum(file.rows for file in blank))


def _head(place: LakePlace, settings: LakeSettings, places: Places) -> Head:
    disk = Disk()
    master = master_key(settings.master_key, places, may_make=False)
    keys = KeyStore(place.root / "keys" / "store.json", master=master, role=Role.READER, disk=disk)
    secret = keys.secret(LakeSecret.MANIFEST)
    return FileManifest(place.root / "manifest", secret=secret, disk=disk).head()
