"""How exports reach an object store: settings and references to keys, as a job may write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from loopwright.errors import PermanentError
from loopwright.manifests.secrets import SecretRef
from loopwright.providers.base import ProviderContext
from loopwright.providers.local.connection import Connection
from loopwright.providers.local.places import Places

if TYPE_CHECKING:
    from loopwright.lake.exports.objects import ObjectStore

_KEYS = {"accessKey": "access_key", "secretKey": "secret_key", "sessionToken": "session_token"}


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """Settings, and by name where each key is; never a key itself."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, context: ProviderContext) -> Self:
        told = Connection.model_validate(context.connection).object_store
        credentials = {
            name: reference.model_dump(mode="json", exclude_none=True)
            for name, reference in context.credentials.items()
            if name in _KEYS
        }
        return cls(told.model_dump(mode="json") if told else {}, credentials)

    def open(self, places: Places) -> ObjectStore:
        """Raises PermanentError when a named key is not where it should be."""
        from loopwright.lake.exports.objects import ObjectStore

        if self.credentials and not {"accessKey", "secretKey"} <= self.credentials.keys():
            raise PermanentError(
                "the object store has one key of two",
                hint="give accessKey and secretKey in the Provider's spec.credentials",
            )
        keys = {
            _KEYS[name]: SecretRef.model_validate(dict(reference))
            .resolve(places.environ, places.project)
            .reveal()
            for name, reference in self.credentials.items()
        }
        return ObjectStore(**self.settings, **keys)
