"""An exhaustive ``match`` over the outcomes of each kind of run, and the types that it binds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import assert_never, assert_type

from octoffm_async import (
    Created,
    CreateOutcome,
    DeliveryAddress,
    Failed,
    Found,
    FulfillmentClient,
    FulfillmentProduct,
    InboundShipmentRequest,
    LookupOutcome,
    Missing,
    OrderOutcome,
    OutboundShipmentRequest,
    Outcome,
    ProductOutcome,
    Refused,
    Run,
    ShipmentLine,
    Skipped,
    Stock,
    Unknown,
)
from octoffm_async.journal import Journal
from octoffm_async.sandbox import Sandbox

PRODUCT = FulfillmentProduct(gtin="4006381333931", seller_product_reference="P-1", title="A thing")
ORDER = OutboundShipmentRequest(
    reference="O-1",
    lines=[ShipmentLine(quantity=1, seller_product_reference="P-1")],
    delivery_address=DeliveryAddress(
        first_name="Ada",
        last_name="Lovelace",
        address_line1="1 rue de la Paix",
        postal_code="75002",
        city="Paris",
        country_code="FR",
    ),
    delivery_mode="TrackedHomeDelivery",
    storage_country="FR",
)
SUPPLY = InboundShipmentRequest(
    reference="S-1",
    storage_country="FR",
    lines=[ShipmentLine(quantity=1, seller_product_reference="P-1")],
)


@asynccontextmanager
async def opened() -> AsyncGenerator[FulfillmentClient]:
    async with (
        Sandbox(seed=7, speed=0) as sandbox,
        FulfillmentClient(sandbox.config(limit=None), logging=False) as client,
    ):
        yield client


def id_of(outcome: OrderOutcome) -> str:
    match outcome:
        case Created(id=order_id) | Skipped(earlier=Created(id=order_id)):
            assert_type(order_id, str)
            return order_id
        case Refused(code=text) | Skipped(reason=text) | Unknown(reason=text):
            return text
        case Failed(error=error):
            raise error
        case _:
            assert_never(outcome)


def is_registered(outcome: ProductOutcome) -> bool:
    match outcome:
        case Created(id=nothing):
            assert_type(nothing, None)
            return True
        case Skipped(earlier=earlier):
            assert_type(earlier, Created[None] | Refused | None)
            return isinstance(earlier, Created)
        case Refused() | Failed() | Unknown():
            return False
        case _:
            assert_never(outcome)


def any_id_of(outcome: CreateOutcome) -> str | None:
    match outcome:
        case Created(id=any_id):
            assert_type(any_id, str | None)
            return any_id
        case Refused() | Failed() | Unknown() | Skipped():
            return None
        case _:
            assert_never(outcome)


def stocks_of(outcome: LookupOutcome) -> list[Stock]:
    match outcome:
        case Found(stocks=stocks):
            return stocks
        case Missing() | Refused() | Skipped():
            return []
        case Failed(error=error):
            raise error
        case _:
            assert_never(outcome)


def keys(outcomes: Iterable[Outcome]) -> list[str]:
    return [outcome.key for outcome in outcomes]


def created(outcome: Created) -> str | None:
    return outcome.id


async def all_ids(run: Run[OutboundShipmentRequest, CreateOutcome]) -> list[str | None]:
    async with run:
        return [any_id_of(outcome) async for outcome in run]


async def test_orders_have_an_id_of_text(tmp_path: Path) -> None:
    journal = tmp_path / "orders.journal"
    async with opened() as client:
        async with client.bulk.create_outbound([ORDER], journal=journal) as run:
            assert_type(run, Run[OutboundShipmentRequest, OrderOutcome])
            outcomes = [outcome async for outcome in run]
        assert_type(outcomes, list[OrderOutcome])
        assert_type(run.leftover, list[OrderOutcome])
        [order_id] = map(id_of, outcomes)
        assert keys(outcomes) == ["O-1"]
        assert await all_ids(client.bulk.create_outbound([ORDER], journal=tmp_path / "other.journal")) != [order_id]
        async with client.bulk.create_outbound([ORDER], journal=journal) as run:
            assert [id_of(outcome) async for outcome in run] == [order_id]
        async with client.bulk.create_inbound([SUPPLY]) as supplies:
            assert_type(supplies, Run[InboundShipmentRequest, OrderOutcome])
            async for outcome in supplies:
                assert isinstance(outcome, Created)
                assert_type(outcome.id, str)
                assert created(outcome)


async def test_products_have_none_and_stocks_are_found_or_missing() -> None:
    async with opened() as client:
        async with client.bulk.create_products([PRODUCT]) as products:
            assert_type(products, Run[FulfillmentProduct, ProductOutcome])
            assert [is_registered(outcome) async for outcome in products] == [True]
        async with client.bulk.lookup_stocks(["P-2"]) as stocks:
            assert_type(stocks, Run[str, LookupOutcome])
            assert [stocks_of(outcome) async for outcome in stocks] == [[]]


async def test_a_resumed_run_may_be_of_either(tmp_path: Path) -> None:
    async with opened() as client, Journal.open(tmp_path / "orders.journal") as journal:
        async with client.bulk.create_outbound([ORDER], journal=journal) as run:
            await run.wait()
        [record] = await journal.runs()
        async with client.bulk.resume(journal, record.id) as resumed:
            async for outcome in resumed:
                assert_type(outcome, CreateOutcome)
                assert any_id_of(outcome)
