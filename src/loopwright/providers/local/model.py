"""The Model adapter: a folder of weights from outside the loop, imported into the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from loopwright.errors import LoopwrightError, ModelError, PermanentError
from loopwright.models.bases import pin
from loopwright.models.importing import Incoming, incoming
from loopwright.models.served import registered
from loopwright.providers.base import FieldChange, Observed, Operation, Opinion, Target
from loopwright.providers.local.job_adapter import refusal
from loopwright.providers.local.receipts import Receipt
from loopwright.providers.local.refusing import elsewhere, explained
from loopwright.providers.local.registered import (
    model_receipts,
    registry_of,
    told_now,
)
from loopwright.providers.local.registered_adapter import RegisteredAdapter

CONTENT = "weights.content"
"""What a plan calls the files of `weights.path`, which are no field of the spec."""


class ModelAdapter(RegisteredAdapter):
    """Imported models; the external id is `name@N`."""

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        """Beside the spec, a source that has changed."""
        found = super().observe(target, external_id)
        if found is None or found.status == "running":
            return found
        with explained(target.address, "observe"):
            receipt = model_receipts(self.places).get(found.external_id)
            source = receipt.facts.get("source", "") if receipt else ""
            return replace(found, beside=self._changed_source(target, source))

    def create(self, target: Target, key: str) -> Operation:
        """Begin to import the folder as the next revision. Raises PermanentError on a bad one."""
        with explained(target.address, "create"):
            source = self._source(target)
            name = target.address.name
            return self.begin(
                target,
                key,
                task="model_import",
                external_id=f"{name}@{registry_of(self.places).next_version(name)}",
                arguments={
                    "name": name,
                    "folder": str(source.folder),
                    "base": _base(target, source),
                    "trustRemoteCode": _is_trusted(target),
                    "spec": _told_spec(target),
                },
            )

    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        """Note another description; import the folder again when its files have changed."""
        if any(change.path == CONTENT for change in changes):
            return self.create(target, key)
        with explained(target.address, "update"):
            receipts = model_receipts(self.places)
            receipt = receipts.get(observed.external_id)
            if receipt is None:
                raise PermanentError(
                    f"cannot change {observed.external_id}: it is gone",
                    address=str(target.address),
                    action="update",
                    hint="the next apply imports it anew",
                )
            facts = {**receipt.facts, "spec": _edited(receipt.facts.get("spec", {}), changes)}
            receipts.put(replace(receipt, facts=facts))
        outputs = told_now(dict(receipt.outputs), self.places)
        return Operation(key, external_id=observed.external_id, outputs=outputs)

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove the revision and the earlier imports of this resource; numbers stay used."""
        with explained(target.address, "delete"):
            registry, receipts = registry_of(self.places), model_receipts(self.places)
            doomed = {found.external_id for found in receipts.owned(target.owner)}
            for label in sorted(doomed | {observed.external_id}):
                name, _, number = label.rpartition("@")
                if int(number) > int(observed.external_id.rpartition("@")[2]):
                    continue
                if registry.owner(name) == target.owner:
                    registry.remove(name, int(number), owner=target.owner)
                receipts.remove(label)
        return Operation(key, external_id=observed.external_id)

    def pins(self, target: Target) -> Mapping[str, str]:
        """The files that are imported, and what the base is: both decide answers."""
        source = self._digest(target) or self._imported(target)
        base = target.spec.get("base")
        found = {"weights.path": source} if source else {}
        if base:
            found["base"] = self._pinned(base)
        return found

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """What can be seen to be wrong with the folder before anything is copied."""
        weights = target.spec["weights"]
        if named := weights.get("providerId"):
            yield refusal(
                target,
                f"a local provider knows no model by an id such as {named}",
                "name a folder in weights.path" + elsewhere("Model"),
            )
            return
        if "://" in weights["path"]:
            yield refusal(
                target,
                f"a local provider imports folders, not {weights['path']}",
                "download it, e.g. with `aws s3 cp --recursive`, and name that folder",
            )
            return
        if self._digest(target) is None and self._imported(target):
            return  # the folder may go once it was imported
        try:
            source = self._source(target)
            if source.is_adapter:
                self._pinned(_base(target, source))
        except LoopwrightError as error:
            yield refusal(target, error.message, error.hint or "", path="weights.path")

    def _source(self, target: Target) -> Incoming:
        folder = _folder(target)
        if folder is None:
            raise ModelError("only folders can be imported here", hint="name one in weights.path")
        found = incoming(folder, trust_remote_code=_is_trusted(target))
        if found.is_adapter and not _base(target, found):
            raise ModelError(
                f"{folder} is an adapter, and nothing says what it is put on",
                hint="name its base model in spec.base",
            )
        return found

    def _digest(self, target: Target) -> str | None:
        """Of the folder as it is now; None when it is gone, or cannot be imported any more."""
        folder = _folder(target)
        if folder is None or not folder.is_dir():
            return None
        try:
            source = incoming(folder, trust_remote_code=_is_trusted(target))
            return source.digest(registry_of(self.places).digests)
        except ModelError:
            return None

    def _imported(self, target: Target) -> str:
        """Digest of the folder as it was imported last; empty before the first time."""
        newest = next(model_receipts(self.places).owned(target.owner), None)
        return str(newest.facts.get("source", "")) if newest else ""

    def _pinned(self, base: str) -> str:
        registry = registry_of(self.places)
        if (found := registered(base, registry)) is not None:
            return found.digest
        places = self.places
        return pin(base, project=places.project, environ=places.environ, pins=registry.pins)

    def _changed_source(self, target: Target, before: str) -> tuple[FieldChange, ...]:
        now = self._digest(target)
        if now is None or now == before:
            return ()
        return (FieldChange(CONTENT, before[-12:], now[-12:]),)

    def _told(self, receipt: Receipt) -> Observed:
        found = super()._told(receipt)
        return replace(found, spec=receipt.facts.get("spec", {}))


def _folder(target: Target) -> Path | None:
    path = target.spec["weights"].get("path")
    if not path or "://" in path:
        return None
    return (target.base_dir / Path(path).expanduser()).absolute()


def _is_trusted(target: Target) -> bool:
    return bool(target.spec.get("trustRemoteCode", False))


def _base(target: Target, source: Incoming) -> str:
    return str(target.spec.get("base") or source.base)


def _told_spec(target: Target) -> dict[str, Any]:
    """What is told back of the spec, as it was declared when it was imported."""
    fields = ("weights", "base", "trustRemoteCode", "description")
    return {field: target.spec[field] for field in fields if field in target.spec}


def _edited(spec: Mapping[str, Any], changes: Sequence[FieldChange]) -> dict[str, Any]:
    return {**spec, **{change.path: change.after for change in changes}}
