"""The bytes of a log segment: a header line with its sealed key, then frames sealed one by one.

A frame is bound to its segment, its kind and its place (AES-GCM), so none can be changed, moved or
left out between others; only the end can be missing, which is what a crash leaves. Knows no files.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import IntEnum
from typing import Any

import orjson
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import TypeAdapter, ValidationError

from loopwright.errors import LakeIntegrityError
from loopwright.lake.capture.records import CapturedCall, Ticket
from loopwright.lake.columns import METADATA_SCHEMA
from loopwright.lake.keys import KEY_BYTES, seal, unseal

_FORMAT = 1
_FRAME = struct.Struct("<IIB")  # bytes of the sealed part, nonce counter, kind
_PLACE = struct.Struct("<QB")
_TEXTS = struct.Struct("<II")  # bytes of the facts, bytes of the request
_PREFIX_BYTES = 8
_TAG_BYTES = 16


class Kind(IntEnum):
    """What a frame says. It is in the clear, so that calls are counted without a key."""

    ACCEPTED = 1
    RECORD = 2
    EXCLUDED = 3
    LOST = 4
    FEEDBACK = 5
    END = 6


_KINDS = {int(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a segment. `boot` names the run of the machine that wrote it."""

    format: int
    lake: str
    gateway: str
    segment: int
    boot: str
    prefix: str
    key: str = field(repr=False)

    @property
    def name(self) -> str:
        """What the segment's key is bound to."""
        return _name(self.lake, self.gateway, self.segment, self.boot, self.prefix)


_HEADER = TypeAdapter(Header)

Frame = tuple[Kind, bytes]


class Sealer:
    """Makes the frames of one new segment, each for the next place."""

    def __init__(self, secret: bytes, *, lake: str, gateway: str, segment: int, boot: str) -> None:
        key, self._prefix = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(_PREFIX_BYTES)
        name = _name(lake, gateway, segment, boot, self._prefix.hex())
        sealed = seal(secret, key, name=name)
        header = Header(_FORMAT, lake, gateway, segment, boot, self._prefix.hex(), sealed)
        self.header = orjson.dumps(asdict(header)) + b"\n"
        self._aead = AESGCM(key)
        self._bound = _digest(name)
        self._place = 0
        self._counter = 0

    def frame(self, kind: Kind, content: bytes) -> bytes:
        """A frame for the place after the last `placed` one.

        A place may be sealed for again when writing failed: no nonce is used twice.
        """
        self._counter += 1
        sealed = self._aead.encrypt(
            self._prefix + self._counter.to_bytes(4, "little"),
            content,
            self._bound + _PLACE.pack(self._place, kind),
        )
        return _FRAME.pack(len(sealed), self._counter, kind) + sealed

    def placed(self) -> None:
        """The last frame is written: the next one has the next place."""
        self._place += 1


@dataclass(slots=True)
class Opened:
    """A segment being read. `torn` and `ended` hold once its frames are used up."""

    header: Header | None
    torn: bool = False
    """Its bytes stop making sense before they end."""
    ended: bool = False
    """The gateway finished it: nothing is missing at its end."""


def read(data: bytes, secret: bytes) -> tuple[Opened, Iterator[Frame]]:
    """A segment and its frames, kind and content, up to where they are torn.

    Raises LakeKeyError when it is sealed by another lake's or an older master key's secret, and
    LakeIntegrityError when a whole header is not one of ours.
    """
    end = data.find(b"\n")
    header = _header(data[:end]) if end >= 0 else None
    if header is None:
        return Opened(None, torn=True), iter(())
    opened = Opened(header)
    key = unseal(secret, header.key, name=header.name)
    return opened, _frames(data, end + 1, key, opened)


def lake_of(line: bytes) -> str | None:
    """The id of the lake that a segment with this first line is sealed for; None in a torn one."""
    header = _header(line) if line.endswith(b"\n") else None
    return header.lake if header else None


def counts(data: bytes) -> dict[Kind, int]:
    """How many frames there are of each kind, by their clear part alone: for who has no key."""
    found = dict.fromkeys(Kind, 0)
    start = data.find(b"\n") + 1
    while start and start + _FRAME.size <= len(data):
        size, _, kind = _FRAME.unpack_from(data, start)
        start += _FRAME.size + size
        if start > len(data) or kind not in found:
            break
        found[Kind(kind)] += 1
    return found


def _frames(data: bytes, start: int, key: bytes, opened: Opened) -> Iterator[Frame]:
    assert opened.header is not None
    aead, prefix = AESGCM(key), bytes.fromhex(opened.header.prefix)
    bound, place, view = _digest(opened.header.name), 0, memoryview(data)
    while start < len(data):
        if start + _FRAME.size > len(data):
            break
        size, counter, kind = _FRAME.unpack_from(data, start)
        start += _FRAME.size
        if size < _TAG_BYTES or start + size > len(data):
            break
        try:
            content = aead.decrypt(
                prefix + counter.to_bytes(4, "little"),
                view[start : start + size],
                bound + _PLACE.pack(place, kind),
            )
        except InvalidTag:
            break
        start, place = start + size, place + 1
        opened.ended = kind == Kind.END
        yield _KINDS[kind], content
    else:
        return
    opened.torn = True


def _header(line: bytes) -> Header | None:
    """None when the line is garbage, as the first page of a torn file may be."""
    try:
        header = _HEADER.validate_json(line)
    except ValidationError:
        return None
    if header.format != _FORMAT:
        raise LakeIntegrityError(
            f"a log segment has format {header.format}, this version reads {_FORMAT}",
            hint="use the loopwright that wrote it, or a newer one",
        )
    return header


def _name(lake: str, gateway: str, segment: int, boot: str, prefix: str) -> str:
    return f"{lake}/log/{gateway}/{segment}/{boot}/{prefix}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]


_BINARY = tuple(one.name for one in METADATA_SCHEMA if pa.types.is_binary(one.type))
_MOMENTS = tuple(one.name for one in METADATA_SCHEMA if pa.types.is_timestamp(one.type))
_DATES = tuple(one.name for one in METADATA_SCHEMA if pa.types.is_date(one.type))


def call_to_bytes(call: CapturedCall) -> bytes:
    """A finished call as one frame holds it. Raises TypeError when JSON cannot say its columns."""
    ticket = call.ticket
    facts = orjson.dumps(
        (
            ticket.endpoint,
            ticket.seq,
            ticket.call_id,
            call.operation,
            call.subject,
            call.columns if type(call.columns) is dict else dict(call.columns),
        ),
        default=_encoded,
    )
    sizes = _TEXTS.pack(len(facts), len(call.request))
    return b"".join((sizes, facts, call.request, call.response))


def call_from_bytes(content: bytes) -> CapturedCall:
    """Undo `call_to_bytes`."""
    facts_size, request_size = _TEXTS.unpack_from(content)
    texts = _TEXTS.size + facts_size
    endpoint, seq, call_id, operation, subject, columns = orjson.loads(content[_TEXTS.size : texts])
    for name in _DECODED.keys() & columns.keys():
        if isinstance(columns[name], str):
            columns[name] = _DECODED[name](columns[name])
    return CapturedCall(
        ticket=Ticket(endpoint, seq, call_id),
        request=content[texts : texts + request_size],
        response=content[texts + request_size :],
        operation=operation,
        subject=subject,
        columns=columns,
    )


_DECODED: dict[str, Callable[[str], Any]] = (
    dict.fromkeys(_BINARY, a2b_base64)
    | dict.fromkeys(_MOMENTS, datetime.fromisoformat)
    | dict.fromkeys(_DATES, date.fromisoformat)
)


def _encoded(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return b2a_base64(value, newline=False).decode()
    raise TypeError(f"a column cannot hold a {type(value).__name__}")
