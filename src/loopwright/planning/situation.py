"""All that a plan is made of, gathered beforehand; planning itself looks nothing up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from loopwright.clock import from_text
from loopwright.graph import Graph
from loopwright.manifests.project import Project
from loopwright.planning.plan import Header, Selection
from loopwright.providers.base import Capabilities, Estimate, Observed
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.records import AcceptedDrift, Record


@dataclass(frozen=True)
class Situation:
    """Desired (the graph's resources), prior (records), observed, and what is known besides."""

    graph: Graph
    records: Mapping[Address, Record]
    observed: Mapping[Address, Observed | None]
    """Absent key: not looked at. None: surely absent."""
    capabilities: Mapping[Address, Capabilities]
    header: Header
    now: datetime
    project: Project = field(default_factory=Project)
    selection: Selection = field(default_factory=Selection)
    estimates: Mapping[Address, Estimate] = field(default_factory=dict)
    file_digests: Mapping[Address, Mapping[str, str]] = field(default_factory=dict)
    """Of MANIFEST_PATH fields: file as written -> digest; of pinned fields: path -> pin."""
    pins: Mapping[Address, Mapping[str, str]] = field(default_factory=dict)
    """Field path -> what its value stands for, as its provider says."""
    normal: Mapping[Address, Mapping[str, Any]] = field(default_factory=dict)
    """Of runs: field -> what decides of its value, in the normal form of its provider."""
    unpinned: Mapping[Address, str] = field(default_factory=dict)
    """Why nobody can say what a name in it stands for."""
    origins: Mapping[Address, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[Address, Address] = field(default_factory=dict)
    """New address -> the old one whose record it takes over."""

    @property
    def resources(self) -> Mapping[Address, Resource]:
        return self.graph.resources

    def record(self, address: Address) -> Record | None:
        return self.records.get(self.moved.get(address, address))

    def accepted_drift(self, record: Record) -> Mapping[str, AcceptedDrift]:
        """Accepted differences that have not expired, by path."""
        return {
            drift.path: drift
            for drift in record.accepted_drift
            if from_text(drift.until) > self.now
        }

    def is_suspended(self, record: Record | None) -> bool:
        suspension = record and record.suspension
        if not suspension:
            return False
        return not suspension.until or from_text(suspension.until) > self.now
