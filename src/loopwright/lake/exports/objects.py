"""A prefix of an object store as the destination of an export: S3, or what speaks like it.

Objects are written first, under names that this export alone has, then `_manifest.json` at once or
not at all: it says which objects there are, so without it there is no export. What a killed
attempt left is cleared by the next that ends well. Nothing is kept on the local disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import orjson

from loopwright.errors import LakeError, LoopwrightError, TransientError
from loopwright.lake.datasets.version import VersionFile
from loopwright.lake.exports.exporting import ExportResult, Part

MANIFEST = "_manifest.json"
_OWNER = "loopwright-owner"
_PIECE_BYTES = 16 << 20  # of at most 10,000
_PASSING = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "503"})
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """How to reach an object store. Without keys, those of the machine's AWS configuration."""

    endpoint: str | None = None
    region: str | None = None
    addressing: str = "auto"
    """Whether the bucket is in the host name or the path: auto, virtual, path."""
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    def client(self) -> Any:
        """A client of its own session, since boto3's default one is not for threads."""
        import boto3
        from botocore.config import Config

        session = boto3.session.Session(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token,
            region_name=self.region,
        )
        settings = Config(
            s3={"addressing_style": self.addressing},
            retries={"mode": "standard", "max_attempts": 5},
            request_checksum_calculation="when_required",  # stores like S3 know no newer ones
            response_checksum_validation="when_required",
        )
        return session.client("s3", endpoint_url=self.endpoint, config=settings)


@dataclass(frozen=True, slots=True)
class Committed:
    """What a manifest says, and the tag of the manifest itself."""

    owner: str
    mark: str
    files: Mapping[str, VersionFile]
    tags: Mapping[str, str]
    """What the store called the content of each object when it was written."""
    etag: str


@dataclass(frozen=True)
class Prefix:
    """One export under `s3://bucket/prefix/`. `mark` tells it from others of the same owner."""

    url: str
    bucket: str
    key: str
    store: ObjectStore
    owner: str
    mark: str

    @classmethod
    def at(cls, url: str, store: ObjectStore, *, owner: str, mark: str) -> Self:
        """Raises LakeError when the URL names no bucket and prefix."""
        scheme, _, rest = url.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket or not key.strip("/"):
            raise LakeError(f"{url} is no place for an export", hint="write s3://bucket/prefix/")
        return cls(url, bucket, key.strip("/") + "/", store, owner, mark)

    def committed(self) -> Committed | None:
        """The export that is there, whosever it is; None when there is none."""
        with self._told():
            try:
                found = self._client.get_object(Bucket=self.bucket, Key=self.key + MANIFEST)
            except self._client.exceptions.NoSuchKey:
                return None
            data, etag = found["Body"].read(), found["ETag"]
        try:
            told = orjson.loads(data)
            files = {name: VersionFile(**facts) for name, facts in told["files"].items()}
            return Committed(told["owner"], told["mark"], files, told.get("tags", {}), etag)
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(f"{self.url}{MANIFEST} is not a manifest of an export") from error

    def put(self, parts: Iterable[Part], *, beside: Mapping[str, bytes]) -> ExportResult:
        """Write all objects, then the manifest. Raises LakeError over what others have put there.

        An earlier export of the same owner is replaced, in the moment of the manifest; this very
        one is written again only where objects of it are gone or are not what was written.
        """
        before = self.committed()
        if before and before.owner != self.owner:
            raise self._taken(f"an export of {before.owner} is there")
        with self._told():
            if before and before.mark == self.mark and self._is_whole(before):
                self._delete(self._leftovers(before.files))
                return ExportResult(self.url, before.files, written=False)
            self._refuse_others(keep=before.files if before else ())
            files: dict[str, VersionFile] = {}
            tags: dict[str, str] = {}
            with self._undone_unless_committed(files):
                for part in parts:
                    name = self._named(part.name)
                    files[name], tags[name] = self._put_lines(part)
                for plain, content in beside.items():
                    name = self._named(plain)
                    files[name], tags[name] = self._put_bytes(name, content)
                left, uploads = self._leftovers(files), self._uploads()
                self._commit(files, tags, before)
            # Whoever put these began before our manifest and cannot commit any more.
            self._delete(left)
            for upload in uploads:
                with suppress(self._client.exceptions.NoSuchUpload):
                    self._client.abort_multipart_upload(Bucket=self.bucket, **upload)
        return ExportResult(self.url, files, written=True)

    def holds(self) -> bool:
        """Whether this very export is there, and every object of it as it was written."""
        found = self.committed()
        if found is None or (found.owner, found.mark) != (self.owner, self.mark):
            return False
        return self._is_whole(found)

    def remove(self) -> None:
        """Take the export away if it is ours; the manifest first, so that no half of it is left."""
        found = self.committed()
        if found is None or found.owner != self.owner:
            return
        with self._told():
            self._delete([MANIFEST])
            self._delete(found.files)

    @cached_property
    def _client(self) -> Any:
        return self.store.client()

    def _named(self, name: str) -> str:
        """`train-1a2b3c4d.jsonl`: an earlier export keeps its own until the manifest changes."""
        stem, dot, suffix = name.partition(".")
        return f"{stem}-{self.mark}{dot}{suffix}"

    def _is_whole(self, found: Committed) -> bool:
        """By size and tag as the store lists them; no object is read."""
        with self._told():
            there = {name: (facts["Size"], facts["ETag"]) for name, facts in self._listed()}
        return all(
            there.get(name) == (facts.bytes, found.tags.get(name, there.get(name, (0, ""))[1]))
            for name, facts in found.files.items()
        )

    def _listed(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=self.key):
            for found in page.get("Contents", ()):
                yield found["Key"].removeprefix(self.key), found

    @contextmanager
    def _undone_unless_committed(self, files: Mapping[str, VersionFile]) -> Iterator[None]:
        """Take back the objects put so far when the block fails: one that was slower than another
        owner's would stand in its way. A commit that failed may be there all the same."""
        try:
            yield
        except Exception:
            with suppress(LoopwrightError), self._told():
                found = self.committed()
                self._delete(files.keys() - (found.files.keys() if found else set()))
            raise

    def _is_ours(self, name: str) -> bool:
        try:
            told = self._client.head_object(Bucket=self.bucket, Key=self.key + name)
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "404":  # taken away meanwhile
                return True
            raise
        return bool(told["Metadata"].get(_OWNER) == self.owner)

    def _refuse_others(self, keep: Collection[str]) -> None:
        """Nothing is written beside what is not ours."""
        for name, _ in self._listed():
            if name not in keep and name != MANIFEST and not self._is_ours(name):
                raise self._taken(f"{name} is there, and not ours")

    def _leftovers(self, keep: Collection[str]) -> list[str]:
        """Objects of ours that are in no export: of earlier ones, of killed or slower attempts."""
        names = [name for name, _ in self._listed() if name not in keep and name != MANIFEST]
        return [name for name in names if self._is_ours(name)]

    def _uploads(self) -> list[dict[str, str]]:
        """Uploads that were begun here and not ended."""
        found = self._client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.key)
        return [
            {"Key": one["Key"], "UploadId": one["UploadId"]} for one in found.get("Uploads", ())
        ]

    def _put_lines(self, part: Part) -> tuple[VersionFile, str]:
        """In pieces as they come; what is small is one object at once. Also the store's tag.

        By requests of our own: boto3's transfer never returns once it is stopped from within.
        """
        stream = LineStream(part.lines)
        place = {"Bucket": self.bucket, "Key": self.key + self._named(part.name)}
        piece = stream.read(_PIECE_BYTES)
        if len(piece) < _PIECE_BYTES:
            done = self._client.put_object(**place, Body=piece, Metadata={_OWNER: self.owner})
            return stream.facts, done["ETag"]
        begun = self._client.create_multipart_upload(**place, Metadata={_OWNER: self.owner})
        place["UploadId"] = begun["UploadId"]
        pieces: list[dict[str, Any]] = []
        while piece:
            number = len(pieces) + 1
            done = self._client.upload_part(**place, PartNumber=number, Body=piece)
            pieces.append({"PartNumber": number, "ETag": done["ETag"]})
            piece = stream.read(_PIECE_BYTES)
        done = self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": pieces})
        return stream.facts, done["ETag"]

    def _put_bytes(self, name: str, content: bytes) -> tuple[VersionFile, str]:
        done = self._client.put_object(
            Bucket=self.bucket, Key=self.key + name, Body=content, Metadata={_OWNER: self.owner}
        )
        facts = VersionFile(hashlib.sha256(content).hexdigest(), len(content), content.count(b"\n"))
        return facts, done["ETag"]

    def _commit(
        self, files: Mapping[str, VersionFile], tags: Mapping[str, str], before: Committed | None
    ) -> None:
        """One conditional write: of two exports at once, one is the first."""
        condition = {"IfMatch": before.etag} if before else {"IfNoneMatch": "*"}
        told = {"format": 1, "owner": self.owner, "mark": self.mark, "files": files, "tags": tags}
        try:
            self._client.put_object(
                Bucket=self.bucket,
                Key=self.key + MANIFEST,
                Body=orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n",
                ContentType="application/json",
                Metadata={_OWNER: self.owner},
                **condition,
            )
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _CHANGED:
                raise self._taken("another export was faster") from error
            raise

    def _delete(self, names: Iterable[str]) -> None:
        for name in names:
            self._client.delete_object(Bucket=self.bucket, Key=self.key + name)

    def _taken(self, why: str) -> LakeError:
        return LakeError(
            f"cannot export to {self.url}: {why}", hint="export to a prefix of its own"
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the store or the way to it refused; what may pass by itself is transient."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            said = f"cannot use {self.url}: {error}"
            raise (TransientError(said) if code in _PASSING else LakeError(said)) from error
        except NoCredentialsError as error:
            raise LakeError(
                f"cannot use {self.url}: there are no credentials",
                hint="name them in the Provider's spec.credentials, or set AWS_ACCESS_KEY_ID",
            ) from error
        except BotoCoreError as error:
            raise TransientError(f"cannot reach {self.url}: {error}") from error


class LineStream:
    """Lines as a stream of bytes, counted and hashed as they are read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._running = hashlib.sha256()
        self._bytes = self._rows = 0
        self._waiting = bytearray()

    def read(self, size: int) -> bytes:
        """As many bytes; fewer only at the end."""
        while len(self._waiting) < size:
            line = next(self._lines, None)
            if line is None:
                break
            self._waiting += line + b"\n"
            self._rows += 1
        found = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._running.update(found)
        self._bytes += len(found)
        return found

    @property
    def facts(self) -> VersionFile:
        return VersionFile(self._running.hexdigest(), self._bytes, self._rows)
