"""The build task: the next version of a dataset, committed once however often it is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loopwright.errors import DatasetError
from loopwright.lake.datasets.building import BuildProgress, build
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.datasets.held_out import HeldOut
from loopwright.lake.datasets.recipe import Recipe
from loopwright.lake.datasets.version import TRAIN, VALIDATION, NotEnoughRowsError, VersionManifest
from loopwright.lake.keys import Role
from loopwright.lake.store import Lake
from loopwright.providers.base import Progress
from loopwright.providers.local.lake_place import open_lake
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, Receipts
from loopwright.providers.local.recipes import RECEIPTS
from loopwright.providers.local.shortages import remember_shortage
from loopwright.providers.local.tasks import Outcome

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work

_MOST_NUMBERS = 10


def run(work: Work) -> Outcome:
    """Build under a number and a cut that the first attempt settles.

    A later attempt of the same job finds what it committed by both. Raises DatasetError, and
    NotEnoughRowsError when there are too few usable calls.
    """
    arguments = work.arguments
    named = arguments["lake"]
    lake = open_lake(named["storage"], named["key"], work.places, role=Role.STANDARD)
    catalog = Catalog(work.places.datasets)
    manifest = _built(work, lake, catalog)
    outputs = work.told(_outputs(manifest, catalog, work.places))
    external_id = f"{manifest.name}@v{manifest.version}"
    receipt = Receipt(external_id, work.job.owner, work.job.revision, outputs)
    Receipts(work.places.datasets / RECEIPTS).put(receipt)
    return Outcome(external_id, outputs, _message(manifest))


def _built(work: Work, lake: Lake, catalog: Catalog) -> VersionManifest:
    """When another run took the number in the meantime, the next one is tried."""
    name, recipe = work.arguments["name"], Recipe.from_spec(work.arguments["recipe"])

    def settle() -> dict[str, Any]:
        return {"version": catalog.next_version(name), "cut": lake.snapshot().cut}

    def report(progress: BuildProgress) -> None:
        note = f"{progress.walked:,} calls looked at"
        work.report(Progress(progress.kept, progress.wanted or 0, "rows", note))

    for attempt in range(_MOST_NUMBERS):
        claim = work.claim(settle, anew=attempt > 0)
        try:
            return build(
                lake,
                recipe,
                catalog=catalog,
                name=name,
                owner=work.arguments["owner"],
                version=claim["version"],
                cut=claim["cut"],
                held_out=HeldOut(catalog).questions(recipe.held_out),
                not_held_against=work.arguments.get("notHeldAgainst"),
                progress=report,
            )
        except NotEnoughRowsError as error:
            remember_shortage(work.places, recipe, lake, cut=claim["cut"], error=error)
            raise
        except DatasetError:
            if catalog.next_version(name) <= claim["version"]:
                raise
    raise DatasetError(f"{_MOST_NUMBERS} other versions of {name} were built at the same time")


def _outputs(manifest: VersionManifest, catalog: Catalog, places: Places) -> dict[str, Any]:
    splits = manifest.split["lines"]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest,
        "path": places.text(catalog.folder(manifest.name, manifest.version)),
        "lakeId": manifest.lake_id,
        "cut": manifest.cut,
        "population": manifest.population,
        "matched": manifest.matched,
        "sampled": manifest.sampled,
        "rows": manifest.kept,
        "trainRows": splits.get(TRAIN, 0),
        "validationRows": splits.get(VALIDATION, 0),
        "dropped": dict(manifest.dropped),
        "leaks": {name: dict(ways) for name, ways in manifest.leaks.items()},
        "corrected": manifest.corrected,
        "comparison": {
            dimension: {"distance": told["distance"], "verdict": told["verdict"]}
            for dimension, told in manifest.comparison.items()
        },
        "tokens": sum(manifest.tokens.values()),
    }


def _message(manifest: VersionManifest) -> str:
    """E.g. `v2: 400 rows of 2,064 calls, 12 left out (duplicate 10, too long 2)`."""
    left_out = sum(manifest.dropped.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in manifest.dropped.items())
    dropped = f", {left_out:,} left out ({reasons})" if left_out else ""
    kept, matched = _count(manifest.kept, "row"), _count(manifest.matched, "call")
    return f"v{manifest.version}: {kept} of {matched}{dropped}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"
