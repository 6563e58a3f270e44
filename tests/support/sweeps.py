"""How closely a test goes through the steps at which something may die.

By default every third, which meets each kind of step; every single one with `-m slow`.
"""

from __future__ import annotations

import pytest

EVERY = pytest.mark.parametrize(
    "every",
    [pytest.param(3, id="every third"), pytest.param(1, id="every one", marks=pytest.mark.slow)],
)
