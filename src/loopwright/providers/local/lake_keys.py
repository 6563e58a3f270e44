"""Putting lakes under another master key, wherever something remembers which one it is.

Inference datasets lie under the key of the lake that they were made from, and move with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loopwright.errors import LakeKeyError
from loopwright.providers.local.lake_place import LakePlace, master_key
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, exports_of, known_lakes
from loopwright.providers.local.serving import Serving

if TYPE_CHECKING:
    from loopwright.lake.keys import MasterKey

Reference = Mapping[str, str]
"""`{env: NAME}` or `{file: path}`."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """What is under the new key: the folders of lakes, and its reference as it is recorded."""

    storages: tuple[str, ...]
    reference: dict[str, str]
    made: bool
    """Whether the key was made just now."""


def rotate(places: Places, storage: str, *, old: Reference, new: Reference) -> Rotated:
    """Put a lake, and the inference datasets under the same key, under the key `new`.

    A file that is not there yet is made. Nothing is lost when it is interrupted: calling it again
    goes on. A running daemon follows at once. Raises LakeKeyError without the old key.
    """
    from loopwright.lake.keys import MasterKey

    reference, made = dict(new), False
    if "file" in reference:
        path = places.path(reference["file"])
        made = not path.exists()
        MasterKey.from_file(path, create=True)
        reference = {"file": places.text(path)}
    storages = [storage]
    for receipt in list(exports_of(places).all()):
        if receipt.outputs.get("masterKey") in (dict(old), reference):
            rewrap(LakePlace.of(receipt.outputs["path"], places), old, reference, places)
            outputs = {**receipt.outputs, "masterKey": reference}
            exports_of(places).put(replace(receipt, outputs=outputs))
            storages.append(receipt.outputs["path"])
    place = LakePlace.of(storage, places)
    rewrap(place, old, reference, places)
    _remember(place, reference, places)
    return Rotated(tuple(storages), reference, made)


def rewrap(place: LakePlace, old: Reference, new: Reference, places: Places) -> None:
    """Wrap a lake's keys anew unless they are already under the new key, as after a crash."""
    from loopwright.lake.keys import Role
    from loopwright.lake.store import Lake

    fresh = master_key(new, places, may_make=True)
    if not _opens(place, fresh):
        held = master_key(old, places, may_make=False)
        Lake.open(place.root, master=held, role=Role.ADMIN).rotate_master(fresh)


def _opens(place: LakePlace, key: MasterKey) -> bool:
    from loopwright.lake.store import Lake

    try:
        Lake.open(place.root, master=key)
    except LakeKeyError:
        return False
    return True


def _remember(place: LakePlace, reference: dict[str, str], places: Places) -> None:
    """In the lake's folder, in the environment's list of lakes, and for the daemon."""
    serving = Serving(places)
    if settings := place.settings():
        place.write_settings(replace(settings, master_key=reference))
        facts = {"masterKey": reference}
        known_lakes(places).put(Receipt(place.storage, settings.owner, facts=facts))
        serving.lake_moved_on(settings.owner, place.storage, reference)
    serving.followed()
