from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from loopwright.serving.embedded.texts import TextStream

TEXTS = st.text(alphabet="ab <|#é中文🙂\n", max_size=60)


def decode(tokens: Sequence[int]) -> str:
    """As byte-level tokenizers do: bytes that are no character become replacement marks."""
    return bytes(tokens).decode("utf-8", "replace")


def streamed(tokens: Sequence[int], stops: Sequence[str] = ()) -> tuple[list[str], TextStream]:
    stream = TextStream(decode, stops)
    pieces = [stream.push(tokens[: end + 1]) for end in range(len(tokens))]
    return [*pieces, stream.end(tokens)], stream


@given(TEXTS)
def test_pieces_are_the_text_and_no_half_characters(text: str) -> None:
    pieces, _ = streamed(text.encode())

    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces[:-1])


@given(st.binary(max_size=80))
def test_bytes_that_are_no_text_come_out_as_the_decoder_has_them(data: bytes) -> None:
    pieces, _ = streamed(data)

    assert "".join(pieces) == decode(data)


@given(TEXTS, st.lists(st.text(alphabet="ab <|#é中", min_size=1, max_size=5), max_size=3))
def test_a_stop_string_ends_the_text_and_is_not_told(text: str, stops: list[str]) -> None:
    pieces, stream = streamed(text.encode(), stops)
    said = "".join(pieces)

    places = [text.find(stop) for stop in stops if stop in text]
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    if not places:
        assert said == text
        assert not stream.is_stopped
    else:  # whichever stop is whole first ends it; others may have begun before
        assert stream.is_stopped
        assert text.startswith(said)
        assert len(said) <= min(ends)
        assert all(stop not in said for stop in stops)


def test_what_may_become_a_stop_is_held_back() -> None:
    stream = TextStream(decode, ["END."])

    assert stream.push(b"so EN") == "so "
    assert stream.push(b"so ENT") == "ENT"
    assert stream.push(b"so ENTEND") == ""
    assert stream.push(b"so ENTEND.") == ""
    assert stream.is_stopped
