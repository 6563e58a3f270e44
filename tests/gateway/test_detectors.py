"""What the detectors find, what they leave alone, and that they never take long."""

from __future__ import annotations

import re
import sys
import time
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.gateway.detectors import detectors
from loopwright.gateway.number_detectors import luhn
from loopwright.gateway.own_patterns import Patience, SlowPatternError

ALL = ("email", "phone", "idCard", "bankCard", "apiKey", "ip")
ID = "11010519491231002X"
CARD = "6222021234567890128"


def found(text: str, *names: str) -> list[tuple[str, str, str]]:
    """(detector, what stands in the text, plain value) of the longest finding of each place."""
    every = [one for detect in detectors(names or ALL, {}) for one in detect(text)]
    every.sort(key=lambda one: one.start - one.end)
    kept = [
        one
        for number, one in enumerate(every)
        if not any(one.start < known.end and known.start < one.end for known in every[:number])
    ]
    return [(one.name, text[one.start : one.end], one.value) for one in sorted(kept)]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("13800138000", "13800138000"),
        ("138 0013 8000", "13800138000"),
        ("138-0013-8000", "13800138000"),
        ("138.0013.8000", "13800138000"),
        ("+86 138 0013 8000", "13800138000"),
        ("+8613800138000", "13800138000"),
        ("(+86)13800138000", "13800138000"),
        ("(+86) 138-0013-8000", "13800138000"),
        ("0086-13800138000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("86 138 0013 8000", "13800138000"),
        ("010-88886666", "01088886666"),
        ("(010) 8888 6666", "01088886666"),
        ("0755 26981234", "075526981234"),
        ("075526981234", "075526981234"),
        ("+86 10 8888 6666", "861088886666"),
        ("400-820-8820", "4008208820"),
        ("400-8208-820", "4008208820"),
        ("+1 (555) 123-4567", "15551234567"),
        ("(555) 123-4567", "5551234567"),
        ("1-555-123-4567", "15551234567"),
        ("555.123.4567", "5551234567"),
        ("+44 20 7946 0958", "442079460958"),
        ("020 7946 0958", "02079460958"),
        ("07911 123456", "07911123456"),
        ("06 12 34 56 78", "0612345678"),
        ("+33 6 12 34 56 78", "33612345678"),
        ("0044 20 7946 0958", "00442079460958"),
        ("090-1234-5678", "09012345678"),
        ("+852 9123 4567", "85291234567"),
    ],
)
def test_telephone_numbers_are_found_however_they_are_grouped(written: str, value: str) -> None:
    assert found(f"call {written}, please", "phone") == [("phone", written, value)]
    assert found(f"电话{written}。", "phone") == [("phone", written, value)]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-15 13:00:00",
        "01-02-2024 12",
        "created 1700000000",
        "1700000000123",
        "version 1.2.3, build 20240115",
        "loss 0.6931471805599453",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14",
        "12 34 56 78 90 12 34 56 78 90",
        "2019 2020 2021 2022",
        "order 123456789",
        "ISBN 978-7-111-54742-6",
        "110105194912310021",
        "4111111111111112",
        "a[1::2] std::vector 12:30:45",
        "digits = '0123456789abcdef'",
        "slope=3.09078914170 and +35236450.6",
        "86.6025403784",
        "2005-05-26-10458.68",
        "password = self.keyring.get_password(url)",
        "cache_key = 'user-profile-20240115-long'",
        "password: required",
        "token: string",
        '{"password": {"type": "string", "minLength": 8}}',
        '{"token": "string", "secret": "object", "api_key": "integer"}',
        "password: str = Field(min_length=8)",
        "the password must be 8 characters, 密码至少8位",
        "max_tokens: 4096000, token: 1234567890123",
        "pwd=/srv/team1/work2",
        "password: ${DB_PASSWORD1} token=$ACCESS_TOKEN_12345",
        "Authorization: Basic authentication",
        "password: <password1> {{password2}}",
        "secret: level2",
        "the api key is required for v2 of it",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        (ID, "idCard", ID),
        (ID.lower(), "idCard", ID),
        ("110105 19491231 002X", "idCard", ID),
        ("110105491231002", "idCard", "110105491231002"),
        (CARD, "bankCard", CARD),
        ("6222 0212 3456 7890 128", "bankCard", CARD),
        ("4111-1111-1111-1111", "bankCard", "4111111111111111"),
        ("4111.1111.1111.1111", "bankCard", "4111111111111111"),
        ("3782 822463 10005", "bankCard", "378282246310005"),
        ("alice.o'hara+x@mail.example.co.uk", "email", "alice.o'hara+x@mail.example.co.uk"),
        ("Alice%40Example.COM", "email", "alice@example.com"),
        ("192.168.10.25", "ip", "192.168.10.25"),
        ("2001:0db8:0:0:0:0:0:1", "ip", "2001:db8::1"),
        ("fe80::1ff:fe23:4567:890a", "ip", "fe80::1ff:fe23:4567:890a"),
        ("sk-proj-abcdefghijklmnop1234", "apiKey", "sk-proj-abcdefghijklmnop1234"),
        ("AKIAIOSFODNN7EXAMPLE", "apiKey", "AKIAIOSFODNN7EXAMPLE"),
        ("AKLTYWJjZGVmZ2hpamtsbW5vcA==", "apiKey", "AKLTYWJjZGVmZ2hpamtsbW5vcA=="),
        ("ghp_" + "a1" * 18, "apiKey", "ghp_" + "a1" * 18),
        ("xoxb-123456789012-abcdef", "apiKey", "xoxb-123456789012-abcdef"),
        ("hf_" + "Ab" * 17, "apiKey", "hf_" + "Ab" * 17),
        ("AIza" + "Sy0-" * 9, "apiKey", "AIza" + "Sy0-" * 9),
        ("eyJhbGciOi.eyJzdWIiOiI.c2lnbmF0dXJl", "apiKey", "eyJhbGciOi.eyJzdWIiOiI.c2lnbmF0dXJl"),
        ("Bearer 0123456789abcdef", "apiKey", "Bearer 0123456789abcdef"),
        ("3f2a9c1e-1111-4222-8333-abcdefabcdef", "apiKey", "3f2a9c1e-1111-4222-8333-abcdefabcdef"),
    ],
)
def test_other_secrets_are_found_by_their_form(written: str, name: str, value: str) -> None:
    before = "api_key=" if written.startswith("3f2a") else "it is "
    assert found(f"{before}{written} now", name) == [(name, written, value)]


@pytest.mark.parametrize(
    ("before", "secret"),
    [
        ("password: ", "hunter2xyz"),
        ("password=", "Hunter2!"),
        ("api_key=", "9f8e7d6c5b4a"),
        ("api key: ", "9f8e7d6c5b4a"),
        ("pwd=", "abc12345"),
        ("passwd: ", "abc12345"),
        ("secret=", "abcd1234efgh5678"),
        ("client_secret: ", "abcd1234efgh5678"),
        ("https://x.io/a?b=1&token=", "abcdef0123456789ffff"),
        ("access_token=", "a1b2c3"),
        ("密码：", "abc12345"),
        ("密码是", "abc12345"),
        ("我的密码是：", "abc12345"),
        ("口令：", "abc12345"),
        ("my password is ", "hunter2xyz"),
        ("**Password:** ", "hunter2xyz"),
        ("password: `", "hunter2xyz"),
        ('{"password": "', "a,b(c)1]"),
        ("DB_PASSWORD='", "p@ss;w0rd"),
        ("Authorization: Basic ", "dXNlcjpwYXNz"),
        ("-H 'Authorization: Basic ", "dXNlcjpwYXNzMQ=="),
        ('"authorization": "', "9f8e7d6c5b4a"),
        ("passphrase => ", "tr0ub4dor"),
    ],
)
def test_what_is_named_a_secret_is_found(before: str, secret: str) -> None:
    after = before[-1] if before[-1] in "\"'`" else " "
    assert found(f"{before}{secret}{after} now", "apiKey") == [("apiKey", secret, secret)]


def test_a_private_key_is_found_whole_even_when_its_end_is_missing() -> None:
    body = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n" + "q83+/=\n" * 20
    whole = body + "-----END RSA PRIVATE KEY-----"
    assert found(f"x {whole} y", "apiKey")[0][1] == whole
    assert found(f"x {body}", "apiKey")[0][1] == body


def test_a_card_beside_other_numbers_is_found() -> None:
    assert found("pay 123 4111 1111 1111 1111 99 now", "bankCard") == [
        ("bankCard", "4111 1111 1111 1111", "4111111111111111")
    ]
    assert found("no 7 13800138000 5", "phone") == [("phone", "13800138000", "13800138000")]


def test_the_luhn_check() -> None:
    assert luhn("79927398713")
    assert not any(luhn(f"7992739871{digit}") for digit in "012456789")


@given(st.text(alphabet="0123456789-+(). xX:@abAK%", max_size=60))
def test_findings_lie_within_the_text(text: str) -> None:
    for detect in detectors(ALL, {}):
        for one in detect(text):
            assert 0 <= one.start < one.end <= len(text)


UNITS = (
    "1", "12 ", "123-", "06 ", "1.", "a@", "a.", "@a.", "::", "f:", "1::", "eyJ", "eyJaaaaa.",
    "sk-", "xoxb-", "Bearer ", "password=", "-----BEGIN PRIVATE KEY-----", "é\\u0031",
    "pwd=", "password: '", 'secret is "', "authorization: basic ", "token=a&", "密码：",
    "api_key=a1",
)  # fmt: skip


def steps(text: str) -> int:
    """Lines of our code that run while everything is looked for in `text`."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for detect in detectors(ALL, {}):
            for _ in detect(text):
                pass
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("unit", UNITS)
def test_work_grows_no_faster_than_the_text(unit: str) -> None:
    assert steps(unit * 400) <= 9 * steps(unit * 50) + 100


@pytest.mark.parametrize("unit", [unit for unit in UNITS if not unit[0].isdigit()])
def test_no_pattern_looks_again_and_again_at_a_long_text(unit: str) -> None:
    """Linear patterns need some ten milliseconds of CPU here, quadratic ones minutes."""
    began = time.process_time()
    for detect in detectors(ALL, {}):
        for one in detect(unit * (300_000 // len(unit)) + "\x00"):
            assert one.end <= 300_000
    assert time.process_time() - began < 10


CATASTROPHIC = re.compile(r"(x+x+)+y")


def test_an_own_pattern_that_takes_long_is_given_up_where_others_wait() -> None:
    with pytest.raises(SlowPatternError, match="own"):
        list(detectors((), {"own": CATASTROPHIC})[0]("x" * 5_000))


def test_an_own_pattern_that_never_ends_hides_the_whole_text() -> None:
    patience = Patience(0.2)
    (detect,) = detectors((), {"own": CATASTROPHIC}, patience)
    for _ in range(1_000):  # it is not even tried any more when no time is left
        (one,) = detect("x" * 5_000)
        assert (one.start, one.end, one.name) == (0, 5_000, "own")
    assert patience.left == 0


def test_own_patterns_keep_their_flags() -> None:
    pattern = re.compile(r"ord-\w+  # a comment", re.IGNORECASE | re.VERBOSE | re.ASCII)
    (one,) = list(detectors((), {"order": pattern})[0]("see ORD-77é"))
    assert one.value == "ORD-77"
