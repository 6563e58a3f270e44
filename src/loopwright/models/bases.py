"""Base models by name: shipped with the package, in a folder, or of the Hugging Face hub.

A folder is relative to the project, whichever manifest names it. What starts with `.`, `/` or
`~` is always a folder; anything else is one when it is there, and otherwise a name of the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import ModelError
from loopwright.models.contents import (
    deciding_files,
    has_own_code,
    has_tokenizer,
    refuse_custom_code,
)
from loopwright.models.digests import content_digest
from loopwright.models.hub import Hub, HubName
from loopwright.models.pins import Pins
from loopwright.models.weights import CONFIG, is_adapter, parameter_count, read_json

BUILTIN = "builtin:"
_SHIPPED = Path(__file__).parent / "builtin"


@dataclass(frozen=True, slots=True)
class Base:
    """A base model that is on this machine, whole and allowed."""

    reference: str
    """As written: `builtin:NAME`, a folder, `org/name[@revision]`."""
    folder: Path
    """Its files; of a hub model the snapshot in the cache."""
    revision: str
    """Commit of a hub model, else empty."""
    digest: str
    """`sha256:` of the files that decide its answers."""
    parameters: int
    trust_remote_code: bool = False


def resolve(
    reference: str,
    *,
    project: Path,
    environ: Mapping[str, str],
    pins: Pins,
    trust_remote_code: bool = False,
    download: bool = False,
) -> Base:
    """The model that a reference names. The network is used only with `download`, or to ask what
    a branch of the hub is that nothing here knows.

    Raises ModelError: unknown name, no such folder, no safetensors, code that is not trusted, a
    hub model that is not in the cache and may not be fetched.
    """
    folder, revision = _found(
        reference, project, environ, pins, code=trust_remote_code, download=download
    )
    if is_adapter(folder):
        raise ModelError(
            f"{reference} is an adapter, not a base model",
            hint="declare it as a Model with its base in spec.base, and refer to that",
        )
    read_json(folder / CONFIG)
    if not has_tokenizer(folder):
        raise ModelError(
            f"{reference} has no tokenizer in {folder}", hint="save it there: save_pretrained"
        )
    refuse_custom_code(folder, trusted=trust_remote_code)
    return Base(
        reference=reference,
        folder=folder,
        revision=revision,
        digest=folder_digest(folder, pins),
        parameters=parameter_count(folder),
        trust_remote_code=trust_remote_code,
    )


def pin(reference: str, *, project: Path, environ: Mapping[str, str], pins: Pins) -> str:
    """What a reference stands for, for fingerprints: the digest of a shipped model or a folder,
    `org/name@<commit>` of a hub name, which then stays what it is. Raises ModelError.
    """
    if (folder := _local_folder(reference, project)) is not None:
        return folder_digest(folder, pins)
    name = _hub_name(reference, project)
    return f"{name.repository}@{_commit(name, Hub(environ), pins)}"


def folder_digest(folder: Path, pins: Pins) -> str:
    """Digest of a full model's folder. Raises ModelError."""
    names = deciding_files(folder, code=has_own_code(folder))
    return content_digest(pins.digests.files(folder, names))


def builtins() -> tuple[str, ...]:
    """Names of the models that are shipped, sorted."""
    return tuple(sorted(path.parent.name for path in _SHIPPED.glob(f"*/{CONFIG}")))


def shipped(reference: str) -> Path:
    """The folder of `builtin:NAME`. Raises ModelError."""
    name = reference.removeprefix(BUILTIN)
    if name not in builtins():
        known = ", ".join(f"{BUILTIN}{one}" for one in builtins()) or "none"
        raise ModelError(f"no model {reference} is shipped", hint=f"shipped: {known}")
    return _SHIPPED / name


def _found(
    reference: str,
    project: Path,
    environ: Mapping[str, str],
    pins: Pins,
    *,
    code: bool,
    download: bool,
) -> tuple[Path, str]:
    if (folder := _local_folder(reference, project)) is not None:
        return folder, ""
    name, hub = _hub_name(reference, project), Hub(environ)
    commit = _commit(name, hub, pins)
    snapshot = hub.snapshot(name, commit)
    if snapshot and _is_whole(snapshot, code=code):
        return snapshot, commit
    if not download:
        raise hub.missing(name, commit)
    return hub.download(name, commit, code=code), commit


def _is_whole(snapshot: Path, *, code: bool) -> bool:
    """Whether what is in the cache can be used: a download may have been cut, or left code out."""
    try:
        parameter_count(snapshot)
    except ModelError:
        return False
    has_code = any(snapshot.glob("*.py")) or not (code and has_own_code(snapshot))
    return has_tokenizer(snapshot) and has_code


def _local_folder(reference: str, project: Path) -> Path | None:
    """The folder it names; None when it names none. Raises ModelError when it must and is not."""
    if reference.startswith(BUILTIN):
        return shipped(reference)
    folder = project / Path(reference).expanduser()
    if folder.is_dir():
        return folder
    if reference.startswith((".", "/", "~")):
        raise ModelError(
            f"there is no folder {folder}", hint="folders of models are relative to the project"
        )
    return None


def _hub_name(reference: str, project: Path) -> HubName:
    name = HubName.parse(reference)
    if name is None:
        raise ModelError(
            f"{reference!r} names no base model: there is no such folder in {project}, and a model "
            "of the hub is written org/name",
            hint="name builtin:tiny-chat, a folder, or org/name[@revision]",
        )
    return name


def _commit(name: HubName, hub: Hub, pins: Pins) -> str:
    known = pins.commit(str(name))
    if known is None:
        known = hub.commit(name)
        pins.keep(str(name), known)
    return known
