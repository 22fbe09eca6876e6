"""All twenty operations through the client, over real HTTP, in every form that the API may answer in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
import pytest

from octoffm_async import (
    FulfillmentClient,
    FulfillmentProduct,
    InboundShipmentRequest,
    Packaging,
    ProductResult,
    Response,
    ReturnRequest,
    SellerClient,
    ShipmentLine,
)
from octoffm_async.contract.base import Answer, public_class
from octoffm_async.contract.common import DocumentAnswer
from octoffm_async.contract.contract_file.registry import REQUESTS, STRUCTS
from octoffm_async.contract.operations import OPERATIONS, Operation, Shape
from octoffm_async.sandbox import Inspection, Reception, Sandbox
from tests.support.items import gtin, order

FORMS: list[dict[str, Any]] = [
    {},
    {
        "list_shape": "array",
        "links": "absolute",
        "creation_answer": "location",
        "product_answer": "empty",
        "count_form": "count",
        "documents": "base64",
    },
    {"creation_answer": "content-location", "count_form": "total_item_count", "documents": "url"},
]
FULL_ADDRESS = {
    "civility": "Mme",
    "company_name": "ACME",
    "address_line2": "2nd floor",
    "address_line3": "behind the yard",
    "state_or_region": "IDF",
    "email": "ada@example.com",
    "phone": "+33100000000",
}


class Walk:
    """A client for one seller, what its world holds, and the fields that answers have carried."""

    def __init__(self, client: SellerClient, sandbox: Sandbox) -> None:
        self.raw: list[Response] = []
        self.client = client.with_options(on_response=self.raw.append)
        self.sandbox = sandbox
        self.fields: set[tuple[type, str]] = set()
        self.ids: dict[str, str] = {}

    async def prepare(self) -> None:
        """Goods received in part, an order shipped, one cancelled, one refused, a return inspected."""
        client = self.client
        await client.products.create([product(1), product(2)])
        self.ids["inbound"] = await client.inbound.create(supply("IN-1", "P-1"))
        self.ids["refused_inbound"] = await client.inbound.create(supply("IN-2", "NOBODY"))
        self.sandbox.clock.advance(100)
        self.ids["outbound"] = await client.outbound.create(full_order("ORDER-1", "P-1"))
        by_product = ShipmentLine(quantity=1, product_id="nobody", product_condition="New")
        await client.outbound.create(msgspec.structs.replace(full_order("ORDER-2", ""), lines=[by_product]))
        cancelled = await client.outbound.create(full_order("ORDER-3", "P-1"))
        self.ids["cancellation"] = await client.outbound.request_cancellation(cancelled, reason="bought twice")
        self.sandbox.clock.advance(100)
        self.ids["return"] = await client.returns.create(
            ReturnRequest(
                outbound_shipment_id=self.ids["outbound"],
                reason="Retraction",
                comment="too small",
                lines=[ShipmentLine(quantity=1, seller_product_reference="P-1")],
            )
        )
        self.sandbox.clock.advance(100)
        self.raw.clear()

    async def reads_back(self, operation: Operation[Any], key: str) -> bool:
        """Whether what was created can be read by its id."""
        client = self.client
        reads: dict[str, Callable[[str], Awaitable[Any]]] = {
            "inbound.create": client.inbound.get,
            "outbound.create": client.outbound.get,
            "outbound.request_cancellation": client.outbound.get_cancellation,
            "returns.create": client.returns.get,
        }
        return key in msgspec.structs.astuple(await reads[operation.name](key))

    def saw(self, value: Any, body: Any) -> None:
        """Note the fields of an answer; each must stand in the body as it was decoded."""
        if isinstance(value, list):
            items = body["items"] if isinstance(body, dict) else body
            for entry, raw in zip(value, items, strict=True):
                self.saw(entry, raw)
            return
        assert msgspec.to_builtins(value) == body, "no field is lost or changed on the way"
        self._note(value, body)

    def _note(self, value: Any, body: Any) -> None:
        if isinstance(value, list):
            for entry, raw in zip(value, body, strict=True):
                self._note(entry, raw)
        elif isinstance(value, Answer):
            for name, wire in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
                if body.get(wire) is not None:
                    self.fields.add((public_class(type(value)), name))
                    self._note(getattr(value, name), body[wire])


def product(number: int) -> FulfillmentProduct:
    return FulfillmentProduct(
        gtin=gtin(number),
        seller_product_reference=f"P-{number}",
        title="A thing",
        packaging=Packaging(length_cm=20, width_cm=15, height_cm=10, weight_g=500),
        origin_country="FR",
        customs_code="61091000",
        un_code="1234",
        icpe_code="4331",
        is_traceable=True,
    )


def supply(reference: str, product_reference: str) -> InboundShipmentRequest:
    return InboundShipmentRequest(
        reference=reference,
        storage_country="FR",
        lines=[ShipmentLine(quantity=40, seller_product_reference=product_reference)],
        expected_delivery_date=datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
    )


def full_order(reference: str, product_reference: str) -> Any:
    plain = order(reference, product=product_reference)
    return msgspec.structs.replace(
        plain, delivery_address=msgspec.structs.replace(plain.delivery_address, **FULL_ADDRESS)
    )


@asynccontextmanager
async def walking(form: dict[str, Any]) -> AsyncIterator[Walk]:
    rules = {"reception": Reception(undelivered=0.2), "inspection": Inspection(damaged=1.0, undeclared=1.0)}
    async with Sandbox(seed=4, speed=0, **rules, **form) as sandbox, FulfillmentClient(sandbox.config()) as client:
        walk = Walk(client, sandbox)
        await walk.prepare()
        yield walk


async def everything(pager: Any) -> list[Any]:
    return [item async for item in pager]


def call_of(operation: Operation[Any]) -> Callable[[Walk], Awaitable[Any]]:
    """The call of an operation: a list needs no arguments, so a new one is called without a line here."""
    if operation.shape is Shape.PAGE:
        return lambda walk: everything(attrgetter(operation.name)(walk.client)())
    return CALLS[operation.name]


CALLS: dict[str, Callable[[Walk], Awaitable[Any]]] = {
    "products.create": lambda walk: walk.client.products.create([product(3)]),
    "inbound.count": lambda walk: walk.client.inbound.count(storage_country="FR"),
    "inbound.create": lambda walk: walk.client.inbound.create(supply("IN-3", "P-1")),
    "inbound.get": lambda walk: walk.client.inbound.get(walk.ids["inbound"]),
    "inbound.delivery_note": lambda walk: walk.client.inbound.delivery_note(walk.ids["inbound"]),
    "stocks.get": lambda walk: walk.client.stocks.get(walk.ids["stock"]),
    "outbound.count": lambda walk: walk.client.outbound.count(state="Valid"),
    "outbound.create": lambda walk: walk.client.outbound.create(full_order("ORDER-4", "P-1")),
    "outbound.get": lambda walk: walk.client.outbound.get(walk.ids["outbound"]),
    "outbound.request_cancellation": lambda walk: walk.client.outbound.request_cancellation(walk.ids["fresh"]),
    "outbound.get_cancellation": lambda walk: walk.client.outbound.get_cancellation(walk.ids["cancellation"]),
    "returns.count": lambda walk: walk.client.returns.count(type="Customer"),
    "returns.create": lambda walk: walk.client.returns.create(
        ReturnRequest(
            reference="ORDER-4",
            reason="Damaged",
            lines=[ShipmentLine(quantity=1, seller_product_reference="P-1")],
        )
    ),
    "returns.get": lambda walk: walk.client.returns.get(walk.ids["return"]),
    "returns.label": lambda walk: walk.client.returns.label(walk.ids["return"]),
}
COUNTS = {"inbound.count": 2, "outbound.count": 2, "returns.count": 1}


@pytest.mark.parametrize("form", FORMS, ids=["usual", "other", "rare"])
async def test_each_operation_is_callable_and_each_field_comes_back(form: dict[str, Any]) -> None:
    async with walking(form) as walk:
        for operation in OPERATIONS:
            if operation.name == "stocks.get":
                walk.ids["stock"] = (await walk.client.stocks.list()).items[0].id
            if operation.name == "outbound.request_cancellation":
                walk.ids["fresh"] = await walk.client.outbound.create(full_order("ORDER-5", "P-1"))
            if operation.name == "returns.create":
                walk.sandbox.clock.advance(100)
            walk.raw.clear()
            result = await call_of(operation)(walk)
            match operation.shape:
                case Shape.COUNT:
                    assert result == COUNTS[operation.name]
                case Shape.IDENTIFIER:
                    assert await walk.reads_back(operation, result)
                case Shape.DOCUMENT:
                    assert (result.media_type, result.content[:5]) == ("application/pdf", b"%PDF-")
                    assert result.file_name.endswith(".pdf")
                case Shape.OPTIONAL:
                    assert [one.status for one in result] == ["Accepted"]
                    if walk.raw[0].body:
                        walk.saw(result, walk.raw[0].json())
                case _:
                    walk.saw(result, walk.raw[0].json())
            assert walk.raw[0].status == operation.success
        if not form:
            await walk.client.products.create([msgspec.structs.replace(product(4), seller_product_reference="P-1")])
            walk.saw([msgspec.json.decode(walk.raw[-1].body, type=_Results).items[0]], walk.raw[-1].json())
            answers = {*STRUCTS.values()} - {*REQUESTS.values(), DocumentAnswer}
            wanted = {(struct, name) for struct in answers for name in struct.__struct_fields__}
            assert wanted - walk.fields == set()


class _Results(msgspec.Struct):
    items: list[ProductResult]
