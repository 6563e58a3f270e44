"""What `erase` finds, and the order in which it lets it go.

Everything that lies on this machine loses the subject's calls; whatever was made of them and
cannot be changed here is marked in the state. Each step can be repeated, so that an erasure that
was interrupted is finished by the next one.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from loopwright.cli.erasure_keys import KeyFate, key_fates, renew_keys
from loopwright.cli.erasure_words import receipt_bytes, receipt_journals
from loopwright.clock import to_text
from loopwright.disk import Disk
from loopwright.engine.lineage import Touched, downstream, marked
from loopwright.errors import LoopwrightError
from loopwright.state.store import Entry

if TYPE_CHECKING:
    from pathlib import Path

    from loopwright.cli.recorded_data import RecordedData, RecordedLake
    from loopwright.engine.workspace import Workspace
    from loopwright.lake.erasing.erasure import Journal, Traces
    from loopwright.lake.keys import Role
    from loopwright.lake.sql.history import History
    from loopwright.lake.store import Lake
    from loopwright.resources.address import Address
    from loopwright.state.records import Record
    from loopwright.state.store import StateSession

_MOVES_DATA = frozenset(
    {"CallImport", "Dataset", "Export", "FineTuneJob", "BatchInference", "EvalRun"}
)


class Copy(Protocol):
    """Something made of calls that a provider keeps: see the provider."""

    kind: str
    name: str
    lines: int | None
    erasable: bool
    made_again: bool


class Erasing(Protocol):
    """How a provider erases what it keeps on this machine beside lakes."""

    def settle(self, lakes: Mapping[str, Lake]) -> None: ...
    def copies(self, call_ids: Collection[str], *, lakes: Collection[str]) -> Sequence[Copy]: ...
    def erase(self, call_ids: Collection[str], *, lakes: Collection[str]) -> None: ...


@runtime_checkable
class ErasesData(Protocol):
    """What a provider offers whose data can be erased."""

    @property
    def erasing(self) -> Erasing: ...


@dataclass(frozen=True, slots=True)
class FoundIn:
    """What one lake, or inference dataset, holds of the subject."""

    place: RecordedLake
    traces: Traces
    inference: bool


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """All that an erasure would touch."""

    found: tuple[FoundIn, ...]
    copies: tuple[Copy, ...]
    touched: tuple[Touched, ...]
    queries: int
    """Lines of the query history and of the lakes' audit logs that quote the subject's id."""
    files: tuple[str, ...]
    """Files that calls were imported from; they stay as they are."""
    keys: tuple[KeyFate, ...] = ()

    @property
    def places(self) -> list[RecordedLake]:
        """The lakes and inference datasets that lose calls, each once."""
        return list({one.place.storage: one.place for one in self.found}.values())

    @property
    def storages(self) -> frozenset[str]:
        return frozenset(place.storage for place in self.places)

    @property
    def call_ids(self) -> frozenset[str]:
        return frozenset().union(*(one.traces.call_ids for one in self.found))

    @property
    def empty(self) -> bool:
        return not (self.call_ids or self.queries)


class Erasure:
    """One subject, in one environment. `subject` None: those of erasures that were begun."""

    def __init__(
        self, workspace: Workspace, data: RecordedData, *, subject: str | None, lake: str | None
    ) -> None:
        """Raises LoopwrightError when there is no such lake."""
        self._workspace = workspace
        self._subject = subject
        chosen = [data.lake(lake)] if lake else list(data.lakes)
        self._lakes = [*((one, False) for one in chosen), *_inference(data)]
        self._keepers = [one for one in data.keepers if isinstance(one, ErasesData)]

    def settle(self, role: Role) -> None:
        """Have every captured call in its lake. Raises LakeError while that cannot be."""
        lakes: dict[int, dict[str, Lake]] = {}
        for place, inference in self._lakes:
            if not inference:
                lakes.setdefault(id(place.keeper), {})[place.name] = place.open(role)
        for keeper in self._keepers:
            keeper.erasing.settle(lakes.get(id(keeper), {}))

    def plan(self, records: Mapping[Address, Record], role: Role) -> ErasurePlan:
        """Look, by the metadata keys alone. Changes nothing."""
        found = tuple(self._found(role))
        call_ids = frozenset().union(*(one.traces.call_ids for one in found))
        storages = frozenset(one.place.storage for one in found)
        copies = tuple(
            copy
            for keeper in self._keepers
            for copy in keeper.erasing.copies(call_ids, lakes=storages)
        )
        plan = ErasurePlan(
            found=found,
            copies=copies,
            touched=tuple(downstream(records, _roots(found, copies, records))),
            queries=self._quoted(role),
            files=tuple(_imported(records, found)),
        )
        return replace(plan, keys=tuple(key_fates(plan.places)))

    def closed(self, role: Role) -> Path | None:
        """End the erasures that died with their receipt written; the newest receipt there is."""
        from loopwright.lake.erasing.erasure import finish, unfinished

        receipts = {path: receipt_journals(path) for path in self._folder.glob("*.json")}
        known = frozenset().union(*receipts.values())
        for place, _ in self._lakes:
            lake = place.open(role)
            for journal in unfinished(lake):
                if journal.id in known:
                    finish(lake, journal)
        return max(receipts, key=lambda path: path.stat().st_mtime_ns, default=None)

    def apply(self, session: StateSession, plan: ErasurePlan, role: Role) -> Path:
        """Erase, and tell where the receipt lies. Raises LoopwrightError; then do it again."""
        from loopwright.lake.erasing.erasure import finish

        _refuse_running(session.records())
        self._forget_quotes(role)
        journals = [
            (place, journal) for place in plan.places for journal in self._erased(place.open(role))
        ]
        call_ids = plan.call_ids.union(*(journal.calls for _, journal in journals))
        name, at = self._name([journal for _, journal in journals])
        self._mark(session, plan, erasure=name, at=at)
        for keeper in self._keepers:
            keeper.erasing.erase(call_ids, lakes=plan.storages)
        renew_keys(plan.places)
        receipt = self._receipt(plan, [journal for _, journal in journals], name=name, at=at)
        for place, journal in journals:
            finish(place.open(role), journal)
        return receipt

    @property
    def _folder(self) -> Path:
        return self._workspace.state_dir / "erasures"

    @property
    def _history(self) -> History:
        from loopwright.lake.sql.history import History

        return History(self._workspace.state_dir / "sql" / "history.jsonl")

    def _found(self, role: Role) -> Iterator[FoundIn]:
        from loopwright.lake.erasing.erasure import trace, trace_unfinished

        for place, inference in self._lakes:
            lake = place.open(role)
            begun = trace_unfinished(lake)
            for traces in [trace(lake, self._subject)] if self._subject else begun:
                if traces.call_ids:
                    yield FoundIn(place, traces, inference)

    def _quoted(self, role: Role) -> int:
        if not self._subject:
            return 0
        audits = (place.open(role).audit for place, _ in self._lakes)
        in_audits = sum(audit.quoting(self._subject) for audit in audits)
        return self._history.quoting(self._subject) + in_audits

    def _forget_quotes(self, role: Role) -> None:
        if self._subject:
            self._history.forget(self._subject)
            for place, _ in self._lakes:
                place.open(role).audit.forget(self._subject)

    def _erased(self, lake: Lake) -> list[Journal]:
        from loopwright.lake.erasing.erasure import erase, resume

        return [erase(lake, self._subject)] if self._subject else resume(lake)

    def _name(self, journals: Sequence[Journal]) -> tuple[str, str]:
        """Of one erasure in several lakes: the first journal's, also when it is taken up again."""
        first = min(journals, key=lambda journal: journal.at, default=None)
        if first is None:
            return secrets.token_hex(8), to_text(self._workspace.clock.now())
        return first.id, first.at

    def _mark(self, session: StateSession, plan: ErasurePlan, *, erasure: str, at: str) -> None:
        records = session.records()
        for address in sorted({one.address for one in plan.touched}):
            touched = [one for one in plan.touched if one.address == address]
            entry = Entry(
                "erased",
                str(address),
                erasure,
                {"revisions": [one.revision for one in touched if one.revision is not None]},
            )
            record = marked(records[address], touched, erasure=erasure, at=at)
            session.commit([entry], {address: record})

    def _receipt(
        self, plan: ErasurePlan, journals: Sequence[Journal], *, name: str, at: str
    ) -> Path:
        disk, path = Disk(), self._folder / f"{name}.json"
        disk.make_folders(self._folder)
        disk.write_atomic(path, receipt_bytes(plan, journals, name=name, at=at))
        return path


def _inference(data: RecordedData) -> Iterator[tuple[RecordedLake, bool]]:
    for place in data.inference_datasets:
        yield place, True


def _roots(
    found: Sequence[FoundIn], copies: Sequence[Copy], records: Mapping[Address, Record]
) -> dict[str, tuple[int | None, bool]]:
    """External id of what was made of calls directly -> how many, and if they stay in it."""
    roots = {copy.name: (copy.lines, not (copy.erasable or copy.made_again)) for copy in copies}
    paths = {one.place.storage: len(one.traces.call_ids) for one in found if one.inference}
    for record in records.values():
        if record.outputs.get("path") in paths:
            roots[record.external_id] = (paths[record.outputs["path"]], False)
    return roots


def _imported(records: Mapping[Address, Record], found: Sequence[FoundIn]) -> Iterator[str]:
    lakes = {one.place.name for one in found}
    for address, record in sorted(records.items()):
        if address.kind == "CallImport" and str(record.spec.get("lake")).split("/")[-1] in lakes:
            yield from record.spec.get("files", ())


def _refuse_running(records: Mapping[Address, Record]) -> None:
    running = [
        str(address)
        for address, record in sorted(records.items())
        if record.pending and address.kind in _MOVES_DATA
    ]
    if running:
        raise LoopwrightError(
            f"{', '.join(running)} is under way and may bring erased calls back",
            hint="`loopwright apply --wait` ends it; then erase again",
        )
