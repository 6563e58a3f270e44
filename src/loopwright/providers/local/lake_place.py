"""A lake as others find it: its folder, where its master key is, and our settings beside it.

The data plane keeps `lake.json`; what loopwright alone wants to remember of a lake lies in its
folder under `loopwright/`: owner tag, retention, key reference, receipts of imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from loopwright.disk import Disk
from loopwright.errors import LakeKeyError, PermanentError
from loopwright.manifests.secrets import SecretRef
from loopwright.providers.base import Resolved
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipts

if TYPE_CHECKING:
    from loopwright.lake.keys import MasterKey, Role
    from loopwright.lake.store import Lake

_FOLDER = "loopwright"


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """What we remember of a lake, in the words of its spec."""

    owner: str
    visibility_delay: str
    retention: Mapping[str, str] = field(default_factory=dict)
    master_key: Mapping[str, str] = field(default_factory=dict)
    """`{env: NAME}` or `{file: path}`, the path relative to the project."""


@dataclass(frozen=True, slots=True)
class LakePlace:
    """A folder that holds a lake, or is to hold one."""

    storage: str
    root: Path

    @classmethod
    def of(cls, storage: str, places: Places) -> Self:
        return cls(storage, places.path(storage))

    @property
    def exists(self) -> bool:
        return (self.root / "lake.json").is_file()

    @property
    def facts(self) -> dict[str, Any]:
        """What the lake says of itself, read without loading the data plane.

        Raises OSError when it cannot be read, PermanentError when it is damaged.
        """
        path = self.root / "lake.json"
        try:
            found: dict[str, Any] = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise PermanentError(f"{path} is damaged", hint="restore it from a backup") from error
        return found

    @property
    def imports(self) -> Receipts:
        return Receipts(self.root / _FOLDER / "imports")

    def settings(self) -> LakeSettings | None:
        """None where a lake was made without us. Raises PermanentError when damaged."""
        path = self._settings_file
        try:
            return LakeSettings(**orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise PermanentError(f"{path} is damaged", hint="restore it from a backup") from error

    def write_settings(self, settings: LakeSettings) -> None:
        disk = Disk()
        disk.make_folders(self._settings_file.parent)
        disk.write_atomic(self._settings_file, orjson.dumps(asdict(settings)))

    @property
    def _settings_file(self) -> Path:
        return self.root / _FOLDER / "settings.json"


def default_key(name: str, places: Places) -> dict[str, str]:
    """Where the master key of a lake is kept that names none."""
    return {"file": places.text(places.keys / f"{name}.key")}


def master_key(reference: Mapping[str, str], places: Places, *, may_make: bool) -> MasterKey:
    """The key that a reference leads to. Raises LakeKeyError when there is none.

    With `may_make` a missing default key file is made; keys elsewhere are somebody's own.
    """
    from loopwright.lake.keys import MasterKey

    if "file" in reference:
        path = places.path(reference["file"])
        is_ours = path.parent == places.keys
        if not path.exists() and not (is_ours and may_make):
            raise LakeKeyError(
                f"the master key file {reference['file']} is missing",
                hint="restore it from a backup: without it the lake cannot be read",
            )
        return MasterKey.from_file(path, create=is_ours and may_make)
    secret = SecretRef.model_validate(dict(reference)).resolve(places.environ, places.project)
    return MasterKey.from_text(secret.reveal(), source=f"environment variable {reference['env']}")


def is_made_here(reference: Mapping[str, str], places: Places) -> bool:
    """Whether a reference leads to a key that was made here and is kept here: ours to renew."""
    if "file" not in reference:
        return False
    path = places.path(reference["file"])
    return path.parent == places.keys and path.is_file() and not path.is_symlink()


def open_lake(storage: str, key: Mapping[str, str], places: Places, *, role: Role) -> Lake:
    """Raises LakeError when there is no lake, LakeKeyError on a missing or wrong key."""
    from loopwright.lake.store import Lake

    return Lake.open(
        places.path(storage), master=master_key(key, places, may_make=False), role=role
    )


def lake_arguments(found: Resolved | None) -> dict[str, Any]:
    """What a job needs to open the lake that a reference points at.

    Raises PermanentError when it is not a lake of a local provider.
    """
    if found is None or not found.external_id or "masterKey" not in found.outputs:
        name = found.address if found else "the lake"
        raise PermanentError(
            f"{name} is not a lake of a local provider that is in place",
            hint="apply the Lake first, with a Provider of type local",
        )
    return {"storage": found.outputs["path"], "key": dict(found.outputs["masterKey"])}
