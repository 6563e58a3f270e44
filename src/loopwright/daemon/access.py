"""How jobs of the project call its endpoints: through the gateway, as what they are.

Their keys are derived from the token of the daemon that serves, so that they lie nowhere but in
`daemon.json` and end with that daemon. Loads neither the gateway nor the lake.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.presence import Presence

if TYPE_CHECKING:
    from loopwright.gateway.settings import Internal

_KEY = "loopwright-internal-"  # the gateway's INTERNAL_KEY; a test holds them together
_NAMES = {False: "loopwright", True: "loopwright-recorded"}


@dataclass(frozen=True, slots=True)
class Access:
    """Where the gateway of a living daemon is, and a key of its own making."""

    url: str
    """Up to and with `/v1`. The model of a request is an endpoint's name."""
    key: str = field(repr=False)
    certificate: str = ""
    """The gateway's own certificate file, where it speaks TLS."""

    @property
    def is_loopback(self) -> bool:
        """Whether it is called inside this machine: its certificate may be made out to the name
        that others call it by, and is then not to be held against it."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def insecure_loopback(self) -> bool:
        """For `inference.Server`: TLS without a look at the name, on this machine only."""
        return bool(self.certificate) and self.is_loopback


def gateway_access(folder: DaemonFolder, *, records: bool = False) -> Access | None:
    """The gateway of the daemon that serves now; None while none does: wait, and ask again.

    Rate limits of endpoints do not hold for these calls. Without `records` they are not recorded
    either: the ledger has them as excluded, `internal`. A daemon that is started anew takes other
    keys, so ask again after a 401.
    """
    facts = Presence(folder.path).facts()
    if facts is None:
        return None
    key = _key(facts.token, records=records)
    return Access(f"{facts.gateway}/v1", key, facts.certificate)


def internals(token: str) -> tuple[Internal, ...]:
    """Those callers, for the gateway of the daemon with this token."""
    from loopwright.gateway.settings import Internal

    return tuple(
        Internal(name, _key(token, records=records), records) for records, name in _NAMES.items()
    )


def _key(token: str, *, records: bool) -> str:
    said = hmac.new(token.encode(), f"gateway:{_NAMES[records]}".encode(), hashlib.sha256)
    return _KEY + said.hexdigest()
