"""Files, folders and stdin: what is read, in which order, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopwright.manifests import reader as module
from loopwright.manifests.reader import Reader


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, data: bytes = b"a: 1\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def read(*paths: str) -> Reader:
    reader = Reader()
    for path in paths:
        reader.read(Path(path))
    return reader


def names(*paths: str) -> list[str]:
    return [source.name for source in read(*paths).sources]


def codes(*paths: str) -> list[str]:
    return [one.code for one in read(*paths).diagnostics]


def test_a_folder_is_read_in_sorted_order_without_what_is_hidden(folder: Path) -> None:
    for name in ("b.yml", "a/z.yaml", "a/1.yaml", "c.json", ".x.yaml", ".git/d.yaml"):
        write(folder / name)
    for name in ("kustomization.yaml", "a/kustomization.yml", "loopwright.yaml"):
        write(folder / name)
    assert names(".") == ["a/1.yaml", "a/z.yaml", "b.yml"]
    assert [source.name for source in read(".").projects] == ["loopwright.yaml"]
    assert codes(".") == []


def test_names_are_the_path_as_given_and_a_file_is_read_once(folder: Path) -> None:
    write(folder / "m/a.yaml")
    (folder / "m/b.yaml").symlink_to("a.yaml")
    assert names("m/a.yaml", "./m", "m", str(folder / "m")) == ["m/a.yaml"]
    assert names(str(folder / "m")) == [str(folder / "m/a.yaml")]


def test_links_that_lead_out_are_refused_and_broken_ones_are_named(folder: Path) -> None:
    write(folder / "out/a.yaml")
    write(folder / "in/ok.yaml")
    (folder / "in/file.yaml").symlink_to(folder / "out/a.yaml")
    (folder / "in/folder").symlink_to(folder / "out")
    (folder / "in/gone.yaml").symlink_to("nothing.yaml")
    (folder / "in/loop.yaml").symlink_to("loop.yaml")
    assert codes("in") == ["link-outside", "link-outside", "unreadable", "unreadable"]
    assert names("in") == ["in/ok.yaml"]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a: 1\nb: \xff\n", (2, 4)),
        ("a: 中\n".encode() + b"\xe4\xb8", (2, 1)),
        (b"a: 1\nb: \x00\n", (2, 4)),
        ("a: 1\n".encode("utf-16"), (1, 1)),
    ],
)
def test_what_is_not_text_is_named_at_its_place(
    folder: Path, data: bytes, place: tuple[int, int]
) -> None:
    write(folder / "a.yaml", data)
    (only,) = read("a.yaml").diagnostics
    assert only.code == "not-utf-8"
    assert only.span
    assert (only.span.line, only.span.column) == place


def test_a_byte_order_mark_and_windows_line_ends_are_fine(folder: Path) -> None:
    write(folder / "a.yaml", b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    (source,) = read("a.yaml").sources
    assert source.text == "a: 1\r\nb: 2\r\n"
    assert str(source.span(source.text.index("b"))) == "a.yaml:2:1"
    assert source.line(2) == "b: 2"


def test_a_path_that_is_not_there_suggests_one_that_is(folder: Path) -> None:
    write(folder / "manifests/a.yaml")
    (only,) = read("manifest").diagnostics
    assert (only.code, only.nearest) == ("no-such-path", "manifests")
    assert codes("no/such/place", "x\0y", "x" * 5_000) == ["no-such-path"] * 3


def test_a_folder_without_manifests_is_an_error(folder: Path) -> None:
    write(folder / "loopwright.yaml")
    assert codes(".") == ["no-manifests"]
    write(folder / "overlay/kustomization.yaml")
    (only,) = read("overlay").diagnostics
    assert "kustomize build overlay" in only.hint


def test_a_project_inside_a_project_is_refused(folder: Path) -> None:
    write(folder / "a.yaml")
    write(folder / "sub/loopwright.yaml")
    assert codes(".") == ["nested-project"]


def test_sizes_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 100)
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 250)
    for name in ("a.yaml", "b.yaml", "d.yaml", "e.yaml"):
        write(folder / name, b"#" * 99)
    write(folder / "c.yaml", b"#" * 101)
    assert names(".") == ["a.yaml", "b.yaml"]
    assert codes(".") == ["too-large", "too-large"]


def test_a_pipe_is_read_when_it_is_named(folder: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a: 1\n")
    os.close(writing)
    (source,) = read(f"/dev/fd/{reading}").sources
    os.close(reading)
    assert source.text == "a: 1\n"
