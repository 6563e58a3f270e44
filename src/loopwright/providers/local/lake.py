"""The Lake adapter: a folder of encrypted calls, made and changed at once."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from loopwright.disk import Disk
from loopwright.errors import PermanentError
from loopwright.gateway.settings import Role
from loopwright.providers.base import (
    Capabilities,
    FieldChange,
    Observed,
    Operation,
    Opinion,
    Severity,
    Target,
)
from loopwright.providers.local.lake_keys import rewrap
from loopwright.providers.local.lake_place import (
    LakePlace,
    LakeSettings,
    default_key,
    master_key,
)
from loopwright.providers.local.permission import forbidden, must_be
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, known_lakes
from loopwright.providers.local.refusing import elsewhere, explained
from loopwright.providers.local.serving import Serving
from loopwright.resources.durations import parse_duration

_CHANGING = "change a lake"


class LakeAdapter:
    """Lakes in folders; the external id is the storage as the manifest says it."""

    def __init__(self, places: Places, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._places = places

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        """By folder; without an id the folder counts only when it bears our owner tag.

        Raises PermanentError when ours cannot be read any more: its key or newest calls are lost.
        """
        place = LakePlace.of(external_id or target.spec["storage"], self._places)
        with explained(target.address, "observe"):
            found = _observed(place)
            if found and found.owner == target.owner:
                self._check_whole(place, target)
        ours = found and (external_id or found.owner == target.owner)
        return found if ours else None

    def create(self, target: Target, key: str) -> Operation:
        """Make the lake, or open ours. Raises PermanentError over anything of somebody else."""
        place = LakePlace.of(target.spec["storage"], self._places)
        with explained(target.address, "create"):
            must_be(Role.STANDARD, _CHANGING, self._places)
            _refuse_foreign(place, target)
            settings = LakeSettings(
                owner=target.owner,
                visibility_delay=target.spec["visibilityDelay"],
                retention=dict(target.spec.get("retention", {})),
                master_key=self._key_reference(target),
            )
            made_key = self._is_new_key(settings) and not place.exists
            self._write(place, settings)
        note = f"its master key was made in {settings.master_key.get('file')}: back it up"
        return _done(place, key, note if made_key else "")

    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        """Change delay, retention or master key; another key re-wraps the key store at once."""
        place = LakePlace.of(observed.external_id, self._places)
        with explained(target.address, "update"):
            must_be(Role.STANDARD, _CHANGING, self._places)
            old = self._held(place, target)
            new = _edited(old, changes)
            if any(change.path.partition(".")[0] == "masterKey" for change in changes):
                must_be(Role.ADMIN, "rotate a master key", self._places)
                new = replace(new, master_key=self._key_reference(target))
                rewrap(place, old.master_key, new.master_key, self._places)
            self._write(place, new)
        return _done(place, key)

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove the folder with all calls in it; the master key stays where it is."""
        place = LakePlace.of(observed.external_id, self._places)
        with explained(target.address, "delete"):
            must_be(Role.ADMIN, "delete a lake", self._places)
            if place.root.exists():
                _refuse_to_remove(place, target)
                doomed = place.root.resolve()
                aside = doomed.with_name(f".{doomed.name}.{secrets.token_hex(4)}.deleted")
                doomed.rename(aside)  # gone at once, however long removing takes
                shutil.rmtree(aside)
            known_lakes(self._places).remove(place.storage)
        return Operation(key, external_id=observed.external_id)

    def poll(self, target: Target, operation: Operation) -> Operation:
        """Everything here is done when it is asked for."""
        if operation.status.is_terminal:
            return operation
        place = LakePlace.of(operation.external_id, self._places)
        with explained(target.address, "poll"):
            return _done(place, operation.key)

    def find(self, target: Target) -> Sequence[Observed]:
        """A lake in the folder that the manifest names, whoever made it."""
        found = self.observe(target, target.spec["storage"])
        return [found] if found and found.owner != target.owner else []

    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        """Put our owner tag on it. Raises PermanentError when its key is missing or wrong."""
        place = LakePlace.of(observed.external_id, self._places)
        with explained(target.address, "adopt"):
            must_be(Role.STANDARD, _CHANGING, self._places)
            ours = replace(self._held(place, target), owner=target.owner)
            if target.spec.get("masterKey"):
                ours = replace(ours, master_key=self._key_reference(target))
            self._write(place, ours)
        return _done(place, key)

    def check(self, target: Target) -> Iterable[Opinion]:
        """Object stores are for other providers; a folder must be one that can be had."""
        yield from forbidden(Role.STANDARD, _CHANGING, self._places, target)
        storage = target.spec["storage"]
        if "://" in storage:
            yield Opinion(
                Severity.ERROR,
                str(target.address),
                f"provider {target.spec['provider']} is local and keeps a lake in a folder, "
                f"not at {storage}",
                "write a folder in spec.storage, relative to the project, e.g. storage: lake"
                + elsewhere("Lake"),
            )
            return
        from loopwright.providers.local.lake_retention import cautions

        yield from cautions(LakePlace.of(storage, self._places), target, self._places)

    def _check_whole(self, place: LakePlace, target: Target) -> None:
        """A missing key file counts unless the manifest names another key by now."""
        from loopwright.lake.files import FileManifest

        settings, named = place.settings(), self._key_reference(target)
        if settings and "file" in named and settings.master_key == named:
            master_key(named, self._places, may_make=False)
        # The end of the chain is checked without keys.
        FileManifest(place.root / "manifest", secret=b"", disk=Disk()).check_end()

    def _held(self, place: LakePlace, target: Target) -> LakeSettings:
        """The settings as they hold in the lake now, whoever set them."""
        known = place.settings()
        found = known or LakeSettings("", "0s", master_key=self._key_reference(target))
        return replace(
            found, visibility_delay=_delay(place, known), retention=_retention(place, known)
        )

    def _key_reference(self, target: Target) -> dict[str, str]:
        said: dict[str, str] | None = target.spec.get("masterKey")
        if not said:
            return default_key(target.address.name, self._places)
        if "file" in said:
            return {"file": self._places.text(target.base_dir / said["file"])}
        return dict(said)

    def _is_new_key(self, settings: LakeSettings) -> bool:
        named = settings.master_key.get("file")
        return named is not None and not self._places.path(named).exists()

    def _write(self, place: LakePlace, settings: LakeSettings) -> None:
        """Bring the folder to these settings. In a new one ours come first: who began it."""
        from loopwright.lake.store import Lake
        from loopwright.providers.local.lake_retention import retention_of

        is_new = not place.exists
        key = master_key(settings.master_key, self._places, may_make=is_new)
        if is_new:
            place.write_settings(settings)
        Lake.create(
            place.root,
            master=key,
            visibility_delay=timedelta(seconds=parse_duration(settings.visibility_delay)),
            retention=retention_of(settings.retention),
        )
        place.write_settings(settings)
        facts = {"masterKey": settings.master_key}
        known_lakes(self._places).put(Receipt(place.storage, settings.owner, facts=facts))
        serving = Serving(self._places)
        serving.lake_moved_on(settings.owner, place.storage, settings.master_key)


def _observed(place: LakePlace) -> Observed | None:
    if not place.exists:
        return None
    settings = place.settings()
    return Observed(
        external_id=place.storage,
        spec={
            "storage": place.storage,
            "visibilityDelay": _delay(place, settings),
            "retention": _retention(place, settings),
        },
        outputs=_outputs(place, settings),
        status="ready",
        owner=settings.owner if settings else "",
    )


def _outputs(place: LakePlace, settings: LakeSettings | None) -> dict[str, Any]:
    key = {"masterKey": dict(settings.master_key)} if settings else {}
    return {"path": place.storage, "id": str(place.facts["id"]), **key}


def _delay(place: LakePlace, settings: LakeSettings | None) -> str:
    """As our settings word it, while that is what holds in the lake."""
    said = settings.visibility_delay if settings else None
    return _worded(float(place.facts["visibility_delay_seconds"]), said)


def _retention(place: LakePlace, settings: LakeSettings | None) -> dict[str, str]:
    """As our settings word it, while that is what holds in the lake."""
    facts, said = place.facts, settings.retention if settings else {}
    held = {part: facts.get(f"keep_{part}_seconds") for part in ("text", "metadata")}
    return {
        part: _worded(seconds, said.get(part))
        for part, seconds in held.items()
        if seconds is not None
    }


def _worded(seconds: float, said: str | None) -> str:
    return said if said and parse_duration(said) == seconds else f"{seconds:.0f}s"


def _edited(settings: LakeSettings, changes: Sequence[FieldChange]) -> LakeSettings:
    retention = dict(settings.retention)
    for change in changes:
        field, _, part = change.path.partition(".")
        if field == "visibilityDelay":
            settings = replace(settings, visibility_delay=change.after or "0s")
        elif field == "retention" and not part:
            retention = dict(change.after or {})
        elif field == "retention":
            retention[part] = change.after
    kept = {part: value for part, value in retention.items() if value is not None}
    return replace(settings, retention=kept)


def _refuse_foreign(place: LakePlace, target: Target) -> None:
    settings = place.settings()
    if settings and settings.owner == target.owner:
        return
    if settings or place.exists:
        whose = settings.owner if settings and settings.owner else "nobody we know"
        raise PermanentError(
            f"cannot make {target.address} in {place.storage}: a lake of {whose} lies there",
            address=str(target.address),
            action="create",
            hint="use another folder; or, where nobody else uses that lake any more, take it over "
            f"with `loopwright adopt {target.address}`: whoever has it now can then not apply it",
        )
    if place.root.exists() and (not place.root.is_dir() or any(place.root.iterdir())):
        raise PermanentError(
            f"cannot make {target.address} in {place.storage}: it holds something else",
            address=str(target.address),
            action="create",
            hint="use an empty or a new folder",
        )


def _refuse_to_remove(place: LakePlace, target: Target) -> None:
    settings = place.settings()
    if settings is None or settings.owner != target.owner:
        whose = f"belongs to {settings.owner}" if settings else "is not a lake that we made"
        raise PermanentError(
            f"cannot delete {target.address}: {place.storage} {whose}",
            address=str(target.address),
            action="delete",
            hint="remove the folder by hand if it is to go",
        )


def _done(place: LakePlace, key: str, message: str = "") -> Operation:
    outputs = _outputs(place, place.settings())
    return Operation(key, external_id=place.storage, outputs=outputs, message=message)
