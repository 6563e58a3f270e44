"""POST to an upstream over aiohttp's connector: its pool, DNS, TLS, parser and flow control.

Not over `ClientSession.post`: what that adds (cookies, redirects, proxies, traces, retries, total
time limits) is not wanted here, and costs every call about a fifth of its CPU time.
"""

from __future__ import annotations

import asyncio
import io

import aiohttp
from aiohttp.client_reqrep import ClientResponse
from aiohttp.helpers import TimerNoop
from multidict import CIMultiDict
from yarl import URL

_LARGE = 1 << 20  # bytes from which a body is sent in pieces
_LONGEST_HEADER = 16 << 10
_TIMER = TimerNoop()


class UpstreamClient:
    """One pool of connections to all upstreams: as many at once as ask. Belongs to one loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=60)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def post(
        self, url: URL, *, headers: dict[str, str], body: bytes, timeout: aiohttp.ClientTimeout
    ) -> ClientResponse:
        """The head of the answer; its body is read from it, and unpacked by nobody.

        `sock_connect` and `sock_read` of `timeout` hold, in seconds. Raises aiohttp.ClientError,
        TimeoutError, and OSError when the connection breaks.
        """
        request = aiohttp.ClientRequest(
            "POST",
            url,
            headers=CIMultiDict(headers),
            data=body if len(body) < _LARGE else io.BytesIO(body),
            loop=self._loop,
            session=self._session,
            timer=_TIMER,
        )
        connection = await self._connected(request, timeout)
        try:
            if connection.protocol is None:
                raise aiohttp.ServerDisconnectedError
            connection.protocol.set_response_params(
                timer=_TIMER,
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=timeout.sock_read,
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
            )
            response = await request.send(connection)
            try:
                return await response.start(connection)
            except BaseException:
                response.close()
                raise
        except BaseException:
            connection.close()
            raise

    async def close(self) -> None:
        await self._session.close()

    async def _connected(
        self, request: aiohttp.ClientRequest, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        try:
            return await self._connector.connect(request, traces=[], timeout=timeout)
        except TimeoutError as late:
            raise aiohttp.ConnectionTimeoutError("the upstream took no connection") from late
