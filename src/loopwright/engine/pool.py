"""Providers of a run: built when first asked for, by registry, each under its rate limit."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from loopwright.engine.hiding import Hiding
from loopwright.engine.throttle import Throttle
from loopwright.engine.workspace import Workspace
from loopwright.errors import PlanError
from loopwright.manifests.project import Project
from loopwright.providers.base import Adapter, Capabilities, Provider, ProviderContext
from loopwright.providers.registry import factory, types_realising
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.registry import resource_class
from loopwright.state.records import Record


def resource_of(record: Record) -> Resource:
    """The resource a record was last applied from; its manifest may be gone."""
    return resource_class(record.address.kind).model_validate(
        {
            "apiVersion": "loopwright.dev/v1alpha1",
            "kind": record.address.kind,
            "metadata": {"name": record.address.name, "labels": dict(record.labels)},
            "spec": record.spec,
        }
    )


class ProviderPool:
    """Adapters and capabilities by (provider name, kind)."""

    def __init__(
        self,
        workspace: Workspace,
        resources: Mapping[Address, Resource],
        records: Mapping[Address, Record],
        *,
        project: Project | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._workspace = workspace
        self._project, self._variables = project or Project(), variables or {}
        self._declared = {
            address.name: resource
            for address, resource in resources.items()
            if address.kind == "Provider"
        }
        self._recorded = {
            address.name: record
            for address, record in records.items()
            if address.kind == "Provider" and address.name not in self._declared
        }
        self.hide = Hiding(resources.values(), workspace.environ)
        self._built: dict[str, Provider] = {}
        self._throttles: dict[str, Throttle] = {}
        self._lock = threading.Lock()

    def capabilities(self, provider: str, kind: str) -> Capabilities:
        """Raises PlanError when the provider cannot realise the kind, naming those that can."""
        provider_type = self._spec(provider).type
        found = factory(provider_type).capabilities.get(kind)
        if found is None:
            able = ", ".join(types_realising(kind)) or "none that is installed"
            raise PlanError(
                f"provider {provider!r} (type {provider_type}) cannot realise {kind}",
                hint=f"provider types that can: {able}",
            )
        return found

    def adapter(self, provider: str, kind: str) -> Adapter:
        self.capabilities(provider, kind)
        return self.provider(provider).adapters[kind]

    def provider(self, name: str) -> Provider:
        with self._lock:
            if name not in self._built:
                self._built[name] = self._build(name)
            return self._built[name]

    def throttle(self, name: str) -> Throttle | None:
        """The rate limit of the provider's account, shared by all with the same account."""
        spec = self._spec(name)
        if spec.request_rate is None:
            return None
        account = spec.account or name
        with self._lock:
            if account not in self._throttles:
                self._throttles[account] = Throttle(
                    per_second=spec.request_rate.per_second,
                    burst=spec.request_rate.burst,
                    clock=self._workspace.clock,
                )
            return self._throttles[account]

    def names(self) -> Iterable[str]:
        return sorted({*self._declared, *self._recorded})

    def close(self) -> None:
        for provider in self._built.values():
            provider.close()
        self._built.clear()

    def _spec(self, name: str) -> Any:
        if name in self._declared:
            return self._declared[name].spec
        if name in self._recorded:
            return resource_of(self._recorded[name]).spec
        raise PlanError(
            f"Provider/{name} is neither declared nor recorded",
            hint="declare it; resources it made cannot be reached without it",
        )

    def _build(self, name: str) -> Provider:
        spec = self._spec(name)
        made_by = factory(spec.type)
        context = ProviderContext(
            name=name,
            connection=made_by.connection.model_validate(spec.connection),
            project_dir=self._workspace.project_dir,
            state_dir=self._workspace.state_dir,
            clock=self._workspace.clock,
            credentials=spec.credentials,
            environ=self._workspace.environ,
            prices=spec.prices.model_dump(by_alias=True),
            project=self._project,
            variables=self._variables,
        )
        return made_by.build(context)
