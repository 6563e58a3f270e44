"""Clearing away what is nobody's: files that no commit names, and keys that no file is under.

Both are left by a process that died on the way, and are safe to remove only under the lake's lock
and where something vouches that the newest commit is known.
"""

from __future__ import annotations

from collections.abc import Iterable

from loopwright.disk import is_temporary
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.store import Lake


def clear(lake: Lake, head: Head) -> int:
    """Remove leftovers and destroy unused keys; how many files went. Needs the lake's lock.

    A file that no commit names may be one whose commit was lost: where nothing vouches that the
    head is the newest commit, only temporary files go and every key stays.
    """
    vouched = lake.manifest.remembered() is not None
    lake.manifest.remember(head)
    if vouched:
        lake.keys.destroy(unused_keys(lake, head.files))
    strays = [
        path
        for path in sorted(lake.stray_files(head.files))
        if vouched or is_temporary(lake.root / path)
    ]
    for path in strays:
        lake.disk.discard(lake.root / path)
    return len(strays)


def unused_keys(lake: Lake, files: Iterable[LakeFile]) -> set[str]:
    """Ids of partition keys that none of the `files` is under.

    A file that does not say its key is older than any second key of its partition, so it is under
    the first.
    """
    held = lake.keys.ids_of_partitions()
    used = {file.key_id or held[file.partition][0] for file in files if file.partition in held}
    return {key_id for ids in held.values() for key_id in ids} - used
