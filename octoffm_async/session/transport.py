"""One request over the wire and back: aiohttp behind an interface of two methods.

Its errors say what matters later: whether the request may have reached the other side. Redirects are not followed (a
token must not travel to another address), cookies are not kept, and an answer is read up to ``max_answer_bytes``.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

import aiohttp
import msgspec
from yarl import URL

from ..errors import (
    AnswerTimeoutError,
    ClosedError,
    ConnectError,
    ConnectionLostError,
    TLSError,
    UnusableAnswerError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

    from ..config import Config


class Response(NamedTuple):
    """An answer as it came, read whole. Header names ignore case."""

    status: int
    headers: MultiMapping[str]
    body: bytes
    url: str

    def json(self, type: Any = Any) -> Any:  # noqa: A002  (msgspec's name for it)
        """The body decoded as JSON, to ``type`` (any that msgspec knows) if given.

        Raises:
            UnusableAnswerError: it is not JSON, or not of that type.
        """
        try:
            return msgspec.json.decode(self.body, type=type)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UnusableAnswerError(f"the body cannot be read as JSON: {error}", status=self.status) from None


class Transport(Protocol):
    """What the pipeline needs of an HTTP library."""

    def open(self) -> None:
        """Be ready to send, on the running event loop."""
        ...

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, read_timeout: float
    ) -> Response:
        """Send one request and read its whole answer; it may stay silent for ``read_timeout`` seconds.

        Raises:
            ConnectError, TLSError: nothing was sent.
            ConnectionLostError, AnswerTimeoutError: it may have been carried out.
            UnusableAnswerError: the answer is larger than allowed.
            ClosedError: it is not open.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class AiohttpTransport:
    """aiohttp, with a session of its own or the caller's (which it then leaves open)."""

    def __init__(
        self,
        config: Config,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._config = config
        self._ssl = ssl_context
        self._session = session
        self._owned = session is None
        self._timeout = _timeout(config, config.read_timeout)

    def open(self) -> None:
        """Make a session unless the caller gave one."""
        if not self._owned or self._session is not None:
            return
        connector = aiohttp.TCPConnector(
            limit=self._config.max_connections,
            keepalive_timeout=self._config.keepalive,
            ttl_dns_cache=300,
            ssl=self._ssl or True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=self._config.trust_env,
        )

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, read_timeout: float
    ) -> Response:
        """See :class:`Transport`."""
        session = self._session
        if session is None:
            raise ClosedError("the client is not open")
        try:
            response = await session.request(
                method,
                _url(url),
                headers=headers,
                data=body,
                allow_redirects=False,
                raise_for_status=False,
                timeout=self._timeout_for(read_timeout),
            )
            try:
                if response.content.is_eof():  # it came with the head: no timer is needed
                    content = await self._read(response, read_timeout)
                else:
                    async with asyncio.timeout(read_timeout) as bound:
                        content = await self._read(response, read_timeout, bound)
            finally:
                response.release()
        except (aiohttp.ClientError, OSError) as error:
            _raise_as_ours(error, url)
        except RuntimeError as error:
            if session.closed:
                raise ClosedError("the aiohttp session is closed") from error
            raise
        return Response(response.status, response.headers, content, url)

    async def close(self) -> None:
        """Close the session if it is ours."""
        if self._owned and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _timeout_for(self, read_timeout: float) -> aiohttp.ClientTimeout:
        if read_timeout == self._timeout.sock_read:
            return self._timeout
        return _timeout(self._config, read_timeout)

    async def _read(
        self, response: aiohttp.ClientResponse, read_timeout: float, bound: asyncio.Timeout | None = None
    ) -> bytes:
        most = self._config.max_answer_bytes
        announced = response.content_length or 0
        chunks: list[bytes] = []
        size = announced if announced > most else 0
        while size <= most and (chunk := await response.content.readany()):
            chunks.append(chunk)
            size += len(chunk)
            if bound is not None:
                bound.reschedule(asyncio.get_running_loop().time() + read_timeout)
        if size > most:
            response.close()
            raise UnusableAnswerError(
                f"the answer is larger than max_answer_bytes ({most} bytes): not read", status=response.status
            )
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _timeout(config: Config, read_timeout: float) -> aiohttp.ClientTimeout:
    # Never ``total``: it would count the wait for a connection; the pipeline's deadline bounds the whole.
    return aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout, sock_read=read_timeout)


@lru_cache(maxsize=1024)
def _url(url: str) -> URL:
    return URL(url, encoded=True)


def _raise_as_ours(error: Exception, url: str) -> NoReturn:
    host = _url(url).authority
    reason = str(error) or type(error).__name__
    match error:
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            raise TLSError(f"no TLS connection to {host}: {reason}") from error
        case aiohttp.ClientConnectorError() | aiohttp.ClientProxyConnectionError():
            raise ConnectError(f"no connection to {host}: {reason}") from error
        case aiohttp.ConnectionTimeoutError():
            raise ConnectError(f"no connection to {host} in time") from error
        case TimeoutError():
            raise AnswerTimeoutError(f"{host} did not answer in time") from error
        case _:
            raise ConnectionLostError(f"connection to {host} lost: {reason}") from error
