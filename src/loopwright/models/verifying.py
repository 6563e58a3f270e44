"""Whether a registered model is still what was registered."""

from __future__ import annotations

from loopwright.errors import ModelError
from loopwright.models.contents import deciding_files, has_own_code
from loopwright.models.digests import Digests, content_digest
from loopwright.models.version import ModelVersion


def verify(version: ModelVersion, digests: Digests | None) -> None:
    """Compare every file with the record, and the record with itself. Raises ModelError naming
    what is missing, was changed, or was put there to be loaded with it.

    With `digests`, files that were not touched since they were last read are not read again.
    """
    for name in version.files:
        path = version.folder / name
        if not path.is_file() or path.is_symlink():
            raise _refused(version, f"its file {name} is missing")
    found = (digests or Digests()).files(version.folder, version.files)
    for name, facts in version.files.items():
        if found[name] != facts:
            raise _refused(version, f"its file {name} is not what was registered")
    deciding = deciding_files(version.folder, code=has_own_code(version.folder))
    if added := sorted(set(deciding) - set(version.files)):
        raise _refused(version, f"the file {added[0]} was put beside its own")
    base = version.base.digest if version.base is not None and version.kind == "adapter" else ""
    if (
        content_digest({name: version.files[name] for name in deciding}, base=base)
        != version.digest
    ):
        raise _refused(version, "its record was changed")


def _refused(version: ModelVersion, what: str) -> ModelError:
    return ModelError(
        f"{version.label} cannot be used: {what} ({version.folder})",
        hint="put the registered files back, or make a new revision",
    )
