"""Property tests draw the same examples every run and are not timed."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("manifests", deadline=None, derandomize=True)
settings.load_profile("manifests")
