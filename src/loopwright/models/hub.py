"""Models of the Hugging Face hub: the cache on this machine first, the network only when needed.

The cache is read as it lies (refs and snapshots), so that a plan imports no client. Offline mode
(`HF_HUB_OFFLINE`), `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT` and `HF_TOKEN` hold as elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import ModelError
from loopwright.models.contents import HUB_PATTERNS

_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"[\w][\w./-]*")
_YES = frozenset({"1", "ON", "YES", "TRUE"})


@dataclass(frozen=True, slots=True)
class HubName:
    """`org/name[@revision]`; the revision is a branch, a tag or a commit."""

    repository: str
    revision: str = "main"

    @classmethod
    def parse(cls, reference: str) -> HubName | None:
        """None when it is not of that form."""
        repository, at, revision = reference.partition("@")
        if not _NAME.fullmatch(repository) or (at and not _REVISION.fullmatch(revision)):
            return None
        if ".." in revision:
            return None
        return cls(repository, revision or "main")

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}"


@dataclass(frozen=True, slots=True)
class Hub:
    """The cache of an environment, and the way to the hub unless it is offline."""

    environ: Mapping[str, str]

    @property
    def is_offline(self) -> bool:
        names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        return any(self.environ.get(name, "").upper() in _YES for name in names)

    @property
    def cache(self) -> Path:
        """Where snapshots lie, found as huggingface_hub finds it."""
        given = self.environ.get("HF_HUB_CACHE") or self.environ.get("HUGGINGFACE_HUB_CACHE")
        if given:
            return Path(given).expanduser()
        home = self.environ.get("HF_HOME")
        if not home:
            caches = self.environ.get("XDG_CACHE_HOME") or "~/.cache"
            home = f"{caches}/huggingface"
        return Path(home).expanduser() / "hub"

    def commit(self, name: HubName) -> str:
        """The commit that a name stands for now: by itself, by the cache, or asked of the hub.

        Raises ModelError when it can be found nowhere.
        """
        if _COMMIT.fullmatch(name.revision):
            return name.revision
        ref = self._folder(name) / "refs" / name.revision
        if ref.is_file() and _COMMIT.fullmatch(found := ref.read_text().strip()):
            return found
        if self.is_offline:
            raise self._not_here(name, name.revision)
        return self._asked(name)

    def snapshot(self, name: HubName, commit: str) -> Path | None:
        """The folder of a commit in the cache; None when it is not there."""
        folder = self._folder(name) / "snapshots" / commit
        return folder if (folder / "config.json").is_file() else None

    def download(self, name: HubName, commit: str, *, code: bool) -> Path:
        """Fetch weights, configuration and tokenizer of a commit. Raises ModelError."""
        if self.is_offline:
            raise self._not_here(name, commit)
        try:
            from huggingface_hub import snapshot_download
        except ImportError as error:
            raise _no_client() from error
        try:
            found = snapshot_download(
                name.repository,
                revision=commit,
                cache_dir=self.cache,
                allow_patterns=[*HUB_PATTERNS, *(["*.py"] if code else [])],
                token=self.environ.get("HF_TOKEN"),
                endpoint=self.environ.get("HF_ENDPOINT"),
            )
        except Exception as error:
            raise self._failed(name, error) from error
        return Path(found)

    def missing(self, name: HubName, commit: str) -> ModelError:
        """What is not in the cache, and how it gets there."""
        return self._not_here(name, commit)

    def _asked(self, name: HubName) -> str:
        try:
            from huggingface_hub import HfApi
        except ImportError as error:
            raise _no_client() from error
        api = HfApi(endpoint=self.environ.get("HF_ENDPOINT"), token=self.environ.get("HF_TOKEN"))
        try:
            found = api.model_info(name.repository, revision=name.revision, timeout=20).sha
        except Exception as error:
            raise self._failed(name, error) from error
        if not isinstance(found, str) or not _COMMIT.fullmatch(found):
            raise ModelError(f"the hub gave no commit for {name}")
        return found

    def _folder(self, name: HubName) -> Path:
        return self.cache / f"models--{name.repository.replace('/', '--')}"

    def _not_here(self, name: HubName, revision: str) -> ModelError:
        offline = " and HF_HUB_OFFLINE is set" if self.is_offline else ""
        return ModelError(
            f"{name.repository} at {revision} is not in the cache {self.cache}{offline}",
            hint=f"fetch it where there is a network: hf download {name.repository} --revision "
            f"{revision}; or name a folder that has the model",
        )

    def _failed(self, name: HubName, error: Exception) -> ModelError:
        said = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {said[0][:200] if said else ''}"
        return ModelError(
            f"cannot get {name} from the hub: {reason}",
            hint="look at the name, the network and HF_TOKEN; a model that is in the cache, or in "
            "a folder, needs no network",
        )


def _no_client() -> ModelError:
    return ModelError(
        "models of the hub need huggingface_hub", hint="pip install 'loopwright[train]'"
    )
