"""Calls on the sandbox's handlers without HTTP, and a shop that keeps its own books of what it did."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from octoffm_async.contract.stocks import Quantities, Stock
from octoffm_async.sandbox import Sandbox
from octoffm_async.sandbox.http.call import API_PATH, IncomingRequest
from octoffm_async.sandbox.http.responses import ProblemError, json_reply
from octoffm_async.sandbox.http.routes import Route, Router
from octoffm_async.sandbox.settings import ResponseStyle
from octoffm_async.sandbox.world.world import SellerAccount

from .api import line, product, shipment

COUNTRIES = ("FR", "ES", "UK")
TYPES = Quantities.__struct_fields__


class Desk:
    """Answers calls as the server does, in this thread and at once."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._world = sandbox._state.world
        self._router = Router()

    def call(self, seller: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        found = self._router.find(method, API_PATH + path)
        assert isinstance(found, Route)
        assert found.handler is not None
        call = IncomingRequest(
            world=self._world,
            account=self._world.account(seller),
            style=ResponseStyle(),
            operation=found.operation,
            origin="",
            path=API_PATH + path,
            query={},
            resource_id=found.item,
            body=json.dumps(body).encode(),
            now=self._world.run_due_events(),
        )
        try:
            reply = found.handler(call)
        except ProblemError as problem:
            reply = json_reply({"detail": problem.detail}, problem.status)
        return reply.status, json.loads(reply.body)


def unsound(stock: Stock) -> str | None:
    """What is wrong with a stock row by itself: a quantity below zero, or a total that is not its countries' sum."""
    for name in TYPES:
        parts = [getattr(part.quantities, name) for part in stock.localizations]
        total = getattr(stock.quantities, name)
        if min(parts, default=0) < 0:
            return f"{name} is {parts} by country"
        if total != sum(parts):
            return f"{name} is {total}, and {parts} by country"
    return None


def watch(account: SellerAccount, see: Callable[[Stock], object]) -> None:
    """Show every stock row that is ever put in place of another one."""
    replace = account.stocks.replace

    def seen(key: str, row: Stock, moment: Any) -> None:
        see(row)
        replace(key, row, moment)

    account.stocks.replace = seen  # type: ignore[method-assign]


@dataclass
class Shop:
    """One seller who acts, and writes down what he did by what he was answered."""

    sandbox: Sandbox
    seller: str
    answers: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    products: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    added: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Items put there by hand, by reference and country."""
    supplies: list[str] = field(default_factory=list[str])
    orders: dict[str, list[tuple[str, int]]] = field(default_factory=dict[str, list[tuple[str, int]]])
    """What was ordered, by the id of the shipment: references and quantities."""
    requests: list[str] = field(default_factory=list[str])
    returns: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._desk = Desk(self.sandbox)

    def read(self, path: str) -> Any:
        status, found = self._desk.call(self.seller, "GET", path)
        assert status == 200, found
        return found

    def post(self, path: str, body: object, identifier: str) -> str | None:
        """The new id, or ``None`` if the call was refused."""
        status, found = self._desk.call(self.seller, "POST", path, body)
        self.answers[path, status] += 1
        return found[identifier] if status == 201 else None

    def register(self, number: int) -> None:
        self._desk.call(self.seller, "POST", "/fulfillment-products", [product(number)])
        rows = self.read("/stock-seller-references")["items"]
        self.products = {row["sellerProductReference"]: row for row in rows}

    def add_stock(self, reference: str, quantity: int, country: str) -> None:
        if reference in self.products:
            self.sandbox.add_stock(reference, quantity=quantity, country=country, seller=self.seller)
            self.added[reference, country] += quantity

    def supply(self, requested: Iterable[tuple[str, int]], country: str) -> None:
        body = {"reference": "SUPPLY", "storageCountry": country, "lines": [line(*pair) for pair in requested]}
        key = self.post("/inbound-shipments", body, "inboundShipmentId")
        assert key is not None
        self.supplies.append(key)

    def ship(self, requested: list[tuple[str, int]], country: str, *, by_product: bool = False) -> None:
        """Order a shipment; its lines may name products by their ids."""
        lines = [
            {"productId": row["productId"], "productCondition": "New", "quantity": quantity}
            if by_product and (row := self.products.get(reference)) is not None
            else line(reference, quantity)
            for reference, quantity in requested
        ]
        body = shipment(f"ORDER-{len(self.orders)}", lines=lines, storageCountry=country)
        key = self.post("/outbound-shipments", body, "outboundShipmentId")
        assert key is not None
        self.orders[key] = requested

    def cancel(self, key: str) -> None:
        made = self.post(
            "/outbound-cancellation-requests", {"outboundShipmentId": key}, "outboundCancellationRequestId"
        )
        if made is not None:
            self.requests.append(made)

    def give_back(self, key: str, requested: Iterable[tuple[str, int]]) -> None:
        body = {"outboundShipmentId": key, "reason": "Retraction", "lines": [line(*pair) for pair in requested]}
        made = self.post("/returns", body, "returnId")
        if made is not None:
            self.returns.append(made)

    def carry_back(self, key: str) -> None:
        try:
            self.returns.append(self.sandbox.return_by_carrier(key, seller=self.seller))
        except ValueError:
            self.answers["carrier", 400] += 1

    def received(self) -> Counter[tuple[str, str]]:
        """Items that came in, by reference and country."""
        items = Counter(self.added)
        for key in self.supplies:
            row = self.read(f"/inbound-shipments/{key}")
            for entry in row["lines"]:
                items[entry["sellerProductReference"], row["storageCountry"]] += entry["receivedQuantity"]
        return items

    def shipped(self) -> Counter[tuple[str, str]]:
        """Items that left."""
        items: Counter[tuple[str, str]] = Counter()
        for key, requested in self.orders.items():
            row = self.read(f"/outbound-shipments/{key}")
            for reference, quantity in requested if row["status"] == "Shipped" else ():
                items[reference, row["storageCountry"]] += quantity
        return items

    def returned(self) -> Counter[tuple[str, str]]:
        """Items that came back."""
        items: Counter[tuple[str, str]] = Counter()
        for (key, reference), quantity in self.returned_of_shipments().items():
            items[reference, self.read(f"/outbound-shipments/{key}")["storageCountry"]] += quantity
        return items

    def returned_of_shipments(self) -> Counter[tuple[str, str]]:
        """Items that came back, by shipment and reference; what nobody announced is of the first line's product."""
        items: Counter[tuple[str, str]] = Counter()
        for row in (self.read(f"/returns/{key}") for key in self.returns):
            key = row["outboundShipmentId"]
            for entry in row["lines"]:
                items[key, entry["sellerProductReference"]] += entry["receivedQuantity"]
            items[key, row["lines"][0]["sellerProductReference"]] += row["undeclaredQuantity"]
        return items

    def stocks(self) -> dict[str, dict[str, Any]]:
        """The stock rows by reference, as the API gives them."""
        return {name: self.read(f"/stocks/{row['stockId']}") for name, row in self.products.items()}
