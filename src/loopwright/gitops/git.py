"""Manifests in a git repository: fetched shallowly by `git`, laid out one folder a commit.

Everything here is a cache below the state folder: deleting it costs one fetch.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from loopwright.errors import LoopwrightError
from loopwright.gitops.sources import Look, Revision
from loopwright.hashing import sha256_hex

_REF = "refs/loopwright/head"
_TIMEOUT = 120
_TREES_KEPT = 3
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_OF_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


class GitError(LoopwrightError):
    """`git` could not do what was asked. Never holds credentials."""


class GitSource:
    """One ref of one repository, polled."""

    def __init__(
        self,
        url: str,
        *,
        ref: str,
        path: str,
        cache: Path,
        environ: Mapping[str, str],
        poll_seconds: float = 30.0,
    ) -> None:
        """`cache` may hold other repositories too. Raises LoopwrightError for what is no ref or
        path.
        """
        self._url, self._ref = _location(url), _checked_ref(ref)
        self._path = _checked_path(path)
        place = without_credentials(f"{self._url} {self._ref}")
        self._cache = cache / sha256_hex(place.encode())[:12]
        self._environ = _environment(environ)
        self._every = poll_seconds
        self._last: Revision | None = None
        self._kept = ""
        self._is_ready = False

    @property
    def poll_seconds(self) -> float | None:
        """With jitter, so that many watchers do not ask a server at the same moment."""
        return self._every * random.uniform(0.9, 1.1)

    @property
    def description(self) -> str:
        place = f" {self._path}" if self._path != "." else ""
        return f"{without_credentials(self._url)} {self._ref}{place}"

    def begin(self, wake: Callable[[], None]) -> None:
        """Nothing tells of pushes: the loop polls."""

    def look(self) -> Look:
        """Fetch and lay out the ref's commit; a failure keeps what was fetched before."""
        problem = ""
        try:
            self._fetch()
        except GitError as error:
            problem = error.message
        try:
            commit = self._git("rev-parse", "--verify", "--quiet", f"{_REF}^{{commit}}").strip()
            self._last = self._revision(commit, self._lay_out(commit))
        except (GitError, OSError) as error:
            problem = problem or str(error)
        return Look(self._last, problem)

    def earlier(self, revision_id: str) -> Revision | None:
        """A commit whose folder is still there."""
        tree = self._cache / "trees" / revision_id
        return self._revision(revision_id, tree) if revision_id and tree.is_dir() else None

    def keep(self, revision: Revision) -> None:
        self._kept = revision.id

    def close(self) -> None:
        """Nothing is held open between looks."""

    def _revision(self, commit: str, tree: Path) -> Revision:
        return Revision(commit, (str(tree / self._path),), commit=commit, root=tree)

    def _fetch(self) -> None:
        if not self._is_ready:
            self._prepare()
        self._git(
            "-c", "gc.autoDetach=false", "-c", "core.hooksPath=/dev/null",
            "fetch", "--depth=1", "--no-tags", "--force", "--quiet", "--no-write-fetch-head",
            "--", self._url, f"+{self._ref}:{_REF}",
        )  # fmt: skip

    def _prepare(self) -> None:
        """An empty repository; locks that a killed watcher left in an old one are broken."""
        self._repository.mkdir(parents=True, exist_ok=True)
        for lock in self._repository.rglob("*.lock"):
            lock.unlink(missing_ok=True)
        self._git("init", "--bare", "--quiet")
        self._is_ready = True

    def _lay_out(self, commit: str) -> Path:
        """The commit's files in a folder of its own, whole or not at all."""
        tree = self._cache / "trees" / commit
        if tree.is_dir():
            tree.touch()
            return tree
        draft = tree.with_name(f".{commit}.new")
        index = tree.with_name(f".{commit}.index")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        index.unlink(missing_ok=True)
        try:
            self._git("--work-tree", str(draft), "read-tree", "--reset", "-u", commit, index=index)
            draft.rename(tree)
        finally:
            index.unlink(missing_ok=True)
        self._drop_old_trees()
        return tree

    def _drop_old_trees(self) -> None:
        trees = sorted(
            (self._cache / "trees").iterdir(), key=lambda tree: tree.stat().st_mtime, reverse=True
        )
        for tree in trees[_TREES_KEPT:]:
            if tree.name != self._kept:
                shutil.rmtree(tree, ignore_errors=True)

    @property
    def _repository(self) -> Path:
        return self._cache / "repository.git"

    def _git(self, *arguments: str, index: Path | None = None) -> str:
        """Its stdout. Raises GitError."""
        environ = {**self._environ, "GIT_INDEX_FILE": str(index)} if index else self._environ
        try:
            done = subprocess.run(
                ["git", "--git-dir", str(self._repository), *arguments],
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT,
                check=False,
            )
        except FileNotFoundError:
            raise GitError("there is no `git` on the PATH", hint="install git") from None
        except subprocess.TimeoutExpired:
            raise GitError(f"git did not answer within {_TIMEOUT} s") from None
        if done.returncode:
            said = without_credentials(done.stderr).strip().splitlines()
            reason = "; ".join(said[-2:]) or f"git ended with {done.returncode}"
            raise GitError(f"cannot fetch {self.description}: {reason}")
        return done.stdout


def without_credentials(text: str) -> str:
    """The text with user names and passwords taken out of every URL."""
    return _USERINFO.sub("", text)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Never asks a person, speaks English, and forgets any repository it was called from."""
    kept = {name: text for name, text in environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    return {
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _location(url: str) -> str:
    """A local path made absolute, since `git` runs elsewhere; any other text as it is."""
    if "://" in url or re.match(r"[\w.-]+@?[\w.-]*:", url):
        return url
    return os.path.abspath(Path(url).expanduser())


def _checked_ref(ref: str) -> str:
    if not re.fullmatch(r"[\w][\w./+@-]*", ref) or ".." in ref:
        raise LoopwrightError(
            f"{ref!r} is not a branch, tag or commit", hint="for example --ref main"
        )
    return ref


def _checked_path(path: str) -> str:
    parts = Path(path).parts
    if os.path.isabs(path) or ".." in parts:
        raise LoopwrightError(
            f"{path!r} is not a path inside the repository", hint="for example --path manifests"
        )
    return str(Path(path))
