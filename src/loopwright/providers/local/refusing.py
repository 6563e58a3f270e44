"""The data plane's errors as provider errors: what may pass by itself is transient.

The engine retries by error class alone, so the one decision is made here.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from loopwright.errors import LoopwrightError, PermanentError, ProviderError, TransientError
from loopwright.providers.registry import types_realising
from loopwright.resources.address import Address

_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)


def may_pass(error: BaseException) -> bool:
    """Whether trying again may help: a full disk, a busy machine, calls still to come."""
    from loopwright.lake.datasets.version import NotEnoughRowsError

    cause = error if isinstance(error, OSError) else error.__cause__
    full = isinstance(cause, OSError) and cause.errno in _PASSING
    return full or isinstance(error, NotEnoughRowsError | TransientError | MemoryError)


def elsewhere(kind: str) -> str:
    """The other installed provider types that realise a kind, as the end of a hint."""
    others = [name for name in types_realising(kind) if name != "local"]
    return (
        f"; or a provider of another type that is installed: {', '.join(others)}" if others else ""
    )


@contextmanager
def explained(address: Address, action: str) -> Iterator[None]:
    """Every failure inside as a ProviderError that says what could not be done."""
    try:
        yield
    except ProviderError:
        raise
    except LoopwrightError as error:
        raise _provider_error(error, error.message, error.hint, address, action) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        message = f"cannot {action} {address}:{where} {error.strerror or error}"
        raise _provider_error(error, message, None, address, action) from error


def _provider_error(
    error: BaseException, message: str, hint: str | None, address: Address, action: str
) -> ProviderError:
    kind = TransientError if may_pass(error) else PermanentError
    found: ProviderError = kind(message, address=str(address), action=action)
    found.hint = hint
    return found
