"""One apply, stopped before and after each of its journal writes and provider calls."""

from __future__ import annotations

import pytest

from support.crashes import STORIES, NewProject, Steps, Story, stop_at_every_step


@pytest.mark.parametrize(
    "after", [pytest.param(False, marks=pytest.mark.slow), True], ids=["before", "after"]
)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_an_apply_stopped_at_any_step_is_finished_by_the_next(
    story: Story, after: bool, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at_every_step(story, Steps(monkeypatch), new_project, after=after)
