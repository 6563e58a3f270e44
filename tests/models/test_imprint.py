"""Whoever loads a model holds its files to what they were when it was verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from loopwright.errors import ModelError
from loopwright.models.digests import Digests
from loopwright.models.imprint import Imprint
from support.tiny_models import make_light_base


def _overwrite(folder: Path) -> None:
    weights = folder / "model.safetensors"
    with weights.open("r+b") as file:  # in place, of the same length, as dd does
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_overwrite, "model.safetensors is not what was verified"),
        (lambda folder: (folder / "config.json").unlink(), "config.json cannot be read"),
        (lambda folder: (folder / "chat_template.jinja").write_text("x"), "was put beside"),
    ],
)
def test_any_change_of_what_is_loaded_is_refused(
    tmp_path: Path, change: Callable[[Path], object], said: str
) -> None:
    base = make_light_base(tmp_path / "base")
    (base / "chat_template.jinja").unlink(missing_ok=True)
    imprint = Imprint.of(base, Digests(tmp_path / "digests.json"))
    imprint = Imprint.from_json(asdict(imprint))
    imprint.check(base)
    change(base)
    with pytest.raises(ModelError, match=said):
        imprint.check(base)
