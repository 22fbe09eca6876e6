"""All of a seller's business through the library, told without ids and times: the same in every dialect, or a fault."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from octoffm_async import (
    ConflictError,
    FulfillmentClient,
    FulfillmentProduct,
    InboundShipmentRequest,
    NotReadyError,
    Packaging,
    ReturnRequest,
    ShipmentLine,
)
from octoffm_async.events import ContractDrift
from tests.support.forks import Forks
from tests.support.items import gtin, order

from .server import Speaking
from .shipping import PRODUCTS, UNKNOWN, Shipping, killed_and_finished

_CHANCE = re.compile(r"^id$|(_i|I)d$|(_a|A)t$|^receipt_?[dD]ate$|^tracking|^label_?[uU]rl$|^code$")
"""Members that hold ids, times and what is made of them."""
_KEPT = re.compile(r"[A-Z][A-Za-z]*")
"""A code that means something, such as UnknownProduct."""


def plain(row: Any) -> dict[str, Any]:
    """A row under the contract's names, with what is not modelled; of ids and times only whether they are there."""
    return without_chance("", row.to_dict(wire=True))


def without_chance(name: str, value: Any) -> Any:
    """A value of a member, where ids and times are told only as being there."""
    match value:
        case dict():
            return {key: without_chance(key, part) for key, part in value.items()}
        case list():
            return [without_chance(name, part) for part in value]
        case datetime() if _CHANCE.search(name):
            assert value.tzinfo is not None
            return "some time"
        case str() if _CHANCE.search(name) and not _KEPT.fullmatch(value):
            return "some text"
        case _:
            return value


def catalogue() -> list[FulfillmentProduct]:
    """Products of many weights and measures. Of the last two one is known already, one has a reference of another."""
    products = [
        FulfillmentProduct(
            gtin=gtin(number),
            seller_product_reference=f"P-{number}",
            title=f"Bouilloire n° {number}",
            product_condition="New" if number % 4 else "LikeNew",
            packaging=Packaging(length_cm=12.5 + number, width_cm=20, height_cm=7.5, weight_g=350 + 37 * number),
            origin_country="FR",
            customs_code="85161080",
            un_code="3480" if number % 7 == 0 else None,
            is_traceable=number % 2 == 0,
        )
        for number in range(PRODUCTS)
    ]
    known = msgspec.structs.replace(products[5], seller_product_reference="P-TWICE")
    return [*products, known, msgspec.structs.replace(products[0], gtin=gtin(1000))]


def supply(reference: str, country: str, lines: Iterable[ShipmentLine]) -> InboundShipmentRequest:
    expected = datetime(2030, 5, 6, 7, 8, tzinfo=UTC)
    return InboundShipmentRequest(
        reference=reference, storage_country=country, lines=[*lines], expected_delivery_date=expected
    )


class Scenario:
    """One seller's way from the first product to the last return. ``results`` is the result."""

    def __init__(self, api: Speaking, forks: Forks, folder: Path, contract: Path | None) -> None:
        self.api = api
        self.forks = forks
        self.journal = folder / "orders.journal"
        self.contract = contract
        self.drift: list[ContractDrift] = []
        self.results: dict[str, Any] = {}

    async def go(self) -> dict[str, Any]:
        config = self.api.config(contract=self.contract, bulk_deadline=30, deadline=10)
        async with FulfillmentClient(config, hooks=[self._note]) as client:
            began = self.api.sandbox.clock.now() - timedelta(minutes=1)
            await self._stock_up(client)
            await self._look_up(client)
            await self._ship()
            await self._read_back(client)
            await self._cancel(client)
            await self._take_back(client)
            await self._count(client)
            changes = [change async for change in client.changes(began)]
            self.results["changes"] = Counter((one.kind, str(getattr(one.item, "status", None))) for one in changes)
            assert client.stats().drift == len(self.drift)
        effects = self.api.thread.run(lambda sandbox: sandbox.effects.as_dict())
        self.results["effects"] = {kind: effects[kind] for kind in ("products", "inbound", "outbound")}
        self.results["heard"] = {
            name: sorted(map(str, without_chance("", said)))
            for name, said in self.api.heard.items()
            if name.endswith(("create", "request_cancellation"))
        }
        return self.results

    def _note(self, event: object) -> None:
        if isinstance(event, ContractDrift):
            self.drift.append(event)

    def _advance(self, seconds: float) -> None:
        self.api.thread.advance(seconds)

    async def _stock_up(self, client: FulfillmentClient) -> None:
        results = await client.products.create(catalogue())
        self.results["registered"] = [plain(result) for result in results]
        another = await client.products.add_reference(
            gtin=gtin(1), seller_product_reference="USED-1", product_condition="LikeNew"
        )
        self.results["added"] = plain(another)
        self.results["references"] = [plain(row) async for row in client.products.references(limit=15)]
        everything = [
            ShipmentLine(quantity=100 + number, seller_product_reference=f"P-{number}") for number in range(PRODUCTS)
        ]
        requests = [supply("S-FR", "FR", everything), supply("S-UK", "UK", everything[:3])]
        requests.append(supply("S-BAD", "FR", [ShipmentLine(quantity=1, seller_product_reference=UNKNOWN)]))
        async with client.bulk.create_inbound(requests, concurrency=1) as run:
            created = [(type(outcome).__name__, outcome.key) async for outcome in run]
        first = await anext(aiter(client.inbound.list(limit=1)))
        with pytest.raises(NotReadyError):
            await client.inbound.delivery_note(first.inbound_shipment_id)
        self._advance(60)
        received = await client.inbound.wait_for(first.inbound_shipment_id, "Received", deadline=5)
        note = await client.inbound.delivery_note(first.inbound_shipment_id)
        self.results["supplies"] = [plain(row) async for row in client.inbound.list(limit=2)]
        self.results["supplied"] = [sorted(created), plain(received), note.media_type, note.content[:5]]
        found = client.inbound.list(storage_country="UK", status="Received", created_at_min=first.created_at)
        self.results["supplies to UK"] = [row.reference async for row in found]

    async def _look_up(self, client: FulfillmentClient) -> None:
        rows = [row async for row in client.stocks.list(limit=7)]
        self.results["stocks"] = [plain(row) for row in rows]
        self.results["stock"] = plain(await client.stocks.get(rows[3].id))
        largest = client.stocks.list(storage_country="FR", sort="Available", order="Desc", limit=9)
        self.results["largest"] = [row.quantities.available async for row in largest]
        of_one = client.stocks.list(seller_product_reference="P-5")
        self.results["of one"] = [plain(row) async for row in of_one]
        names = ["P-0", "P-2", "P-39", "USED-1", UNKNOWN]
        for how in ("filter", "get", "scan", "auto"):
            async with client.bulk.lookup_stocks(names, how=how) as run:
                outcomes = [outcome async for outcome in run]
            self.results[f"looked up by {how}"] = sorted(
                (one.key, type(one).__name__, str(getattr(one, "quantities", ""))) for one in outcomes
            )

    async def _ship(self) -> None:
        """500 orders by a process that is killed in the middle, and by one that goes on."""
        config = self.api.config()
        settings = {name: getattr(config, name) for name in ("client_id", "seller_id", "base_url", "token_url")}
        settings |= {"client_secret": config.secret.reveal(), "contract": self.contract and str(self.contract)}
        arguments = ["ship", msgspec.json.encode(Shipping(settings, str(self.journal))).decode()]
        code, results = await asyncio.to_thread(
            killed_and_finished, self.api, lambda: self.forks.start("tests.behaviour.dialects.shipping:ship", arguments)
        )
        assert code == 0
        self.results["shipped"] = dict(sorted(msgspec.json.decode(results).items()))

    async def _read_back(self, client: FulfillmentClient) -> None:
        rows = [row async for row in client.outbound.list(limit=180)]
        self.results["orders"] = sorted((plain(row) for row in rows), key=lambda row: row["reference"])
        one = next(row for row in rows if row.reference == "O-003")
        self.results["parcel"] = plain(await client.outbound.get(one.outbound_shipment_id))
        invalid = client.outbound.list(state="Invalid", status_updated_at_min=one.created_at)
        self.results["invalid"] = [row.reference async for row in invalid]

    async def _cancel(self, client: FulfillmentClient) -> None:
        key = await client.outbound.create(order("CANCELLED", product="P-1"))
        request = await client.outbound.request_cancellation(key, reason="the customer changed their mind")
        before = await client.outbound.get_cancellation(request)
        self._advance(6)
        after = await client.outbound.get_cancellation(request)
        self.results["cancelled"] = [plain(before), plain(after), plain(await client.outbound.get(key))]
        late = await client.outbound.create(order("LATE", product="P-2"))
        self._advance(60)
        with pytest.raises(ConflictError):
            await client.outbound.request_cancellation(late)
        assert (await client.outbound.wait_for(late, deadline=5)).outbound_shipment_id == late

    async def _take_back(self, client: FulfillmentClient) -> None:
        request = ReturnRequest(
            reference="O-004",
            reason="Retraction",
            comment="too small",
            lines=[ShipmentLine(quantity=1, seller_product_reference="P-4")],
        )
        key = await client.returns.create(request)
        announced = await client.returns.get(key)
        self._advance(60)
        label = await client.returns.label(key)
        listed = client.returns.list(type="Customer", status="Completed", created_at_min=announced.created_at)
        rows = [plain(row) async for row in listed]
        self.results["returned"] = [plain(announced), rows, label.media_type, label.content[:5]]

    async def _count(self, client: FulfillmentClient) -> None:
        self.results["counts"] = [
            await client.inbound.count(status="Refused"),
            await client.inbound.count(),
            await client.outbound.count(state="Valid"),
            await client.outbound.count(),
            await client.returns.count(type="Customer", status="Completed"),
        ]
