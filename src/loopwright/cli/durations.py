"""Durations and moments as people type them on a command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click


class DurationType(click.ParamType[int]):
    """`30s`, `10m`, `12h`, `7d` or `2w`, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from loopwright.resources.durations import parse_duration

        if isinstance(value, int):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class MomentType(click.ParamType[datetime]):
    """A date or time, RFC 3339; without an offset it is UTC."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        from loopwright.clock import from_text

        if isinstance(value, datetime):
            return value
        try:
            return from_text(value).astimezone(UTC)
        except ValueError:
            self.fail(f"{value!r} is not a date; write 2026-12-01 or 2026-12-01T09:00Z", param, ctx)


DURATION = DurationType()
MOMENT = MomentType()
