"""The import task: a folder of weights becomes the next revision of a model, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.clock import SystemClock, to_text
from loopwright.models.bases import resolve
from loopwright.models.card import licence_of
from loopwright.models.importing import Incoming, incoming
from loopwright.models.served import registered
from loopwright.models.version import BaseFacts, ModelVersion
from loopwright.providers.base import Progress
from loopwright.providers.local.receipts import Receipt
from loopwright.providers.local.registered import model_outputs, model_receipts, registry_of
from loopwright.providers.local.tasks import Outcome

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work


def run(work: Work) -> Outcome:
    """Copy, check and register. What an earlier attempt committed is found by the job's key.

    Raises ModelError: no safetensors, code that is not trusted, a base that is not at hand.
    """
    arguments, run_key = work.arguments, work.folder.path.name
    registry = registry_of(work.places)
    source = incoming(Path(arguments["folder"]), trust_remote_code=arguments["trustRemoteCode"])
    digest = source.digest(registry.digests)
    made = registry.made_by(arguments["name"], run_key) or _imported(work, source, run_key)
    outputs = work.told(model_outputs(made, work.places))
    facts = {"spec": arguments["spec"], "source": digest}
    model_receipts(work.places).put(
        Receipt(made.label, work.job.owner, outputs=outputs, facts=facts)
    )
    return Outcome(made.label, outputs, f"{made.parameters:,} parameters, {made.size:,} bytes")


def _imported(work: Work, source: Incoming, run_key: str) -> ModelVersion:
    registry, name = registry_of(work.places), work.arguments["name"]
    base = _base(work, source)
    version = registry.next_version(name)
    staged, size = registry.staging(name, version), source.size
    source.copy(staged, lambda done: work.report(Progress(done, size, "bytes")))
    return registry.commit(
        name,
        version,
        owner=work.job.owner,
        base=base,
        lineage={"importedFrom": work.places.text(source.folder)},
        metrics={},
        created_at=to_text(SystemClock().now()),
        run=run_key,
        licence=licence_of(source.folder),
        trust_remote_code=work.arguments["trustRemoteCode"],
    )


def _base(work: Work, source: Incoming) -> BaseFacts | None:
    """What an adapter is put on, resolved; of a full model only its name, where it is given."""
    reference = work.arguments["base"]
    if not source.is_adapter:
        return BaseFacts(reference, "", "") if reference else None
    registry = registry_of(work.places)
    if (found := registered(reference, registry)) is not None:
        return BaseFacts(found.label, "", found.digest)
    base = resolve(
        reference,
        project=work.places.project,
        environ=work.places.environ,
        pins=registry.pins,
        trust_remote_code=work.arguments["trustRemoteCode"],
        download=True,
    )
    return BaseFacts(base.reference, base.revision, base.digest)
