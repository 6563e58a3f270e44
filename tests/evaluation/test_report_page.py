"""The HTML report: whole in one file, safe with any text, and right in a real browser."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from loopwright.evaluation.reports.html import Extra, page, write
from loopwright.evaluation.results import EvaluationResult, ItemRecord
from support.chromium import Tab, binary, tab
from support.evaluations import EVALUATED, HOSTILE, an_evaluation

CURVE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>curve(1)</script></svg>'


class Elements(HTMLParser):
    """Start tags with attributes, and the text of the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts.append(data)
            self._script = False


def evil(label: str) -> str:
    return f"{label} {HOSTILE}\" onload='x'"


def test_no_text_of_an_item_or_a_label_becomes_a_part_of_the_page() -> None:
    result, records = an_evaluation(items=120)
    plain = [tag for tag, _ in Elements(page(result, records)).found]
    assert any(HOSTILE in record.messages[1]["content"] for record in records)
    assert plain.count("script") == 2
    assert "img" not in plain
    renamed = replace(
        result,
        suite=evil(result.suite),
        subjects=[replace(s, label=evil(s.label)) for s in result.subjects],
        comparisons=[replace(c, other=evil(c.other)) for c in result.comparisons],
        lineage={evil("job"): evil("x")},
        notes=[evil("note")],
    )
    found = Elements(page(renamed, [])).found
    plainly = replace(result, lineage={"job": "x"}, notes=["note"])
    assert [tag for tag, _ in found] == [tag for tag, _ in Elements(page(plainly, [])).found]
    assert not any(name.startswith("on") for _, attributes in found for name in attributes)


def test_the_embedded_items_are_those_of_the_run() -> None:
    result, records = an_evaluation(items=120)
    data = json.loads(Elements(page(result, records)).scripts[0])
    assert [item["id"] for item in data["items"]] == [record.id for record in records]
    assert data["items"][3]["m"][1][1] == records[3].messages[1]["content"]
    tools = [item for item in data["items"] if item["c"] == "tools"]
    assert tools[0]["e"] == 'look_up_order({"order": 0})'


def test_a_page_is_for_its_owner_and_the_same_every_time(tmp_path: Path) -> None:
    result, records = an_evaluation(items=40)
    write(result, records, tmp_path / "a.html", extra=Extra(loss_curve=CURVE))
    write(result, records, tmp_path / "b.html", extra=Extra(loss_curve=CURVE))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert stat.S_IMODE((tmp_path / "a.html").stat().st_mode) == 0o600
    assert "curve(1)" not in (tmp_path / "a.html").read_text("utf-8")


def test_the_way_from_base_and_dataset_to_the_model_is_drawn() -> None:
    result, _ = an_evaluation(items=40)
    told = page(result, [])
    steps = re.findall(r"<li[^>]*><small>([^<]+)</small><b>([^<]+)</b></li>", told)
    assert steps == [
        ("base model", "builtin:tiny-chat"),
        ("dataset version", "tickets@v3"),
        ("fine-tune job", "FineTuneJob/ticket-router@2"),
        ("model", EVALUATED),
    ]
    assert 'class="chain"' not in page(replace(result, lineage={"job": "x"}), [])


def test_fewer_than_three_capabilities_are_bars_and_gaps_are_told() -> None:
    result, records = an_evaluation(items=40, capabilities=["routing", "tools"])
    text = page(result, records)
    assert "<svg viewBox" not in text
    assert text.count('class="group"') == 2 + 3
    *others, nobody = result.subjects
    unscored = replace(nobody, datasets=(), capabilities={}, composite=None)
    assert "<td>–</td>" in page(replace(result, subjects=[*others, unscored]), records)


# What a person with a browser would see, asked of the browser. Contrast is WCAG's, of every
# element that has text of its own, against the nearest ground that is not see-through.
CONTRAST = """
(() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const part = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length === 3) return color;
    }
    return [255, 255, 255];
  };
  const own = (e) => [...e.childNodes].filter((n) => n.nodeType === 3 && n.data.trim());
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!own(e).length || !e.getClientRects().length) continue;
    if (e.closest("script, noscript, .skip, :disabled")) continue;
    const style = getComputedStyle(e);
    const ink = parse(e instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([e.tagName, e.textContent.slice(0, 20), ratio.toFixed(2)]);
  }
  return poor;
})()
"""
SIZES = """
[...document.querySelectorAll(".track, .radar, .plot, .list, .detail, .forest")]
  .filter((e) => !e.closest("details:not([open])"))
  .map((e) => [e.className.baseVal ?? e.className, e.getBoundingClientRect()])
  .filter(([, r]) => r.width < 60 || r.height < 8 || r.left < -1 || r.right > innerWidth + 1)
  .map(([name, r]) => [name, r.width, r.height, r.left, r.right])
"""
OUTSIDE = """
[...document.querySelectorAll(".radar .axis")]
  .map((e) => [e, e.getBoundingClientRect(), e.closest("section").getBoundingClientRect()])
  .filter(([, r, card]) => r.left < card.left || r.right > card.right || r.top < card.top)
  .map(([e, r, card]) => [e.textContent, r.left, r.right, card.left, card.right])
"""
CUT = """
[...document.querySelectorAll("h1, h2, h3, h4, p, li, dt, dd, th, td, summary, .number, .text")]
  .filter((e) => !e.closest(".scroll, .list, .unseen, .contents") && e.getClientRects().length)
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline")
  .map((e) => [e.tagName, e.className, e.textContent.slice(0, 30), e.scrollWidth, e.clientWidth])
"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


EVERYWHERE = [(w, d) for w in (400, 480, 640, 800, 900, 1024, 1280, 1600) for d in (False, True)]


async def _looks_right(seen: Tab, width: int, *, dark: bool) -> None:
    await seen.look(width=width, dark=dark)
    at = f"{width} px, {'dark' if dark else 'light'}"
    assert await seen.evaluate(OVERFLOW) <= 0, at
    assert await seen.evaluate(SIZES) == [], at
    assert await seen.evaluate(CUT) == [], at
    assert await seen.evaluate(OUTSIDE) == [], at
    assert await seen.evaluate(CONTRAST) == [], at


async def _works(seen: Tab, total: int, imperfect: int) -> None:
    """Filters, search, keys; nothing is complained of and nothing asked of any network."""
    count = "document.querySelector('.status output').textContent"
    assert await seen.evaluate(count) == f"1–{min(100, imperfect)} of {imperfect}"
    await _choose(seen, "filter", "0")
    assert await seen.evaluate(count) == f"1–{min(100, total)} of {total:,}"
    await _choose(seen, "dataset", "tools / look-up-order")
    shown = await seen.evaluate("document.querySelectorAll('.list li').length")
    assert 0 < shown < total
    await _choose(seen, "dataset", "")
    # What was expected lies on lines, what was answered on one: only the word is marked.
    await _choose(seen, "dataset", "routing / unseen-sites")
    await _choose(seen, "filter", "1")
    marked = "[...document.querySelectorAll('.answer mark')].map((e) => e.textContent)"
    assert set(await seen.evaluate(marked)) == {"billing"}
    await _choose(seen, "filter", "0")
    await _choose(seen, "dataset", "")
    before = await seen.evaluate("document.querySelector('.detail').textContent")
    await seen.evaluate("document.querySelector('.list [aria-current]').focus()")
    await seen.press("j")
    assert await seen.evaluate("document.querySelector('.detail').textContent") != before
    await seen.evaluate("document.activeElement.blur()")
    await seen.press("/")
    assert await seen.evaluate("document.activeElement.id") == "find"
    for letter in "订单 7 ":
        await seen.press(letter)
    await seen.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert "订单 7 " in await seen.evaluate("document.querySelector('.detail').textContent")
    assert seen.complaints == []
    assert [url for url in seen.requests if not re.match("file:|data:", url)] == []


async def _choose(seen: Tab, field: str, value: str) -> None:
    await seen.evaluate(
        f"(() => {{ const f = document.getElementById({field!r}); f.value = {value!r};"
        " f.dispatchEvent(new Event('change')); })()"
    )


def _in_browser(
    folder: Path,
    result: EvaluationResult,
    records: list[ItemRecord],
    looks: Iterable[tuple[int, bool]],
) -> None:
    binary()
    path = folder / "report.html"
    write(result, records, path, extra=Extra(loss_curve=CURVE))
    main = result.subjects[0].label
    imperfect = sum(record.answers[main].score < 100 for record in records)

    async def look() -> None:
        async with tab(folder) as seen:
            await seen.look(width=1200)
            await seen.open(path)
            for width, dark in looks:
                await _looks_right(seen, width, dark=dark)
            await _works(seen, len(records), imperfect)

    asyncio.run(look())


def test_a_browser_shows_it_without_overflow_in_readable_colours(tmp_path: Path) -> None:
    result, records = an_evaluation()
    long = ("recorded tickets", "tickets nobody has recorded", "客服问答与售后服务记录")
    names = dict(zip(result.subjects[0].capabilities, long, strict=True))
    result = replace(
        result,
        subjects=[
            replace(
                s,
                capabilities={
                    n: score for k, score in s.capabilities.items() for n in (k, names[k])
                },
            )
            for s in result.subjects
        ],
    )
    _in_browser(tmp_path, result, records, [(400, False), (1200, False), (1600, True)])


@pytest.mark.slow
def test_a_browser_shows_it_at_every_width_in_both_schemes_with_10_000_items(
    tmp_path: Path,
) -> None:
    _in_browser(tmp_path, *an_evaluation(items=10_000), EVERYWHERE)


@pytest.mark.slow
def test_a_browser_shows_long_names_and_many_capabilities(tmp_path: Path) -> None:
    result, records = an_evaluation()
    names = {
        subject.label: f"some-organisation/A-Model-With-A-Very-Long-Name-{n}B-Instruct@refs/pr/{n}"
        for n, subject in enumerate(result.subjects)
    }
    found = [*result.subjects[0].capabilities.values()] * 3
    many = {f"能力 {n} of a suite with many of them": score for n, score in enumerate(found)}
    result = replace(
        result,
        subjects=[
            replace(s, label=names[s.label], capabilities={**s.capabilities, **many})
            for s in result.subjects
        ],
        comparisons=[replace(c, other=names[c.other]) for c in result.comparisons],
    )
    renamed = [
        replace(record, answers={names[label]: a for label, a in record.answers.items()})
        for record in records
    ]
    _in_browser(tmp_path, result, renamed, EVERYWHERE)
