"""Planted values never survive, equal values get equal marks, and the rest stays as it was."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loopwright.gateway.own_patterns import SlowPatternError
from loopwright.gateway.redaction import Redactor, redactor
from loopwright.gateway.settings import Redaction
from loopwright.lake.exchange import HashKeys

KEYS = HashKeys(subject=b"s" * 32, content=b"c" * 32)
ALL = ("email", "phone", "idCard", "bankCard", "apiKey", "ip")
ORDER = {"order no": re.compile(r"ORD-\d{8}")}

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def clean_of(*names: str, patterns: dict[str, re.Pattern[str]] | None = None) -> Redactor:
    made = redactor(Redaction(names, patterns or {}), KEYS)
    assert made is not None
    return made


FULL = clean_of(*ALL, patterns=ORDER)


def text(written: str, clean: Redactor = FULL) -> str:
    return clean.text(written, Counter())


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text(alphabet="0123456789", min_size=length, max_size=length)


def _id_card(region: int, year: int, month: int, day: int, order: str) -> str:
    body = f"{region}{year}{month:02}{day:02}{order}"
    total = sum(int(one) * weight for one, weight in zip(body, _WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


def _card(first: str, rest: str) -> str:
    body = first + rest
    total = sum(
        sum(divmod(int(one) * (2 - place % 2), 10)) for place, one in enumerate(reversed(body))
    )
    return body + str(-total % 10)


def _grouped(number: str, separator: str) -> str:
    return separator.join(number[at : at + 4] for at in range(0, len(number), 4))


SECRET = st.text(alphabet="abcXYZ0189!#*@", min_size=4, max_size=8)
WORD = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
MOBILE = st.builds("1{}{}".format, st.sampled_from("3456789"), digits(9))
PLANTED = st.one_of(
    st.builds("{0}.{1}@{0}.{2}".format, WORD, WORD, st.sampled_from(["com", "cn", "co.uk"])),
    MOBILE,
    st.builds(lambda one: f"{one[:3]}-{one[3:7]}-{one[7:]}", MOBILE),
    st.builds(lambda one, pre: f"{pre}{one}", MOBILE, st.sampled_from(["+86", "+86 ", "0086-"])),
    st.builds(
        lambda one: "".join(chr(ord(digit) + 0xFEE0) for digit in one), MOBILE
    ),  # full-width digits
    st.builds("0{}-{}{}".format, st.sampled_from(["10", "21", "755"]), st.just("8"), digits(7)),
    st.builds(
        _id_card,
        st.integers(110000, 659999),
        st.integers(1930, 2024),
        st.integers(1, 12),
        st.integers(1, 28),
        digits(3),
    ),
    st.builds(_card, st.sampled_from(["4", "62", "51", "3"]), st.integers(12, 16).flatmap(digits)),
    st.builds(
        _grouped,
        st.builds(_card, st.just("4"), digits(14)),
        st.sampled_from([" ", "-"]),
    ),
    st.builds("sk-{}".format, st.text(alphabet="abcXYZ0189", min_size=20, max_size=40)),
    st.builds("AKLT{}".format, st.text(alphabet="abcXYZ0189", min_size=20, max_size=40)),
    st.ip_addresses(v=4).map(str),
    st.builds("ORD-{}".format, digits(8)),
    st.builds(
        "{}{}".format,
        st.sampled_from(["password: ", "pwd=", "api_key=", "密码：", "client_secret: ", "口令是"]),
        st.builds("{}7{}".format, SECRET, SECRET),
    ),
)
AROUND = st.text(alphabet="abc xyz，。电话:=\"'\\\n\té/(){}[]", max_size=12)


@given(AROUND, PLANTED, AROUND)
def test_no_planted_value_survives_in_text(before: str, planted: str, after: str) -> None:
    assert planted not in text(before + planted + after)


@given(AROUND, PLANTED, AROUND, st.integers(1, 3), st.booleans())
def test_no_planted_value_survives_in_json_within_text(
    before: str, planted: str, after: str, depth: int, ascii_only: bool
) -> None:
    """Tool arguments are JSON in a string; some clients put JSON in a string in there."""
    written = before + planted + after
    for _ in range(depth):
        written = json.dumps({"x": written}, ensure_ascii=ascii_only)
    clean = text(written)
    for _ in range(depth):
        clean = json.loads(clean)["x"]
    assert planted not in clean


@given(PLANTED)
def test_escapes_of_every_character_hide_nothing(planted: str) -> None:
    written = '{"x":"' + "".join(f"\\u{ord(one):04x}" for one in planted) + '"}'
    assert planted not in json.loads(text(written))["x"]


def places(planted: Any) -> st.SearchStrategy[Any]:
    """JSON in which `planted` stands somewhere: as a value, as a key, deep or not."""
    small = st.none() | st.booleans() | st.integers(-5, 5) | WORD
    other = st.dictionaries(WORD, small, max_size=3)
    here = st.just(planted) | st.just([planted]) | other.map(lambda one: {**one, "k": planted})
    named = other.map(lambda one: {**one, str(planted): 1})
    return st.recursive(
        here | named,
        lambda inner: (
            st.tuples(small, inner).map(list)
            | st.tuples(other, inner).map(lambda two: {**two[0], "deep": two[1]})
        ),
        max_leaves=4,
    )


@given(st.data(), PLANTED)
def test_no_planted_value_survives_in_json(data: st.DataObject, planted: str) -> None:
    value = data.draw(places(planted))
    counts = Counter[str]()
    clean = json.dumps(FULL.value(value, counts), ensure_ascii=False)
    assert planted not in clean
    assert sum(counts.values()) >= 1


@given(MOBILE | st.builds(_card, st.just("62"), digits(16)))
def test_whole_numbers_are_looked_at_like_text(planted: str) -> None:
    for number in (int(planted), -int(planted)):
        assert planted not in json.dumps(FULL.value({"n": [number]}, Counter()))
    assert planted not in json.dumps(FULL.value({"n": float(planted[:11])}, Counter()))


@given(st.lists(st.tuples(AROUND, PLANTED), min_size=1, max_size=5))
def test_many_values_in_one_text_are_all_replaced(parts: list[tuple[str, str]]) -> None:
    written = "".join(f"{around} {planted} ;" for around, planted in parts)
    clean = text(written)
    assert not [planted for _, planted in parts if planted in clean]


def test_a_value_gets_the_same_mark_however_it_is_written() -> None:
    forms = ("13800138000", "+86 138 0013 8000", "138-0013-8000", "１３８００１３８０００")
    (mark,) = {text(form) for form in forms}
    assert re.fullmatch(r"\[PHONE_[0-9a-f]{8}\]", mark)
    assert text("Alice@Example.com") == text("alice@example.com") != text("bob@example.com")
    assert text("ORD-12345678").startswith("[ORDER_NO_")


def test_own_patterns_may_mean_wide_signs() -> None:
    clean = clean_of(patterns={"客户": re.compile(r"客户：\d+")})
    assert text("客户：７７", clean).startswith("[客户_")
    assert text("客户：77 Ａ", clean).endswith("] Ａ")


def test_marks_of_another_lake_are_other_marks() -> None:
    other = redactor(Redaction(ALL), HashKeys(subject=b"s" * 32, content=b"d" * 32))
    assert other is not None
    assert text("a@example.com") != text("a@example.com", other)


def test_a_name_tells_that_its_value_is_a_key() -> None:
    key = "3f2a9c1e-1111-4222-8333-abcdefabcdef"
    clean = FULL.value({"ark_api_key": key, "prompt_tokens": 7, "id": key}, Counter())
    assert re.fullmatch(r"\[API_KEY_\w+\]", clean["ark_api_key"])
    assert (clean["prompt_tokens"], clean["id"]) == (7, key)
    assert FULL.value({"token": "of my gratitude"}, Counter()) == {"token": "of my gratitude"}


@pytest.mark.parametrize("secret", ["Hunt,er2(x", "p;w0rd", 12345678])
def test_the_value_of_a_named_field_goes_whole(secret: str | int) -> None:
    clean = FULL.value({"password": secret, "max_tokens": 12345678}, Counter())
    assert re.fullmatch(r"\[API_KEY_\w+\]", clean["password"])
    assert clean["max_tokens"] == 12345678
    for harmless in ("required", "at least 8 characters", 8, True):
        assert FULL.value({"password": harmless}, Counter()) == {"password": harmless}


def test_places_are_counted_by_detector() -> None:
    counts = Counter[str]()
    FULL.value(
        {"a": "x@example.com y@example.com", "13800138000": [ORDER and "ORD-12345678"]}, counts
    )
    assert counts == {"email": 2, "phone": 1, "order no": 1}


def test_what_overlaps_is_one_place_named_as_the_longest() -> None:
    counts = Counter[str]()
    inside = {"word": re.compile("example")}
    clean = clean_of("email", patterns=inside).text("to alice@example.com!", counts)
    assert re.fullmatch(r"to \[EMAIL_[0-9a-f]{8}\]!", clean)
    assert counts == {"email": 1}
    crossing = {"tail": re.compile(r"com and.*")}
    clean = clean_of("email", patterns=crossing).text("to alice@example.com and so on", counts)
    assert re.fullmatch(r"to \[[A-Z]+_[0-9a-f]{8}\]", clean)


def test_only_what_is_declared_is_replaced() -> None:
    written = "a@example.com 13800138000"
    assert text(written, clean_of("phone")).startswith("a@example.com [PHONE_")
    assert redactor(Redaction(), KEYS) is None


def test_json_in_text_stays_json() -> None:
    arguments = '{"phone": 13800138000, "to": ["a@example.com"], "n": 1}'
    clean = json.loads(text(arguments))
    assert re.fullmatch(r"\[PHONE_\w+\]", clean["phone"])
    assert clean["n"] == 1


@given(st.text(alphabet='abc \\nrtu0041@.com"', max_size=30))
def test_a_replaced_value_breaks_no_escape_around_it(around: str) -> None:
    written = json.dumps({"x": f"{around} a@example.com {around}"})
    assert "a@example.com" not in json.loads(text(written))["x"]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-1000, 1000)
        | st.text(alphabet="abc 你好。", max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    )
)
def test_json_that_holds_nothing_stays_as_it_is(value: Any) -> None:
    assume(not any(one.isdigit() and len(one) > 6 for one in re.findall(r"\w+", json.dumps(value))))
    assert FULL.value(value, Counter()) == value


def test_pictures_are_passed_over_and_what_surrounds_them_is_not() -> None:
    picture = "data:image/png;base64," + "QUJD13800138000" * 3
    clean = text(f"{picture} of a@example.com")
    assert clean.startswith(picture + " of [EMAIL_")
    assert "alice" not in text("data:text/plain;base64,alice@example.com")


def test_tokens_of_logprobs_do_not_spell_what_was_replaced() -> None:
    tokens = [{"token": one, "logprob": -1.0} for one in ("mail ali", "ce@exam", "ple.com")]
    completion = {"tokens": ["ali", "ce@exam", "ple.com"], "token_logprobs": [-1.0]}
    for logprobs in ({"content": tokens}, completion):
        choice = FULL.value({"logprobs": logprobs, "index": 0}, Counter())
        assert choice == {"logprobs": None, "index": 0}
    harmless = {"content": [{"token": "hi", "logprob": -1.0}]}
    assert FULL.value({"logprobs": harmless}, Counter()) == {"logprobs": harmless}


def test_vectors_stay_and_what_is_no_vector_is_looked_at() -> None:
    vector = [0.12345678901234567, -1.5]
    assert FULL.value({"embedding": vector}, Counter()) == {"embedding": vector}
    plain = clean_of(*ALL)
    assert plain.value(vector, Counter()) is vector
    assert plain.value([1.5, 13800138000.0], Counter())[1] != 13800138000.0


def test_a_pattern_that_never_ends_costs_the_text_and_not_the_call() -> None:
    clean = clean_of(patterns={"slow": re.compile(r"(x+x+)+y")})
    with pytest.raises(SlowPatternError):
        text("x" * 4000, clean)
    assert re.fullmatch(r"\[SLOW_[0-9a-f]{8}\]", text("x" * 4000, clean.patient()))


@pytest.mark.parametrize("lone", ["\ud800", "a\udfff@example.com"])
def test_lone_surrogates_do_no_harm(lone: str) -> None:
    assert isinstance(text(lone + " 13800138000"), str)


def test_deep_json_is_refused_and_not_skipped() -> None:
    deep = orjson.loads(b'{"a":' * 1000 + b"1" + b"}" * 1000)
    with pytest.raises(RecursionError):
        FULL.value(deep, Counter())
