"""A test suite of your own: the fixtures come with the package, and every test has a warehouse of its own.

``pip install octoffm-async pytest pytest-asyncio``, then ``pytest examples/own_tests``. Nothing is mocked: the shop
talks HTTP to an emulator on this machine, so that lost answers, limits and late refusals can be tested as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import shop

from octoffm_async import ConnectionLostError, DeliveryAddress, FulfillmentClient, Journal
from octoffm_async.sandbox import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from octoffm_async import Config
    from octoffm_async.sandbox import SandboxThread

LAMP = "SKU-000001"
JEANNE = DeliveryAddress(
    first_name="Jeanne",
    last_name="Martin",
    address_line1="12 quai de la Paix",
    postal_code="75011",
    city="Paris",
    country_code="FR",
)


@pytest.fixture
def octoffm_sandbox_settings() -> dict[str, Any]:
    """Return the settings of every test here: two products, ten items of each, a clock that only the test moves."""
    return {"catalogue": 2, "stock": 10, "speed": 0}


@pytest.mark.asyncio
async def test_what_is_sold_is_shipped(octoffm_sandbox: SandboxThread, octoffm_config: Config, tmp_path: Path) -> None:
    async with FulfillmentClient(octoffm_config) as client, Journal.open(tmp_path / "shop.journal") as journal:
        shipment = await shop.sell(client, journal, number=1, product=LAMP, quantity=3, to=JEANNE)
        octoffm_sandbox.advance(3600)  # an hour later
        shipped = await client.outbound.get(shipment)
        assert shipped.status == "Shipped"
        assert shipped.parcels[0].tracking_number
        assert await shop.available(client, LAMP) == 7


@pytest.mark.asyncio
async def test_more_than_there_is_cannot_be_sold(
    octoffm_sandbox: SandboxThread, octoffm_config: Config, tmp_path: Path
) -> None:
    async with FulfillmentClient(octoffm_config) as client, Journal.open(tmp_path / "shop.journal") as journal:
        with pytest.raises(shop.SoldOutError):
            await shop.sell(client, journal, number=1, product=LAMP, quantity=11, to=JEANNE)
    assert not octoffm_sandbox.effects.outbound


@pytest.mark.asyncio
async def test_an_order_whose_answer_was_lost_is_one_parcel_and_not_two(
    octoffm_sandbox: SandboxThread, octoffm_config: Config, tmp_path: Path
) -> None:
    order: dict[str, Any] = {"number": 1, "product": LAMP, "quantity": 1, "to": JEANNE}
    octoffm_sandbox.next_fault(Fault.RESET_AFTER, operation="outbound.create")  # carried out, then the connection drops
    async with FulfillmentClient(octoffm_config) as client, Journal.open(tmp_path / "shop.journal") as journal:
        with pytest.raises(ConnectionLostError):
            await shop.sell(client, journal, **order)
        shipment = await shop.sell(client, journal, **order)  # the customer clicks again
        assert shipment == await shop.sell(client, journal, **order)
    assert octoffm_sandbox.effects.outbound["SHOP-1"] == 1


@pytest.mark.octoffm_sandbox(limit=(5, 1.0), retry_after="seconds")
@pytest.mark.asyncio
async def test_a_tight_limit_delays_a_sale_and_fails_none(
    octoffm_sandbox: SandboxThread, octoffm_config: Config, tmp_path: Path
) -> None:
    async with FulfillmentClient(octoffm_config) as client, Journal.open(tmp_path / "shop.journal") as journal:
        for number in range(8):
            await shop.sell(client, journal, number=number, product="SKU-000002", quantity=1, to=JEANNE)
    assert octoffm_sandbox.effects.outbound.total() == 8
    assert octoffm_sandbox.stats()["throttled"] > 0
