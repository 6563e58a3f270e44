"""Putting lakes under another master key, wherever something remembers which one it is.

Inference datasets lie under the key of the lake that they were made from, and move with it. A key
that was made here can be renewed in its place: then nothing has to remember another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loopwright.errors import LakeError, LakeKeyError
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


def renew(places: Places, reference: Reference) -> None:
    """Put every lake of the project under a key file of ours under a fresh key in that file.

    Meanwhile the file holds both keys, so that whoever opens a lake finds the one that it is
    under, also after a crash; calling it again goes on. Running daemons follow at once. Raises
    LakeError when a lake cannot be reached: then both keys stay.
    """
    from loopwright.lake.keys import MasterKey, Role
    from loopwright.lake.store import Lake, master_key_of

    path = places.path(reference["file"])
    held = MasterKey.from_file(path, create=False)
    fresh = held.successor or MasterKey.generate()
    held.before(fresh).write(path)
    environments = list(_environments(places))
    _followed(environments)
    for place in sorted(set(_under(reference, environments)), key=lambda one: one.storage):
        if master_key_of(place.root) == held.id:  # else it was done, or it moved to another key
            Lake.open(place.root, master=held, role=Role.ADMIN).rotate_master(fresh)
    fresh.write(path)
    _followed(environments)


def _environments(places: Places) -> Iterator[Places]:
    """This one first, then the others of the project: key files are shared by them."""
    yield places
    for state in sorted(places.state.parent.iterdir()):
        if state != places.state and (state / "state.db").is_file():
            yield replace(places, state=state)


def _under(reference: Reference, environments: list[Places]) -> Iterator[LakePlace]:
    """The lakes and inference datasets under a key. Raises LakeError when a lake is not there."""
    for places in environments:
        for receipt in known_lakes(places).all():
            if receipt.facts.get("masterKey") == reference:
                place = LakePlace.of(receipt.external_id, places)
                if not place.exists:
                    raise LakeError(
                        f"the master key in {reference['file']} cannot be renewed: a lake under it "
                        f"is not in {place.storage}",
                        hint="bring it back, or let go of it with `loopwright destroy`, and then "
                        "`loopwright erase --resume`",
                    )
                yield place
        for receipt in exports_of(places).all():
            if receipt.outputs.get("masterKey") == reference:
                place = LakePlace.of(receipt.outputs["path"], places)
                if place.exists:  # one that was removed by hand is made anew
                    yield place


def _followed(environments: list[Places]) -> None:
    for places in environments:
        Serving(places).followed()


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
