"""Parquet Modular Encryption under a lake's keys: what pyarrow needs to write and read our files.

Footer and scalar columns are under the partition's metadata key, text columns under its text key.
Data keys travel in the file, wrapped once. Nothing else may make CryptoFactory objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from loopwright.lake.keys import seal, unseal
from loopwright.lake.keystore import KeyKind, KeyStore
from loopwright.lake.tables import Table

_UNWRAPPED = 4096  # data keys kept unwrapped: pyarrow asks again for every column chunk


@dataclass(frozen=True, slots=True)
class DataKeys:
    """The unwrapped keys of one file; `columns` by path in the Parquet schema. Never printed."""

    footer: bytes = field(repr=False)
    columns: dict[str, bytes] = field(repr=False)


class Encryption:
    """Writers' and readers' encryption properties for one lake, in the role of its key store."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._factory = pe.CryptoFactory(lambda _: _PartitionKms(keys))
        self._connection = pe.KmsConnectionConfig()
        self._reading = pe.DecryptionConfiguration()

    def for_writing(self, table: Table, key_id: str) -> Any:
        """Properties for one new file: fresh data keys under the partition keys `key_id`."""
        metadata = f"{key_id}/{KeyKind.METADATA}"
        configuration = pe.EncryptionConfiguration(
            footer_key=metadata,
            column_keys={
                metadata: list(table.metadata),
                f"{key_id}/{KeyKind.TEXT}": list(table.text),
            },
            encryption_algorithm="AES_GCM_V1",
            plaintext_footer=False,
            double_wrapping=False,
            internal_key_material=True,
            data_key_length_bits=256,
        )
        return self._factory.file_encryption_properties(self._connection, configuration)

    def open(self, source: Any) -> pq.ParquetFile:
        """A reader that decrypts in the calling thread only.

        pyarrow's dataset scanner calls the KMS from its own threads, and a failed read then hangs
        the interpreter at exit; this reader does not.
        """
        return self._open(source, self._factory)

    def data_keys(self, source: Any, table: Table) -> DataKeys:
        """The file's own keys, for a reader that takes keys and not a KMS (Polars, say).

        Holds what the role may open: text columns are left out for a reader.
        """
        unwrapped: list[bytes] = []
        factory = pe.CryptoFactory(lambda _: _PartitionKms(self._keys, seen=unwrapped.append))
        parquet = self._open(source, factory)
        footer, columns = unwrapped[0], {}
        for number, column in enumerate(parquet.schema):
            text = column.path in table.text
            if not text or self._keys.role.opens_text:
                # pyarrow names no column when it asks for a key: read one column, see which.
                parquet.reader.read_row_group(0, column_indices=[number])
                columns[column.path] = unwrapped[-1]
        return DataKeys(footer, columns)

    def _open(self, source: Any, factory: Any) -> pq.ParquetFile:
        properties = factory.file_decryption_properties(self._connection, self._reading)
        return pq.ParquetFile(source, decryption_properties=properties, pre_buffer=False)


# pyarrow has no types: to mypy its classes are Any.
class _PartitionKms(pe.KmsClient):  # type: ignore[misc]
    """The key management service that pyarrow talks to: partition keys wrap data keys."""

    def __init__(self, keys: KeyStore, *, seen: Callable[[bytes], None] | None = None) -> None:
        super().__init__()
        self._keys = keys
        self._seen = seen
        self._unwrap = lru_cache(maxsize=_UNWRAPPED)(self._unwrap_once)

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return seal(
            self._key(master_key_identifier), key_bytes, name=master_key_identifier
        ).encode()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        key = self._unwrap(wrapped_key, master_key_identifier)
        if self._seen:
            self._seen(key)
        return key

    def _unwrap_once(self, wrapped_key: str, identifier: str) -> bytes:
        return unseal(self._key(identifier), wrapped_key, name=identifier)

    def _key(self, identifier: str) -> bytes:
        key_id, _, kind = identifier.partition("/")
        return self._keys.key(key_id, KeyKind(kind))
