"""requests, in threads: a session each, because sessions are not made for sharing."""
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from ..answers import HEADERS, ORDER
from .base import MOST_IN_FLIGHT, Target, Walked, next_address
from .plain_models import Order, Stock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Threads:
    """A thread for each call in flight; the threads share one iterator, and no event loop takes part."""

    def __init__(self) -> None:
        self._order = Order.from_dict(ORDER)
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(MOST_IN_FLIGHT)

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target

    async def post(self) -> str:
        """See Peer."""
        return await self._in_thread(self._post)

    async def get(self) -> Stock:
        """See Peer."""
        return await self._in_thread(self._get)

    async def page_walk(self) -> Walked:
        """See Peer."""
        return await self._in_thread(self._walk)

    async def spread(self, call: Callable[[], Awaitable[object]], count: int, in_flight: int) -> None:
        """See Peer; ``call`` is one of the methods above, and the threads call its blocking twin."""
        twins: dict[Any, Callable[[], object]] = {self.post: self._post, self.get: self._get}
        twin = twins[call]
        turns = iter(range(count))
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    if next(turns, None) is None:
                        return
                twin()

        await asyncio.gather(*(self._in_thread(work) for _ in range(in_flight)))

    async def close(self) -> None:
        """See Peer."""
        self._pool.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.headers.update({name: value for name, value in HEADERS.items() if name != "Content-Type"})
            if self._target.certificate is not None:
                session.verify = self._target.certificate
        return session

    def _post(self) -> str:
        response = self._session().post(self._target.orders, json=self._order.to_dict(), timeout=30)
        response.raise_for_status()
        return str(response.json()["outboundShipmentId"])

    def _get(self) -> Stock:
        response = self._session().get(self._target.stock, timeout=30)
        response.raise_for_status()
        return Stock.from_dict(response.json())

    def _walk(self) -> Walked:
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            response = self._session().get(address, timeout=30)
            response.raise_for_status()
            items = [Stock.from_dict(item) for item in response.json()["items"]]
            rows, last = rows + len(items), items[-1]
            address = next_address(self._target, response.headers.get("Link"))
        return Walked(rows, last)
