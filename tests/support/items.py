"""Orders, products and clients for the tests of runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec

from octoffm_async import FulfillmentClient
from octoffm_async.bulk.outcomes import Outcome
from octoffm_async.bulk.run import Run
from octoffm_async.contract.common import ShipmentLine
from octoffm_async.contract.outbound import DeliveryAddress, OutboundShipmentRequest
from octoffm_async.contract.products import FulfillmentProduct
from octoffm_async.contract.requests.validation import gtin_check_digit
from octoffm_async.sandbox import Sandbox
from octoffm_async.transport.response import Response
from tests.conftest import VirtualTimeLoop
from tests.support.fakes import FakeTransport, Script, Sent, answer, config

T = TypeVar("T")

_SHARED = "/dev/shm"  # noqa: S108  (each folder in it has a name of its own)
IN_MEMORY = _SHARED if os.access(_SHARED, os.W_OK) else None
"""Where a folder's files are not waited for: for tests that write and copy small ones some thousand times."""

ADDRESS = DeliveryAddress(
    first_name="Ada",
    last_name="Lovelace",
    address_line1="1 rue de la Paix",
    postal_code="75002",
    city="Paris",
    country_code="FR",
)


def order(reference: str, *, quantity: int = 1, product: str = "P-0", city: str = "Paris") -> OutboundShipmentRequest:
    return OutboundShipmentRequest(
        reference=reference,
        lines=[ShipmentLine(quantity=quantity, seller_product_reference=product)],
        delivery_address=msgspec.structs.replace(ADDRESS, city=city),
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )


def orders(count: int) -> list[OutboundShipmentRequest]:
    return [order(f"O-{number}") for number in range(count)]


def gtin(number: int) -> str:
    body = f"3{number:011d}"
    return f"{body}{gtin_check_digit(body)}"


def product(number: int, reference: str | None = None, **fields: Any) -> FulfillmentProduct:
    reference = f"P-{number}" if reference is None else reference
    fields.setdefault("title", "A thing")
    return FulfillmentProduct(gtin=gtin(number), seller_product_reference=reference, **fields)


def products(count: int) -> list[FulfillmentProduct]:
    return [product(number) for number in range(count)]


def posted(sent: Sent) -> list[str]:
    """The business references in a creation's body."""
    body = msgspec.json.decode(sent.body or b"[]")
    if isinstance(body, dict):
        return [body["reference"]]
    return [entry["sellerProductReference"] for entry in body]


def accepted(sent: Sent) -> Response:
    """A registration's answer that accepts all products; an order's answer with an id."""
    if sent.url.endswith("/outbound-shipments"):
        return answer(201, {"outboundShipmentId": f"S1-{posted(sent)[0]}"})
    rows = [{"sellerProductReference": reference, "status": "Accepted"} for reference in posted(sent)]
    return answer(202, {"items": rows})


def fake(
    script: Script = accepted, *, latency: float = 0.0, **settings: Any
) -> tuple[FulfillmentClient, FakeTransport]:
    transport = FakeTransport(script, latency=latency)
    return FulfillmentClient(config(**settings), transport=transport, hooks=()), transport


@asynccontextmanager
async def serving(
    *, limit: Any = None, client_secret: str | None = None, **settings: Any
) -> AsyncIterator[tuple[Sandbox, FulfillmentClient]]:
    """A sandbox whose clock stands still, and a client of it."""
    settings.setdefault("seed", 7)
    settings.setdefault("speed", 0)
    async with Sandbox(**settings) as sandbox:
        setup = sandbox.config(limit=limit, backoff_base=0.001)
        if client_secret is not None:
            setup = setup.with_(client_secret=client_secret)
        async with FulfillmentClient(setup, hooks=()) as client:
            yield sandbox, client


def on_virtual_time(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop whose clock jumps: for hypothesis, which calls a test many times."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


async def all_of(run: Run[Any, Any]) -> tuple[list[Outcome], Exception | None]:
    """The outcomes of a run, and what it raised behind them."""
    outcomes: list[Outcome] = []
    try:
        async with run:
            async for outcome in run:
                outcomes.append(outcome)  # noqa: PERF401  (an error must not take along what came before it)
    except Exception as error:  # noqa: BLE001
        return outcomes, error
    return outcomes, None


class Counted:
    """A sync iterable that knows how far it was read."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = items
        self.read = 0

    def __iter__(self) -> Any:
        for item in self.items:
            self.read += 1
            yield item


async def asynchronous(items: Iterable[T], *, pause: float | None = None) -> AsyncIterator[T]:
    for item in items:
        if pause is not None:
            await asyncio.sleep(pause)
        yield item
