"""Parquet Modular Encryption under a lake's keys: what pyarrow needs to write and read our files.

Footer and scalar columns are under the partition's metadata key, request and response under its
text key. Data keys travel in the file, wrapped once. Nothing else may make CryptoFactory objects.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from loopwright.lake.columns import METADATA_COLUMNS, TEXT_COLUMNS
from loopwright.lake.keys import KeyKind, KeyStore, seal, unseal

_UNWRAPPED = 4096  # data keys kept unwrapped: pyarrow asks again for every column chunk


class Encryption:
    """Writers' and readers' encryption properties for one lake, in the role of its key store."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._factory = pe.CryptoFactory(lambda _: _PartitionKms(keys))
        self._connection = pe.KmsConnectionConfig()
        self._reading = pe.DecryptionConfiguration()

    def for_writing(self, partition: str) -> Any:
        """Properties for one new file: fresh data keys under the partition's keys."""
        key_id = self._keys.partition_id(partition)
        metadata = f"{key_id}/{KeyKind.METADATA}"
        configuration = pe.EncryptionConfiguration(
            footer_key=metadata,
            column_keys={
                metadata: list(METADATA_COLUMNS),
                f"{key_id}/{KeyKind.TEXT}": list(TEXT_COLUMNS),
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
        return pq.ParquetFile(
            source,
            decryption_properties=self._factory.file_decryption_properties(
                self._connection, self._reading
            ),
            pre_buffer=False,
        )


class _PartitionKms(pe.KmsClient):  # type: ignore[misc]
    """The key management service that pyarrow talks to: partition keys wrap data keys."""

    def __init__(self, keys: KeyStore) -> None:
        super().__init__()
        self._keys = keys
        self._unwrap = lru_cache(maxsize=_UNWRAPPED)(self._unwrap_once)

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return seal(
            self._key(master_key_identifier), key_bytes, name=master_key_identifier
        ).encode()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        return self._unwrap(wrapped_key, master_key_identifier)

    def _unwrap_once(self, wrapped_key: str, identifier: str) -> bytes:
        return unseal(self._key(identifier), wrapped_key, name=identifier)

    def _key(self, identifier: str) -> bytes:
        key_id, _, kind = identifier.partition("/")
        return self._keys.key(key_id, KeyKind(kind))
