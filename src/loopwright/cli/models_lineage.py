"""`loopwright models lineage`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.models_words import AS_JSON, SHORT
from loopwright.cli.output import say, say_json
from loopwright.cli.recorded_models import RecordedModels, recorded_models

if TYPE_CHECKING:
    from loopwright.models.version import ModelVersion
    from loopwright.resources.address import Address
    from loopwright.state.records import Record, Revision


@dataclass(frozen=True, slots=True)
class Node:
    """Something a model came from or went to."""

    what: str
    name: str
    note: str = ""
    below: tuple[Node, ...] = field(default=())


@click.command()
@click.argument("model", metavar="NAME[@REVISION]")
@AS_JSON
@project_options
def command(model: str, as_json: bool, options: ProjectOptions) -> None:
    """Draw where a model comes from and where it went: job, dataset, lake, base, endpoints."""
    with recorded_models(options) as data:
        _, version = data.version(model)
        found = lineage(version, data)
    if as_json:
        say_json(asdict(found))
    else:
        say("\n".join([_line(found), *_drawn(found.below, "")]))


def lineage(version: ModelVersion, data: RecordedModels) -> Node:
    """The tree of one revision, from its record and from state."""
    below = [*_origin(version, data), *_base(version)]
    below += [
        Node("evaluated by", str(address), note)
        for address, note in _evaluations(version, data.records)
    ]
    below += [Node("served by", address) for address in data.served_by(version)]
    return Node(version.kind, version.label, version.digest[:SHORT], tuple(below))


def _origin(version: ModelVersion, data: RecordedModels) -> Iterator[Node]:
    made = data.made_by(version)
    if made is None:
        owner = version.owner.partition("/")[2]
        dataset = version.lineage.get("dataset")
        below = (Node("dataset", str(dataset), "as its record says"),) if dataset else ()
        yield Node("made by", owner, "not in this state", below)
        return
    record, revision = made
    if revision is None:
        source = version.lineage.get("importedFrom", "")
        yield Node("imported by", str(record.address), f"from {source}" if source else "")
        return
    seconds = revision.outputs.get("seconds")
    note = f"revision {revision.number}" + (f", {seconds:,.0f} s" if seconds else "")
    yield Node("made by", str(record.address), note, tuple(_datasets(revision, data.records)))


def _datasets(revision: Revision, records: Mapping[Address, Record]) -> Iterator[Node]:
    """Dataset versions by the digests that the run was made from."""
    for path, digest in revision.inputs.items():
        for address, record in records.items():
            if address.kind != "Dataset":
                continue
            for made in record.revisions:
                if made.outputs.get("digest") == digest:
                    version = made.outputs.get("version", made.number)
                    rows = made.outputs.get("rows")
                    note = digest[:SHORT] + (f", {rows:,} rows" if rows else "")
                    what = "validated on" if path == "validation.dataset" else "dataset"
                    yield Node(what, f"{address}@{version}", note, _lake(made, records))


def _lake(made: Revision, records: Mapping[Address, Record]) -> tuple[Node, ...]:
    source = made.spec.get("source") or {}
    if (named := source.get("inferenceDataset")) is not None:
        return (Node("inference dataset", str(named)),)
    name = str(source.get("lake", ""))
    cut = made.outputs.get("cut")
    imports = tuple(
        Node("import", str(address), _count(record.outputs.get("calls"), "calls"))
        for address, record in sorted(records.items())
        if address.kind == "CallImport" and record.spec.get("lake") == name
    )
    note = f"up to call {cut:,}" if isinstance(cut, int) else ""
    return (Node("lake", name, note, imports),) if name else ()


def _base(version: ModelVersion) -> Iterator[Node]:
    if version.base is not None:
        commit = f"at {version.base.revision}" if version.base.revision else ""
        facts = filter(None, (commit, version.base.digest[:SHORT]))
        yield Node("base", version.base.reference, ", ".join(facts))


def _evaluations(
    version: ModelVersion, records: Mapping[Address, Record]
) -> Iterator[tuple[str, str]]:
    for address, record in sorted(records.items()):
        if address.kind != "EvalRun":
            continue
        for revision in record.revisions:
            models: Any = revision.outputs.get("models") or {}
            if version.digest in models.values():
                composite = revision.outputs.get("composite")
                told = f"composite {composite:.1f}" if isinstance(composite, int | float) else ""
                yield f"{address}@{revision.number}", told


def _count(value: object, noun: str) -> str:
    return f"{value:,} {noun}" if isinstance(value, int) else ""


def _line(node: Node) -> str:
    return f"{node.what} {node.name}{f'  ({node.note})' if node.note else ''}"


def _drawn(nodes: tuple[Node, ...], indent: str) -> Iterator[str]:
    for index, node in enumerate(nodes):
        last = index == len(nodes) - 1
        yield f"{indent}{'└─' if last else '├─'} {_line(node)}"
        yield from _drawn(node.below, f"{indent}{'   ' if last else '│  '}")
