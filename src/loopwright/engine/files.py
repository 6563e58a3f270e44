"""Digests of the files that manifests name: they decide results as much as the spec does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loopwright.errors import PlanError
from loopwright.graph import Graph
from loopwright.hashing import file_digest
from loopwright.resources.address import Address
from loopwright.resources.base import Resource, marked_paths
from loopwright.resources.markers import Edge


def file_digests(graph: Graph, origins: Mapping[Address, str]) -> dict[Address, dict[str, str]]:
    """File as written -> digest, of every resource that names files or reads one that does.

    Raises PlanError naming every file that cannot be read.
    """
    own = _own_digests(graph.resources, origins)
    found = dict(own)
    for address in graph.resources:
        for link in graph.links(address):
            if link.edge is Edge.READS and link.is_input and not link.is_through:
                read = {
                    f"{link.target}: {name}": one for name, one in own.get(link.target, {}).items()
                }
                found[address] = found.get(address, {}) | read
    return found


def _own_digests(
    resources: Mapping[Address, Resource], origins: Mapping[Address, str]
) -> dict[Address, dict[str, str]]:
    found: dict[Address, dict[str, str]] = {}
    missing: list[str] = []
    for address, resource in resources.items():
        paths = marked_paths(type(resource.spec), "manifest-path")
        if not paths:
            continue
        spec = resource.desired()
        names = sorted({name for path in sorted(paths) for name in _values(spec, path.split("."))})
        for name in names:
            try:
                digest = file_digest(resource.base_dir / name)
            except OSError as error:
                where = origins.get(address, "")
                missing.append(f"{where}: {address}: cannot read {name}: {error.strerror}")
            else:
                found.setdefault(address, {})[name] = digest
    if missing:
        raise PlanError("\n".join(missing), hint="paths are relative to the manifest")
    return found


def _values(value: Any, path: list[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        if isinstance(value, str):
            yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _values(value[path[0]], path[1:])
