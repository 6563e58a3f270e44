"""A real repository, fetched by the real git: pushes, force-pushes, branches, outages, restarts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from git_repository import Repository

from loopwright.errors import LoopwrightError
from loopwright.gitops.git import GitSource, without_credentials
from loopwright.gitops.sources import Revision


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def source(repository: Repository, tmp_path: Path) -> Callable[..., GitSource]:
    def make(url: str = str(repository.folder), ref: str = "main") -> GitSource:
        return GitSource(
            url, ref=ref, path="flows", cache=tmp_path / "cache", environ=dict(os.environ)
        )

    return make


def manifest(revision: Revision | None) -> str:
    assert revision is not None
    return Path(revision.paths[0], "m.yaml").read_text()


def test_every_commit_has_a_folder_of_its_own(
    repository: Repository, source: Callable[..., GitSource]
) -> None:
    first = repository.commit("one")
    watched = source()
    look = watched.look()
    assert (look.revision and look.revision.commit, look.problem) == (first, "")
    second = repository.commit("two")
    later = watched.look().revision
    assert (manifest(look.revision), manifest(later)) == ("one", "two")
    assert later
    assert later.id == second
    assert later.root
    assert not list(later.root.glob(".git*"))


def test_a_force_push_and_a_switch_of_branches_are_ordinary(
    repository: Repository, source: Callable[..., GitSource]
) -> None:
    repository.commit("one")
    watched = source()
    watched.look()
    rewritten = repository.commit("other history", "--amend")
    revision = watched.look().revision
    assert revision
    assert revision.commit == rewritten
    repository.git("checkout", "--quiet", "--orphan", "release/1")
    released = repository.commit("released")
    on_branch = source(ref="release/1").look()
    assert on_branch.revision
    assert on_branch.revision.commit == released
    repository.git("tag", "-am", "v", "v1.0")
    assert manifest(source(ref="v1.0").look().revision) == "released"


def test_an_outage_keeps_the_last_commit_and_says_so_even_after_a_restart(
    repository: Repository, source: Callable[..., GitSource]
) -> None:
    commit = repository.commit("one")
    watched = source()
    watched.look()
    repository.folder.rename(repository.folder.with_name("away"))
    for looker in (watched, source()):
        look = looker.look()
        assert look.revision
        assert look.revision.commit == commit
        assert look.problem.startswith("cannot fetch")


def test_a_missing_branch_and_an_empty_repository_say_why(
    repository: Repository, source: Callable[..., GitSource]
) -> None:
    assert "couldn't find remote ref main" in source().look().problem
    repository.commit("one")
    look = source(ref="nowhere").look()
    assert look.revision is None
    assert "couldn't find remote ref nowhere" in look.problem


def test_locks_and_halves_that_a_killed_watcher_left_do_no_harm(
    repository: Repository, source: Callable[..., GitSource], tmp_path: Path
) -> None:
    first = repository.commit("one")
    source().look()
    (cache,) = (tmp_path / "cache").iterdir()
    (cache / "repository.git" / "shallow.lock").touch()
    (cache / "repository.git" / "refs" / "loopwright" / "head.lock").touch()
    second = repository.commit("two")
    half = cache / "trees" / f".{second}.new"
    half.mkdir()
    (half / "junk.yaml").touch()
    (cache / "trees" / f".{second}.index").write_bytes(b"junk")
    revision = source().look().revision
    assert revision
    assert revision.root
    assert sorted(path.name for path in revision.root.rglob("*")) == ["flows", "m.yaml"]
    earlier = source().earlier(first)
    assert earlier
    assert manifest(earlier) == "one"


def test_only_a_few_folders_are_kept_and_the_good_one_among_them(
    repository: Repository, source: Callable[..., GitSource], tmp_path: Path
) -> None:
    repository.commit("good")
    watched = source()
    good = watched.look().revision
    assert good is not None
    watched.keep(good)
    for number in range(6):
        repository.commit(f"broken {number}")
        watched.look()
    assert manifest(watched.earlier(good.id)) == "good"
    assert len(list((tmp_path / "cache").glob("*/trees/*"))) <= 4


def test_another_repository_does_not_inherit_the_commits_of_this_one(
    repository: Repository, source: Callable[..., GitSource], tmp_path: Path
) -> None:
    commit = repository.commit("one")
    assert source().look().revision
    other = source(url=str(tmp_path / "elsewhere"))
    assert other.look().revision is None
    assert other.earlier(commit) is None


def test_credentials_are_in_no_text_it_gives(source: Callable[..., GitSource]) -> None:
    watched = source(url="https://bot:s3cret@127.0.0.1:1/team/flows.git")
    problem = watched.look().problem
    assert "127.0.0.1" in problem
    assert "s3cret" not in problem + watched.description
    assert without_credentials("ssh://git@h/x and https://a:b@h/y") == "ssh://h/x and https://h/y"


@pytest.mark.parametrize("ref", ["--upload-pack=x", "a..b", "a:b", "+main", "", "a b"])
def test_what_is_no_ref_is_refused_at_once(source: Callable[..., GitSource], ref: str) -> None:
    with pytest.raises(LoopwrightError, match="is not a branch, tag or commit"):
        source(ref=ref)


def test_a_path_that_leaves_the_repository_is_refused(tmp_path: Path) -> None:
    for path in ("../other", "/etc"):
        with pytest.raises(LoopwrightError, match="inside the repository"):
            GitSource("u", ref="main", path=path, cache=tmp_path, environ={})
