"""What an Export reads, between plan and job: a version of a dataset, or a query over a lake.

A whole inference dataset is the query for all of it; a template is a query with a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from loopwright.errors import PermanentError
from loopwright.providers.base import Resolved, Target
from loopwright.providers.local.lake_place import LakePlace, lake_arguments, open_lake
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import exports_of, known_lakes

if TYPE_CHECKING:
    from loopwright.lake.keys import Role
    from loopwright.lake.sql.answer import Answer
    from loopwright.lake.sql.request import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySource:
    """A query, and how to open the lake that it reads. JSON, for a job."""

    lake: Mapping[str, Any]
    query: str
    view: str = ""
    """Name of the one view, where it is not the views of a lake."""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def asked(
        self, places: Places, *, role: Role, limits: Limits, cut: int | None = None, **wanted: Any
    ) -> Iterator[Answer]:
        """Run it; raises as `ask`."""
        from loopwright.lake.sql.asking import View, ask, views_of
        from loopwright.lake.sql.templates import parse

        lake = open_lake(self.lake["storage"], self.lake["key"], places, role=role)
        views = [View(self.view, lake, through=cut)] if self.view else views_of(lake, through=cut)
        values = parse(self.query, name="the template").values(self.parameters)
        with ask(self.query, views, parameters=values, limits=limits, **wanted) as answer:
            yield answer


def query_source(target: Target, places: Places) -> QuerySource:
    """Raises PermanentError when the lake is not in place, SqlError over an unknown template."""
    from loopwright.lake.sql.request import quote
    from loopwright.lake.sql.templates import Templates

    source = target.spec["source"]
    if name := source.get("inferenceDataset"):
        found = target.inputs.get("source.inferenceDataset")
        return QuerySource(
            lake=lake_arguments(found), query=f"SELECT * FROM {quote(name)}", view=name
        )
    query = source.get("query")
    if query is None:
        query = Templates(places.project / "queries").get(source["template"]).query
    return QuerySource(
        lake=lake_arguments(target.inputs.get("source.lake")),
        query=query,
        parameters={name: str(value) for name, value in source.get("parameters", {}).items()},
    )


def dataset_source(target: Target) -> Resolved:
    """Raises PermanentError when the dataset is not one of a local provider."""
    found = target.inputs.get("source.dataset")
    if found is None or "path" not in found.outputs:
        raise PermanentError(
            f"cannot export for {target.address}: its dataset has no version on this machine",
            address=str(target.address),
            hint="apply the Dataset first, with a Provider of type local",
        )
    return found


def version_of(source: Resolved) -> dict[str, Any]:
    """Which version, and the datasets folder that it lies in."""
    return {
        "name": source.outputs["name"],
        "version": source.outputs["version"],
        "datasets": str(PurePosixPath(source.outputs["path"]).parent.parent),
    }


def lake_of_version(source: Resolved, places: Places) -> dict[str, Any]:
    """How to open the lake that a version was drawn from. Raises PermanentError."""
    wanted = source.outputs.get("lakeId")
    for known in known_lakes(places).all():
        if _is_lake(known.external_id, wanted, places):
            return {"storage": known.external_id, "key": known.facts["masterKey"]}
    for made in exports_of(places).all():
        if "masterKey" in made.outputs and _is_lake(made.outputs["path"], wanted, places):
            return {"storage": made.outputs["path"], "key": made.outputs["masterKey"]}
    raise PermanentError(
        f"the lake of {source.outputs['name']} is not on this machine any more",
        hint="an inference dataset is made of the calls themselves; export to a path instead",
    )


def _is_lake(storage: str, lake_id: object, places: Places) -> bool:
    place = LakePlace.of(storage, places)
    return place.exists and place.facts.get("id") == lake_id
