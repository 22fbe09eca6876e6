"""A server that answers as a test wants it to, a clock that a test drives, and a probe of that server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

from octoffm_async import Config
from octoffm_async.contract.operations import OPERATIONS
from octoffm_async.probe.records import CallRecord, Probe
from octoffm_async.probe.running import Prober

SECRET = "s3cr3t-of-the-client"
TOKEN = "eyJhbGciOi-token-0123456789"
TOKEN_PATH = "/token"
CUT = object()
"""An answer that does not come: the connection is cut."""


class Arrival(NamedTuple):
    at: float
    method: str
    path: str
    query: Mapping[str, str]
    seller: str | None


class Clock:
    """Time passes only when somebody sleeps, or as long as an answer takes."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


Answers = Callable[[Arrival], Any]


class Api:
    """``answers`` gives for each GET a JSON value, or a whole response; the token request has its own."""

    def __init__(self, answers: Answers, *, clock: Clock | None = None, takes: float = 0.2) -> None:
        self.answers = answers
        self.token: Any = {"access_token": TOKEN, "expires_in": 7200, "token_type": "Bearer"}
        self.sends = TOKEN
        self.clock = clock or Clock()
        self.takes = takes
        self.arrived: list[Arrival] = []
        self.origin = ""

    @property
    def calls(self) -> list[Arrival]:
        return [one for one in self.arrived if one.path != TOKEN_PATH]

    def config(self, **settings: Any) -> Config:
        given = {"client_id": "the-client-id", "client_secret": SECRET, "seller_id": "98979-the-seller"}
        urls = {"base_url": f"{self.origin}/seller/v2", "token_url": self.origin + TOKEN_PATH}
        return Config(**{**given, **urls, **settings})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/seller/v2")
        seller = request.headers.get("SellerId")
        arrival = Arrival(self.clock.now(), request.method, path, dict(request.query), seller)
        self.arrived.append(arrival)
        self.clock.time += self.takes
        if path == TOKEN_PATH:
            form = await request.post()
            if form["client_secret"] != SECRET:
                return web.json_response({"error": "unauthorized_client", "error_description": "no"}, status=401)
            return as_response(self.token)
        assert request.headers["Authorization"] == f"Bearer {self.sends}"
        answer = self.answers(arrival)
        if answer is CUT:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return as_response(await answer if hasattr(answer, "__await__") else answer)


def as_response(answer: Any) -> web.StreamResponse:
    return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)


@asynccontextmanager
async def serving(answers: Answers, **settings: Any) -> AsyncIterator[Api]:
    api = Api(answers, **settings)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    api.origin = f"http://{host}:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()


async def probed(api: Api, *, wrong_secret: bool = False, **settings: Any) -> Prober:
    prober = Prober(api.config(**settings), clock=api.clock, wrong_secret=wrong_secret)
    await prober.run()
    return prober


def not_there(_arrival: Arrival) -> web.Response:
    return web.Response(status=404)


def kept(probe: Probe, name: str) -> CallRecord:
    found = probe.named(name)
    assert found is not None
    return found


def shop(arrival: Arrival) -> Any:
    """A small shop in the usual spelling: two stocks, one order of each kind, a supply order of each, two returns."""
    path, query = arrival.path, arrival.query
    if arrival.seller is None:
        return web.json_response({"title": "Bad Request", "status": 400}, status=400)
    lists = {"/sellers": [{"id": "98979"}], **LISTS}
    if path in lists:
        if "Nonsense" in query.values():
            return web.json_response({"title": "Bad Request", "errors": {"sort": ["not one"]}}, status=400)
        rows = lists[path]
        wanted = query.get("sellerProductReference")
        if wanted is not None:
            rows = STOCKS[:1] if path == "/stocks" and wanted == "REF-1" else []
        return {"itemsPerPage": 10, "items": rows}
    if path.endswith("/count"):
        return 2
    if path.endswith(("/delivery-notes", "/labels")):
        return web.Response(body=b"%PDF-1.4 of it", content_type="application/pdf")
    rows = [row for listed in lists.values() for row in listed if path.rpartition("/")[2] in row.values()]
    return rows[0] if rows else web.Response(status=404)


_QUANTITIES = {
    "Available": 37,
    "Allocated": 0,
    "Blocked": 0,
    "Litigation": 0,
    "Removal": 0,
    "Return": 0,
    "LogisticOperations": 0,
}
_WHEN = "2026-01-02T03:04:05Z"
STOCKS = [
    {
        "id": f"stock-{number}",
        "productId": f"product-{number}",
        "productState": "New",
        "productCondition": "New",
        "gtin": "4006381333931",
        "updatedAt": _WHEN,
        "quantities": _QUANTITIES,
        "localizations": [
            {"storageCountry": "FR", "quantities": _QUANTITIES, "updatedAt": _WHEN, "updateReason": "Inbound"}
        ],
    }
    for number in (1, 2)
]
REFERENCES = [
    {
        "sellerProductReference": "REF-1",
        "sellerId": "98979-the-seller",
        "productId": "product-1",
        "stockId": "stock-1",
        "gtin": "4006381333931",
        "productCondition": "New",
        "createdAt": _WHEN,
    }
]
SUPPLIES = [
    {
        "inboundShipmentId": f"supply-{status}",
        "reference": "SUP-1",
        "code": "C1",
        "storageCountry": "FR",
        "expectedDeliveryDate": _WHEN,
        "status": status,
        "lines": [{"sellerProductReference": "REF-1", "quantity": 1, "receivedQuantity": 1, "undeliveredQuantity": 0}],
        "createdAt": _WHEN,
        "updatedAt": _WHEN,
        "refusal": None,
    }
    for status in ("Accepted", "Created")
]
_ADDRESS = {
    "civility": "M",
    "firstName": "Jeanne",
    "lastName": "Dupont",
    "companyName": "ACME",
    "addressLine1": "1 rue",
    "addressLine2": "b",
    "addressLine3": "c",
    "postalCode": "75001",
    "city": "Paris",
    "stateOrRegion": "Idf",
    "countryCode": "FR",
    "email": "jeanne@dupont.example",
    "phone": "0102030405",
}
_LINE = {"quantity": 1, "sellerProductReference": "REF-1", "productId": "product-1", "productCondition": "New"}
ORDERS = [
    {
        "outboundShipmentId": f"order-{status}",
        "reference": f"ORDER-{status}",
        "status": status,
        "state": "Valid",
        "storageCountry": "FR",
        "deliveryMode": "TrackedHomeDelivery",
        "deliveryAddress": _ADDRESS,
        "lines": [_LINE],
        "createdAt": _WHEN,
        "updatedAt": _WHEN,
        "statusUpdatedAt": _WHEN,
        "refusal": {"code": "UnknownProduct", "message": "no"},
        "parcels": [
            {
                "parcelId": "p",
                "carrier": "Colissimo",
                "trackingNumber": "1",
                "trackingUrl": "https://t",
                "lines": [_LINE],
            }
        ],
    }
    for status in ("Shipped", "Refused", "Created")
]
RETURNS = [
    {
        "returnId": f"return-{label}",
        "type": "Customer",
        "status": "Created",
        "reason": "Damaged",
        "recommendedReturnReason": "Damaged",
        "comment": "c",
        "warehouseComment": "w",
        "outboundShipmentId": "order-Shipped",
        "reference": "R",
        "orderSellerId": "o",
        "parcelId": "p",
        "receiptDate": _WHEN,
        "createdAt": _WHEN,
        "updatedAt": _WHEN,
        "lines": [{"sellerProductReference": "REF-1", "quantity": 1, "receivedQuantity": 1, "state": "Good"}],
        "hasLabel": label,
        "labelUrl": "/x" if label else None,
        "undeclaredQuantity": 0,
    }
    for label in (True, False)
]
LISTS = {
    "/stocks": STOCKS,
    "/stock-seller-references": REFERENCES,
    "/inbound-shipments": SUPPLIES,
    "/outbound-shipments": ORDERS,
    "/returns": RETURNS,
}
for _one in OPERATIONS:
    for _row in LISTS.get(_one.path, []) if _one.row else []:
        for _name in _one.row.__struct_encode_fields__:
            _row.setdefault(_name, None)  # a field that is new in the contract
