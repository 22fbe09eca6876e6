"""Nothing comes from nowhere and nothing gets lost: stocks against what was received, shipped and returned."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from octoffm_async.sandbox import Inspection, Reception

from .api import Api, line, product
from .conftest import Serve
from .supplies import create

REFERENCES = ("REF-1", "REF-2", "REF-3")
COUNTRIES = ("FR", "ES")

_Place = tuple[str, str]


async def rows(api: Api, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(path, limit=1000)).json["items"]
    return found


async def in_stock(api: Api) -> tuple[Counter[_Place], Counter[_Place]]:
    """What lies in the warehouses but for returns on the inspection's table; and what of it is allocated."""
    names = {row["stockId"]: row["sellerProductReference"] for row in await rows(api, "/stock-seller-references")}
    held: Counter[_Place] = Counter()
    allocated: Counter[_Place] = Counter()
    for stock in await rows(api, "/stocks"):
        totals: Counter[str] = Counter()
        for part in stock["localizations"]:
            quantities = part["quantities"]
            assert min(quantities.values()) >= 0
            totals.update(quantities)
            place = (names[stock["id"]], part["storageCountry"])
            held[place] = sum(quantities.values()) - quantities["return"]
            allocated[place] = quantities["allocated"]
        assert +totals == +Counter(stock["quantities"])
    return +held, +allocated


async def accounted_for(api: Api) -> tuple[Counter[_Place], Counter[_Place]]:
    """The same by what supply orders, shipments and returns say."""
    held: Counter[_Place] = Counter()
    allocated: Counter[_Place] = Counter()
    for supply in await rows(api, "/inbound-shipments"):
        for row in supply["lines"]:
            held[row["sellerProductReference"], supply["storageCountry"]] += row["receivedQuantity"]
    shipments = await rows(api, "/outbound-shipments")
    country_of = {shipment["outboundShipmentId"]: shipment["storageCountry"] for shipment in shipments}
    for shipment in shipments:
        for row in shipment["lines"]:
            place = row["sellerProductReference"], shipment["storageCountry"]
            held[place] -= row["quantity"] if shipment["status"] == "Shipped" else 0
            allocated[place] += row["quantity"] if shipment["status"] in {"Accepted", "InPreparation"} else 0
    for back in await rows(api, "/returns"):
        country = country_of[back["outboundShipmentId"]]
        for row in back["lines"]:
            held[row["sellerProductReference"], country] += row["receivedQuantity"]
        held[back["lines"][0]["sellerProductReference"], country] += back["undeclaredQuantity"]
    assert min(held.values(), default=0) >= 0
    return +held, +allocated


async def do_something(api: Api, rng: Random, done: Counter[str]) -> None:
    """Supply, ship, cancel or send back at random; what cannot be done is refused, and changes nothing."""
    country = rng.choice(COUNTRIES)
    action = rng.choice(("supply", "supply", "ship", "ship", "ship", "cancel", "return", "return", "carry", "carry"))
    if action == "supply":
        lines = [line(name, rng.randint(1, 9)) for name in rng.choices(REFERENCES, k=3)]
        await create(api, lines=[*lines, line("NONE")] if rng.random() < 0.1 else lines, storageCountry=country)
        return
    if action == "ship":
        await api.order(lines=[line(rng.choice(REFERENCES), rng.randint(1, 3))], storageCountry=country)
        return
    shipped = action in {"return", "carry"}
    shipments = [row for row in await rows(api, "/outbound-shipments") if (row["status"] == "Shipped") is shipped]
    if shipments:
        done[action] += await _ask(api, action, rng.choice(shipments[-5:]))


async def _ask(api: Api, action: str, shipment: dict[str, Any]) -> bool:
    """Whether the shipment can be cancelled, or come back."""
    key = shipment["outboundShipmentId"]
    if action == "cancel":
        answer = await api.post("/outbound-cancellation-requests", {"outboundShipmentId": key})
        return answer.status == 201
    if action == "return":
        lines = [line(shipment["lines"][0]["sellerProductReference"], 1)]
        answer = await api.post("/returns", {"outboundShipmentId": key, "reason": "Retraction", "lines": lines})
        return answer.status == 201
    try:
        api.sandbox.return_by_carrier(key)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("seed", range(3))
async def test_stocks_are_what_was_received_less_what_was_shipped_plus_what_came_back(serve: Serve, seed: int) -> None:
    inspection = Inspection(damaged=0.2, wrong=0.2, missing=0.3, undeclared=0.5)
    api = await serve(seed=seed, reception=Reception(undelivered=0.1), inspection=inspection)
    await api.register(*(product(number) for number in (1, 2, 3)))
    rng, done = Random(seed), Counter[str]()
    for _ in range(120):
        await do_something(api, rng, done)
        assert await in_stock(api) == await accounted_for(api)
        api.sandbox.clock.advance(rng.choice((0, 1, 3, 10)))
    api.sandbox.clock.advance(86_400)
    held, allocated = await in_stock(api)
    assert (held, allocated) == await accounted_for(api)
    assert not allocated
    assert held.total() > 0
    assert all(done[action] for action in ("cancel", "return", "carry")), done
