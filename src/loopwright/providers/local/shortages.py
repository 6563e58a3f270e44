"""What a build found out when there were too few rows, so that the next plan waits with a number.

Metadata gives an upper bound where text decides; only a build that opened the text knows better.
"""

from __future__ import annotations

from loopwright.lake.datasets.recipe import Recipe
from loopwright.lake.datasets.version import NotEnoughRowsError
from loopwright.lake.datasets.walking import Draw
from loopwright.lake.store import Lake
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, Receipts


def remember_shortage(
    places: Places, recipe: Recipe, lake: Lake, *, cut: int, error: NotEnoughRowsError
) -> None:
    """Note how many usable rows a recipe found in a lake up to a cut."""
    facts = {"lake": lake.lake_id, "cut": cut, "have": error.have}
    _notes(places).put(Receipt(recipe.digest, owner="", facts=facts))


def known_shortage(places: Places, recipe: Recipe, lake: Lake) -> int | None:
    """Usable rows as of the last try, while what came since cannot fill the count."""
    note, wanted = _notes(places).get(recipe.digest), recipe.sampling.count
    if note is None or wanted is None or note.facts["lake"] != lake.lake_id:
        return None
    have: int = note.facts["have"]
    before = lake.snapshot(through=note.facts["cut"])
    came = Draw(lake.snapshot(), recipe).population.count - Draw(before, recipe).population.count
    return have if have + came < wanted else None


def _notes(places: Places) -> Receipts:
    return Receipts(places.datasets / ".shortages")
