"""How a probe sends: one request at a time, well apart, never repeated, never redirected, and only reading.

A client repeats, adapts and renews; a probe must see each answer as it came. So it has a sender of its own, on one
:class:`aiohttp.ClientSession`, whose only POST is the token request.
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
from ..session.failures import as_ours
from ..session.heads import FORM, JSON
from ..session.response import Body, Response

if TYPE_CHECKING:
    from types import TracebackType

    from ..config import Config, Secret

APART = 0.5
"""Seconds from the end of one call to the start of the next."""
LARGEST = 4 * 1024 * 1024
"""Bytes of an answer that are read at most: a page of a thousand orders is half of that."""

_ACCEPT = f"{JSON}, application/pdf, */*;q=0.1"
_WORDS: tuple[tuple[type[NotAnsweredError], str], ...] = (
    (TLSError, "no TLS connection"),
    (ConnectError, "no connection"),
    (AnswerTimeoutError, "no answer in time"),
    (ConnectionLostError, "the connection was lost"),
)


class Clock(Protocol):
    """What tells the time and lets it pass; tests drive one of their own."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class LoopClock:
    """The clock of the running event loop."""

    def now(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)


class Sender:
    """Sends the calls of a probe; to be entered. ``deadline`` bounds one call, in seconds.

    Its errors are :class:`NotAnsweredError` (no answer came) and :class:`UnusableAnswerError` (it was too large).
    """

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or LoopClock()
        self._body = Body(LARGEST)
        self._session: aiohttp.ClientSession | None = None
        self._ended: float | None = None
        self._token: Secret | None = None
        self._left = False

    async def __aenter__(self) -> Self:
        config = self._config
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=config.trust_env,
            connector=aiohttp.TCPConnector(limit=1),
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
        """Read ``target`` (a path under the base address, with its query) as a seller, or as none."""
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
        try:
            async with session.request(
                method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
            ) as answer:
                whole = await self._body.read(answer.content, answer.status, answer.headers, self._config.read_timeout)
                return Response(answer.status, answer.headers, whole, url)
        except (aiohttp.ClientError, OSError) as error:
            raise as_ours(error, url) from None
        except ValueError:
            # A redirect or a head that aiohttp cannot take apart; what it says may quote the other side.
            raise ConnectionLostError("the answer is not HTTP") from None
        finally:
            self._ended = self._clock.now()

    async def _once(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Let a request leave once: aiohttp would send a GET again at once when its connection is lost."""
        if self._left:
            raise ConnectionLostError("the connection was lost")
        self._left = True
        return await handler(request)

    async def _keep_apart(self) -> None:
        while self._ended is not None and (left := self._ended + APART - self._clock.now()) > 0:
            await self._clock.sleep(left)


def why_not_answered(error: NotAnsweredError | UnusableAnswerError) -> str:
    """Why there is no answer, in fixed words: the errors of the network may quote what came."""
    if isinstance(error, UnusableAnswerError):
        return f"the answer is larger than {LARGEST // 1024 // 1024} MiB"
    return next((words for kind, words in _WORDS if isinstance(error, kind)), "no answer")
