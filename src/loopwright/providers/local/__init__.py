"""The `local` provider: everything really happens on this machine, in folders of the project.

Says cheaply what it can do; what does it is imported when a provider is built. No pyarrow here.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from loopwright.providers.base import Capabilities, Idempotency, Provider, ProviderContext
from loopwright.providers.local.connection import Connection


class LocalFactory:
    """Builds local providers. Long work is keyed by the engine's token, so none runs twice."""

    connection: type[BaseModel] = Connection
    capabilities: Mapping[str, Capabilities] = {
        "Lake": Capabilities(
            idempotency=Idempotency.TOKEN,
            updatable=frozenset({"masterKey", "retention", "visibilityDelay"}),
            write_only=frozenset({"masterKey"}),
        ),
        # Calls cannot be taken out of a lake one import at a time: they go with the lake.
        "CallImport": Capabilities(
            idempotency=Idempotency.TOKEN, can_delete=False, estimates_early=True
        ),
        "Dataset": Capabilities(idempotency=Idempotency.TOKEN),
        "Export": Capabilities(idempotency=Idempotency.TOKEN),
        "Model": Capabilities(idempotency=Idempotency.TOKEN, updatable=frozenset({"description"})),
        "FineTuneJob": Capabilities(idempotency=Idempotency.TOKEN, estimates_planned=True),
        "BatchInference": Capabilities(idempotency=Idempotency.TOKEN, estimates_planned=True),
        "EvalRun": Capabilities(idempotency=Idempotency.TOKEN, estimates_planned=True),
        "Endpoint": Capabilities(idempotency=Idempotency.TOKEN),
        "Delivery": Capabilities(idempotency=Idempotency.TOKEN),
    }

    def build(self, context: ProviderContext) -> Provider:
        """Nothing is read or made on disk before an adapter is asked."""
        from loopwright.providers.local.provider import LocalProvider

        return LocalProvider(context)


factory = LocalFactory()
