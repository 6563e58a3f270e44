"""`loopwright lake rotate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import click

from loopwright.cli.common import ProjectOptions, project_options, session
from loopwright.cli.output import note, say
from loopwright.cli.recorded_data import recorded_data
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.state.records import Record
    from loopwright.state.store import StateSession


class _Rotated(Protocol):
    storages: tuple[str, ...]
    reference: dict[str, str]
    made: bool


@runtime_checkable
class _RotatesLakes(Protocol):
    """What a provider offers that can put a lake under another master key."""

    def rotate_lake(
        self, storage: str, *, old: Mapping[str, str], new: Mapping[str, str]
    ) -> _Rotated: ...


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--new-key",
    "new_key",
    required=True,
    metavar="env:NAME|file:PATH",
    help="Where the new master key is; a file that is not there is made.",
)
@project_options
def command(name: str | None, new_key: str, options: ProjectOptions) -> None:
    """Put a lake under another master key. No data file changes.

    Keep the old key until this has ended; then old copies of the lake open with the old key only.
    """
    from loopwright.cli.acting import caller
    from loopwright.gateway.settings import Role

    workspace = options.workspace()
    caller(options, workspace).must_be(Role.ADMIN, "rotate a master key")
    with session(workspace, "lake rotate") as opened, recorded_data(options) as data:
        place, new = data.lake(name), _reference(new_key)
        if not isinstance(place.keeper, _RotatesLakes):
            raise LoopwrightError(f"the provider of Lake/{place.name} rotates no keys")
        old = place.outputs["masterKey"]
        done = place.keeper.rotate_lake(place.storage, old=old, new=new)
        _record(opened, done)
    kind, value = next(iter(done.reference.items()))
    say(f"Lake/{place.name} is under the master key in {kind} {value}.")
    for storage in done.storages[1:]:
        say(f"So is the inference dataset in {storage}.")
    if done.made:
        note(f"The key was made in {value}: back it up.")
    note(f"Write `masterKey: {{{kind}: {value}}}` in the manifest of Lake/{place.name}.")


def _reference(text: str) -> dict[str, str]:
    kind, colon, value = text.partition(":")
    if kind not in ("env", "file") or not colon or not value:
        raise click.BadParameter(
            f"{text!r} is neither env:NAME nor file:PATH", param_hint="--new-key"
        )
    return {kind: value}


def _record(opened: StateSession, done: _Rotated) -> None:
    """Let state say it too, of every lake and inference dataset that has the new key."""
    from loopwright.state.store import Entry

    for address, record in opened.records().items():
        changed = _with_key(record, done)
        if changed != record:
            entry = Entry("record", str(address), data={"message": "under another master key"})
            opened.commit([entry], {address: changed})


def _with_key(record: Record, done: _Rotated) -> Record:
    def told(outputs: Mapping[str, Any]) -> Mapping[str, Any]:
        moved = "masterKey" in outputs and outputs.get("path") in done.storages
        return {**outputs, "masterKey": done.reference} if moved else outputs

    revisions = tuple(replace(one, outputs=told(one.outputs)) for one in record.revisions)
    return replace(record, outputs=told(record.outputs), revisions=revisions)
