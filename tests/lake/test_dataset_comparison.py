"""How a sample is said to differ from its population."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import dataset_calls as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.lake.datasets.building import build
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.datasets.comparison import Difference, language
from loopwright.lake.datasets.estimating import estimate
from loopwright.lake.keys import MasterKey, Role
from loopwright.lake.store import Lake

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1000), min_size=1)


@settings(deadline=None, derandomize=True)
@given(counts, counts)
def test_the_distance_is_one(population: dict[str, int], sample: dict[str, int]) -> None:
    there, back = Difference(population, sample), Difference(sample, population)
    assert there.distance == pytest.approx(back.distance)
    assert 0 <= there.distance <= 1 + 1e-9
    assert Difference(population, population).distance == 0
    assert Difference(population, {name: 3 * n for name, n in population.items()}).is_alike
    if not population.keys() & sample.keys():
        assert there.distance == pytest.approx(1)


def test_what_chance_explains_is_no_difference_and_what_it_does_not_is_named() -> None:
    population = {"03h": 4_000, "12h": 96_000}
    assert Difference(population, {"03h": 1, "12h": 9}).is_alike
    looked_at = {"Latin": 128, "Chinese": 128}  # a few of many
    assert Difference(looked_at, {"Latin": 5_400, "Chinese": 4_600}).is_alike
    assert not Difference(looked_at, {"Latin": 9_000, "Chinese": 1_000}).is_alike
    skewed = Difference(population, {"03h": 1_200, "12h": 8_800})
    assert not skewed.is_alike
    assert skewed.distance == pytest.approx(0.08)
    assert skewed.verdict == "more 03h: 12% of the sample, 4% of the population"


def test_few_hours_of_many_are_told_even_of_a_small_sample_and_chance_is_not() -> None:
    hours = [f"{hour:02}h" for hour in range(24)]
    day = dict.fromkeys(hours, 17)
    assert not Difference(day, dict.fromkeys(hours[:6], 10)).is_alike
    chance = Random(7)
    drawn = [Counter(chance.choices(hours, k=size)) for size in (5, 20, 60, 400) * 50]
    assert sum(not Difference(day, sample).is_alike for sample in drawn) <= len(drawn) // 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is my card?", "Latin"),
        ("我的 iPhone 在哪里", "Chinese"),
        ("カードはどこですか", "Japanese"),
        ("카드 어디", "Korean"),
        ("Где карта", "Cyrillic"),
        ("42 + 1 = ?", "(unknown)"),
    ],
)
def test_the_script_of_a_text(text: str, expected: str) -> None:
    assert language(text) == expected


def test_a_skewed_draw_is_told_by_the_plan_and_by_the_manifest(tmp_path: Path) -> None:
    """The last of two hundred calls are of one endpoint, at night, long and in Chinese."""
    calls = [
        made.record(
            n * 6,
            text=f"问题 {n}" if n >= 150 else f"question {n}",
            endpoint="late" if n >= 150 else "early",
            input_tokens=5000 if n >= 150 else 20,
            has_tools=False,
        )
        for n in range(200)
    ]
    lake = made.make_lake(tmp_path / "lake", *made.cut_up(calls, 3))
    recipe = made.recipe(sampling={"count": 50, "order": "reverseChronological"})
    master = MasterKey.from_file(tmp_path / "lake.key")
    reader = Lake.open(lake.root, master=master, role=Role.READER)
    foreseen = estimate(reader.snapshot(), recipe).comparison
    assert foreseen["endpoint"].sample == {"late": 50}
    assert foreseen["endpoint"].distance == pytest.approx(0.75)
    assert foreseen["length"].verdict.startswith("more 4,096 to 16,383 tokens: 100%")
    assert foreseen["tools"].is_alike
    assert foreseen["version"].is_alike
    assert "language" not in foreseen  # needs text
    manifest = build(lake, recipe, catalog=Catalog(tmp_path / "sets"), name="n", owner="me")
    assert manifest.comparison["endpoint"] == foreseen["endpoint"].to_json()
    told = manifest.comparison["language"]
    assert told["sample"] == {"Chinese": 50}
    assert told["population"] == {"Chinese": 50, "Latin": 150}
    assert Catalog(tmp_path / "sets").load("n") == manifest


def test_a_random_draw_is_like_its_population(tmp_path: Path) -> None:
    calls = [made.record(n, endpoint=f"e{n % 4}") for n in range(1000)]
    lake = made.make_lake(tmp_path / "lake", calls)
    found = estimate(lake.snapshot(), made.recipe(sampling={"ratio": 0.3})).comparison
    assert all(one.is_alike for one in found.values())
    assert set(found) == {"endpoint", "version", "length", "hour", "tools"}
