"""An API on the simulated clock, with a hidden quota, latency and outages, behind the real pipeline as its transport.

A request reaches the API after half its latency and is counted there, as the sandbox counts it: a refused request does
not fill the window.
"""

from __future__ import annotations

import asyncio
from array import array
from typing import TYPE_CHECKING, Protocol

import msgspec
from multidict import CIMultiDict

from octoffm_async import Config
from octoffm_async.errors import ConnectError
from octoffm_async.sandbox.http.rate_limit import SlidingLog
from octoffm_async.transport.response import Response

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

BASE_URL, TOKEN_URL = "http://127.0.0.1:9/seller/v2", "http://127.0.0.1:9/token"
HEADERS = CIMultiDict({"Content-Type": "application/json"})
RETRY_LATER = CIMultiDict({**HEADERS, "Retry-After": "1"})
STOCK = b'{"id": "00000000-0000-0000-0000-000000000001", "productId": "P", "quantities": {"Available": 1}}'


class Quota(Protocol):
    """A quota: ``admit`` returns 0, or the seconds until a request is admitted."""

    def admit(self, now: float) -> float:
        """Admit one more request now, or not."""
        ...


class FixedWindow:
    """At most ``most`` requests in each period: a counter that is reset at its end."""

    def __init__(self, most: int, period: float) -> None:
        self.most = most
        self._period = period
        self._end = 0.0
        self._count = 0

    def admit(self, now: float) -> float:
        """See :class:`Quota`."""
        if now >= self._end:
            self._end = now - now % self._period + self._period
            self._count = 0
        if self._count >= self.most:
            return self._end - now
        self._count += 1
        return 0.0


class Latency:
    """Seconds that a request takes, there and back: uniform between two bounds, times ``factor``."""

    def __init__(self, least: float, most: float, rng: random.Random) -> None:
        self._least, self._most, self._rng = least, most, rng
        self.factor = 1.0

    def draw(self) -> float:
        """Return the seconds of one request."""
        return self._rng.uniform(self._least, self._most) * self.factor


class SimulatedApi:
    """See :class:`octoffm_async.transport.aiohttp_transport.Transport`.

    ``quotas`` are by seller, ``quota`` is for all.
    """

    def __init__(self, latency: Latency, *, token_life: float = 7200.0) -> None:
        self.latency = latency
        self.quota: Quota | None = None
        self.quotas: dict[str, Quota] = {}
        self.refuses_connections = False
        self.fails = False
        self.tokens_fail = False
        self.tells_seconds = False
        """True if a 429 has ``Retry-After: 1``, the shortest that there is in whole seconds."""
        self.token_life = token_life
        self.arrived_at = array("d")
        """The times at which requests reached the API (or would have)."""
        self.statuses = array("H")
        """The statuses of the responses; 0 is no response."""
        self.token_calls: list[float] = []
        self.created: dict[bytes, int] = {}
        self.references: list[str] = []
        """References that the seller has registered; all in one page."""

    def open(self) -> None:
        """See Transport."""

    async def close(self) -> None:
        """See Transport."""

    async def send(
        self,
        method: str,  # noqa: ARG002
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        read_timeout: float,  # noqa: ARG002
    ) -> Response:
        """See Transport."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        half = self.latency.draw() / 2
        is_token = url == TOKEN_URL

        def arrive() -> None:
            given = self._token(loop.time()) if is_token else self._serve(url, headers, body, loop.time())
            loop.call_later(half, _resolve, answer, given)

        loop.call_later(half, arrive)
        status, content = await answer
        if status == 0:
            raise ConnectError("connection refused")
        return Response(status, RETRY_LATER if status == 429 and self.tells_seconds else HEADERS, content, url)

    def _token(self, now: float) -> tuple[int, bytes]:
        self.token_calls.append(now)
        if self.tokens_fail:
            return (0 if self.refuses_connections else 503), b""
        return 200, b'{"access_token": "token-%d", "expires_in": %d}' % (len(self.token_calls), self.token_life)

    def _serve(self, url: str, headers: Mapping[str, str], body: bytes | None, now: float) -> tuple[int, bytes]:
        status = self._status(headers, now)
        self.arrived_at.append(now)
        self.statuses.append(status)
        if status != 200:
            return status, b""
        if "/stock-seller-references" in url:
            rows = [{"sellerProductReference": name, "stockId": f"S-{name}"} for name in self.references]
            return 200, msgspec.json.encode({"itemsPerPage": len(rows), "items": rows})
        if body is None:
            return 200, STOCK
        self.created[body] = self.created.get(body, 0) + 1
        return 201, b'{"outboundShipmentId": "S-%d"}' % len(self.statuses)

    def _status(self, headers: Mapping[str, str], now: float) -> int:
        if self.refuses_connections:
            return 0
        if self.fails:
            return 503
        quota = self.quotas.get(headers["SellerId"], self.quota) if self.quotas else self.quota
        return 429 if quota is not None and quota.admit(now) else 200

    def count(self, since: float, until: float, status: int | None = None) -> int:
        """Return the number of requests that arrived from ``since`` to ``until``, of one status or all."""
        return sum(
            1
            for at, given in zip(self.arrived_at, self.statuses, strict=True)
            if since <= at < until and (status is None or given == status)
        )


def _resolve(answer: asyncio.Future[tuple[int, bytes]], given: tuple[int, bytes]) -> None:
    if not answer.done():
        answer.set_result(given)


def sliding(rate: float, period: float) -> SlidingLog:
    """Return a sliding log that admits ``rate`` per second over windows of ``period``."""
    return SlidingLog(round(rate * period), period)


def config(**settings: object) -> Config:
    """Return a client's settings for the simulated API: no limit unless one is given."""
    return Config(
        client_id="client",
        client_secret="secret",
        seller_id="12345",
        base_url=BASE_URL,
        token_url=TOKEN_URL,
        **{"limit": None, **settings},  # type: ignore[arg-type]
    )
