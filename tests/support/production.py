"""A server that answers stocks and references as a shop in production sees them, and in the ways it might as well."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from octoffm_async import Config, FulfillmentClient
from tests.support.fakes import SECRET

Row = dict[str, Any]


class Production:
    """Products with their references and stocks, served over loopback.

    ``filter`` is what becomes of ``sellerProductReference`` on /stocks: ``works``, ``ignored``, ``empty`` (nothing for
    anything), ``prefix`` (also what begins like it), or a status to refuse it with.
    """

    def __init__(self, filter: str | int = "works") -> None:  # noqa: A002
        self.filter = filter
        self.references: list[Row] = []
        self.stocks: list[Row] = []
        self.owners: dict[Any, str] = {}
        self.calls = Counter[str]()
        self.reading: asyncio.Event | None = None
        """If set, a page of references waits for it."""
        self.asked = asyncio.Event()
        self.broken = False
        """Whether the list of references is none."""

    def product(self, reference: str, *available: int | None, product: Any = None, **fields: Any) -> list[Row]:
        """A reference, and a stock for each number; fields of the reference row."""
        product = f"P-{reference}" if product is None else product
        row = {"sellerId": "12345", "productId": product, "sellerProductReference": reference}
        self.references.append(row | fields)
        return [self.stock(reference, number, product=product) for number in available]

    def stock(self, reference: str, available: int | None, *, product: Any) -> Row:
        """One more stock of a reference."""
        stock: Row = {"id": f"S-{len(self.stocks)}", "productId": product, "productState": "New"}
        stock["quantities"] = {} if available is None else {"Available": available}
        self.stocks.append(stock)
        self.owners[stock["id"]] = reference
        return stock

    def filtered(self, wanted: str) -> list[Row]:
        if self.filter == "ignored":
            return self.stocks
        if self.filter == "empty":
            return []
        matches = str.startswith if self.filter == "prefix" else str.__eq__
        return [stock for stock in self.stocks if matches(self.owners[stock["id"]], wanted)]

    async def token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "token", "expires_in": 7200})

    async def list_references(self, request: web.Request) -> web.Response:
        self.calls["references"] += 1
        self.asked.set()
        if self.reading is not None:
            await self.reading.wait()
        return web.Response(text="<html>") if self.broken else self._page(request, self.references)

    async def list_stocks(self, request: web.Request) -> web.Response:
        wanted = request.query.get("sellerProductReference")
        if wanted is None:
            self.calls["scan"] += 1
            return self._page(request, self.stocks)
        self.calls["filter"] += 1
        if isinstance(self.filter, int):
            return web.json_response({"title": "no"}, status=self.filter)
        return self._page(request, self.filtered(wanted))

    async def get_stock(self, request: web.Request) -> web.Response:
        self.calls["get"] += 1
        for stock in self.stocks:
            if str(stock["id"]) == request.match_info["id"]:
                return web.json_response(stock)
        return web.json_response({"title": "Not Found"}, status=404)

    def _page(self, request: web.Request, rows: list[Row]) -> web.Response:
        start, limit = int(request.query.get("cursor", "0")), int(request.query["limit"])
        end = start + limit
        query = urlencode({**request.query, "cursor": end})
        more = {} if end >= len(rows) else {"Link": f'<{request.path}?{query}>; rel="next"'}
        return web.json_response({"itemsPerPage": limit, "items": rows[start:end]}, headers=more)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/token", self.token)
        app.router.add_get("/seller/v2/stock-seller-references", self.list_references)
        app.router.add_get("/seller/v2/stocks", self.list_stocks)
        app.router.add_get("/seller/v2/stocks/{id}", self.get_stock)
        return app


@asynccontextmanager
async def served(api: Production) -> AsyncIterator[str]:
    """Its origin, while it answers."""
    runner = web.AppRunner(api.app())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(api: Production) -> AsyncIterator[FulfillmentClient]:
    """A client of it, over real connections."""
    async with served(api) as origin:
        config = Config(
            client_id="client",
            client_secret=SECRET,
            seller_id="12345",
            base_url=f"{origin}/seller/v2",
            token_url=f"{origin}/token",
            limit=None,
            backoff_base=0.001,
        )
        async with FulfillmentClient(config, hooks=()) as client:
            yield client


@contextmanager
def environment(api: Production) -> Iterator[dict[str, str]]:
    """The settings of a command that is to use it; it is served by a thread."""
    origin: Future[str] = Future()
    ended = threading.Event()

    async def main() -> None:
        async with served(api) as address:
            origin.set_result(address)
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        address = origin.result(timeout=20)
        yield {
            "OCTOFFM_CLIENT_ID": "client",
            "OCTOFFM_CLIENT_SECRET": SECRET,
            "OCTOFFM_SELLER_ID": "12345",
            "OCTOFFM_BASE_URL": f"{address}/seller/v2",
            "OCTOFFM_TOKEN_URL": f"{address}/token",
        }
    finally:
        ended.set()
        thread.join()
