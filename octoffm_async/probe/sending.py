"""The sender of a probe: one request at a time, well apart, without retries or redirects, and only reading.

A client retries, adapts its rate and renews tokens; a probe must see each answer as the API sent it. So it has a sender
of its own, on one :class:`aiohttp.ClientSession`, whose only POST is the token request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from ..contract.access import TokenRequest
from ..errors import (
    AnswerTimeoutError,
    ConnectError,
    ConnectionLostError,
    NotAnsweredError,
    TLSError,
    UnusableAnswerError,
)
from ..session.request_headers import FORM, JSON
from ..settings.network import proxy_for, tls_context
from ..transport.failures import to_package_error
from ..transport.response import BoundedBodyReader, Response

if TYPE_CHECKING:
    from types import TracebackType

    from ..config import Config, Secret

APART = 0.5
"""Seconds from the end of one call to the start of the next."""
LARGEST = 4 * 1024 * 1024
"""The maximum size of an answer in bytes: a page of a thousand orders is half of that."""

_ACCEPT = f"{JSON}, application/pdf, */*;q=0.1"
_WORDS: tuple[tuple[type[NotAnsweredError], str], ...] = (
    (TLSError, "no TLS connection"),
    (ConnectError, "no connection"),
    (AnswerTimeoutError, "no answer in time"),
    (ConnectionLostError, "the connection was lost"),
)


class ProbeClock(Protocol):
    """Protocol of a clock; tests drive their own."""

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for some seconds of this clock."""
        ...


class LoopClock:
    """The clock of the running event loop."""

    def now(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Sleep for some seconds."""
        await asyncio.sleep(seconds)


class Sender:
    """The sender of a probe's calls; use it in ``async with``. The deadline of ``config`` bounds one call, in seconds.

    Its errors are :class:`NotAnsweredError` (no answer) and :class:`UnusableAnswerError` (the answer was too large).
    """

    def __init__(self, config: Config, *, clock: ProbeClock | None = None) -> None:
        self._config = config
        self._clock = clock or LoopClock()
        self._body = BoundedBodyReader(LARGEST)
        self._session: aiohttp.ClientSession | None = None
        self._ended: float | None = None
        self._token: Secret | None = None
        self._left = False

    async def __aenter__(self) -> Self:
        config = self._config
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=1, ssl=tls_context(config) or True),
            middlewares=(self._once,),
            timeout=aiohttp.ClientTimeout(
                total=config.deadline, sock_connect=config.connect_timeout, sock_read=config.read_timeout
            ),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def use(self, token: Secret) -> None:
        """Send this token from now on."""
        self._token = token

    async def token(self, *, secret: Secret) -> Response:
        """Make the token request with a secret."""
        form = TokenRequest(client_id=self._config.client_id, client_secret=secret.reveal())
        body = urlencode(msgspec.to_builtins(form)).encode()
        return await self._send("POST", self._config.token_url, {"Accept": JSON, "Content-Type": FORM}, body)

    async def get(self, target: str, *, seller_id: str | None) -> Response:
        """Get ``target`` (a path under the base URL, with its query) as a seller, or without a seller."""
        headers = {"Accept": _ACCEPT}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        if seller_id is not None:
            headers["SellerId"] = seller_id
        if self._config.sales_channel_id is not None:
            headers["SalesChannelId"] = self._config.sales_channel_id
        return await self._send("GET", self._config.base_url + target, headers, None)

    async def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Response:
        session = self._session
        if session is None:
            raise RuntimeError("the sender is not open")
        await self._keep_apart()
        self._left = False
        address = URL(url, encoded=True)
        proxy = proxy_for(address, self._config)
        more = {} if proxy is None else proxy.arguments(address)
        headers |= {} if proxy is None else proxy.own_headers(address)
        try:
            async with session.request(
                method, address, headers=headers, data=body, allow_redirects=False, **more
            ) as answer:
                whole = await self._body.read(answer.content, answer.status, answer.headers, self._config.read_timeout)
                return Response(answer.status, answer.headers, whole, url)
        except (aiohttp.ClientError, OSError) as error:
            raise to_package_error(error, url) from None
        except ValueError:
            # A redirect or headers that aiohttp cannot parse; its message may quote the answer.
            raise ConnectionLostError("the answer is not HTTP") from None
        finally:
            self._ended = self._clock.now()

    async def _once(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Send a request once: aiohttp would repeat a GET at once when its connection is lost."""
        if self._left:
            raise ConnectionLostError("the connection was lost")
        self._left = True
        return await handler(request)

    async def _keep_apart(self) -> None:
        while self._ended is not None and (left := self._ended + APART - self._clock.now()) > 0:
            await self._clock.sleep(left)


def why_not_answered(error: NotAnsweredError | UnusableAnswerError) -> str:
    """Return the reason of a missing answer in fixed words: the errors of the network may quote the answer."""
    if isinstance(error, UnusableAnswerError):
        return f"the answer is larger than {LARGEST // 1024 // 1024} MiB"
    return next((words for kind, words in _WORDS if isinstance(error, kind)), "no answer")
