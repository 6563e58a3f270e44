"""`lake.json`: what a lake is, apart from its calls. Written last when a lake is made."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import orjson
from pydantic import TypeAdapter, ValidationError

from loopwright.clock import to_text
from loopwright.disk import Disk
from loopwright.errors import LakeError, LakeIntegrityError

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a lake keeps text, and the fact of a call; None is for good."""

    text: timedelta | None = None
    metadata: timedelta | None = None

    def text_is_past(self, dt: str, now: datetime) -> bool:
        """Whether the text of the day `dt` (UTC) is to go: the whole day is past its time."""
        return _is_past(dt, self.text, now)

    def metadata_is_past(self, dt: str, now: datetime) -> bool:
        return _is_past(dt, self.metadata, now)


KEPT_FOR_GOOD = Retention()


@dataclass(frozen=True, slots=True)
class Settings:
    """One lake's id and its times, in seconds."""

    format: int
    id: str
    created_at: str
    visibility_delay_seconds: float
    keep_text_seconds: float | None = None
    keep_metadata_seconds: float | None = None

    @classmethod
    def fresh(cls, *, at: datetime) -> Self:
        """Those of a lake that is being made."""
        return cls(_FORMAT, secrets.token_hex(16), to_text(at), 0.0)

    @property
    def visibility_delay(self) -> timedelta:
        return timedelta(seconds=self.visibility_delay_seconds)

    @property
    def retention(self) -> Retention:
        return Retention(_span(self.keep_text_seconds), _span(self.keep_metadata_seconds))

    def timed(self, *, visibility_delay: timedelta, retention: Retention) -> Self:
        return replace(
            self,
            visibility_delay_seconds=visibility_delay.total_seconds(),
            keep_text_seconds=_seconds(retention.text),
            keep_metadata_seconds=_seconds(retention.metadata),
        )

    def write(self, root: Path, disk: Disk) -> None:
        """Make them the settings of the lake in `root`, durably."""
        disk.write_atomic(settings_file(root), orjson.dumps(self))


_SETTINGS = TypeAdapter(Settings)


def settings_file(root: Path) -> Path:
    return root / "lake.json"


def read_settings(root: Path) -> Settings:
    """Raises LakeError when there is no lake in `root`, LakeIntegrityError on damage."""
    path = settings_file(root)
    try:
        settings = _SETTINGS.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LakeError(
            f"there is no lake in {root}", hint="make one with `loopwright apply` of a Lake"
        ) from error
    except OSError as error:
        raise LakeError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise LakeIntegrityError(f"{path} is damaged") from error
    if settings.format != _FORMAT:
        raise LakeError(
            f"the lake in {root} has format {settings.format}, this version reads {_FORMAT}",
            hint="use the loopwright that wrote it, or a newer one",
        )
    return settings


def _is_past(dt: str, kept: timedelta | None, now: datetime) -> bool:
    end = datetime.fromisoformat(dt).replace(tzinfo=UTC) + timedelta(days=1)
    return kept is not None and end + kept <= now


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
