"""The control routes: outside the API, and not counted."""

from typing import Any

import pytest

from .api import FIRST, Answer, Api, product
from .supplies import supply


@pytest.fixture
async def control(api: Api) -> Api:
    """No token and no seller: control routes want neither."""
    await api.register(product(1))
    return api.with_headers()


async def order(control: Api, route: str, body: object) -> Answer:
    return await control.post(control.sandbox.control_url + route, body)


async def read(control: Api, route: str) -> Any:
    return (await control.get(control.sandbox.control_url + route)).json


async def test_stock_can_be_added(control: Api, api: Api) -> None:
    assert (await order(control, "/stock", {"quantity": 5})).status == 200
    assert (await order(control, "/stock", {"quantity": 2, "reference": "REF-1", "country": "ES"})).status == 200
    stock = await api.stock("REF-1")
    assert stock["quantities"]["Available"] == 7
    assert [part["storageCountry"] for part in stock["localizations"]] == ["FR", "ES"]


async def test_the_clock_can_be_driven(control: Api, api: Api) -> None:
    key = await api.order()
    assert (await order(control, "/clock", {"advance": 2})).status == 200
    assert (await api.shipment(key))["status"] == "Refused"


async def test_a_carrier_can_bring_a_parcel_back(control: Api, api: Api) -> None:
    api.sandbox.add_stock(quantity=1)
    key = await api.order()
    too_early = await order(control, "/returns", {"outbound_shipment_id": key})
    assert (too_early.status, "not Shipped" in too_early.json["error"]) == (400, True)
    api.sandbox.clock.advance(30)
    answer = await order(control, "/returns", {"outbound_shipment_id": key, "seller": "12345"})
    assert answer.status == 200
    assert (await api.get(f"/returns/{answer.json['return_id']}")).json["type"] == "Carrier"


async def test_a_storage_country_can_be_activated(control: Api, api: Api) -> None:
    wanted = supply(storageCountry="UK")
    assert (await order(control, "/countries", {"country": "GB", "active": False})).status == 200
    assert (await api.post("/inbound-shipments", wanted)).is_problem(403)
    assert (await order(control, "/countries", {"country": "GB", "seller": FIRST})).status == 200
    assert (await api.post("/inbound-shipments", wanted)).status == 201


async def test_effects_and_stats_can_be_read_and_do_not_count(control: Api, api: Api) -> None:
    await api.order("ORDER-1")
    effects = {kind: counts for kind, counts in (await read(control, "/effects")).items() if counts}
    assert effects == {"products": {"REF-1": 1}, "outbound": {"ORDER-1": 1}}
    stats = await read(control, "/stats")
    assert stats == api.sandbox.stats()
    assert stats["total"] == 3


async def test_faults_can_be_scripted_set_and_cleared(control: Api, api: Api) -> None:
    await order(control, "/faults", {"next": {"fault": "ERROR_500", "operation": "stocks.list", "times": 1}})
    assert [(await api.get("/stocks", limit=1)).status for _ in range(2)] == [500, 200]
    await order(control, "/faults", {"rates": {"THROTTLE": [1.0, 9.0]}, "only": "reads"})
    assert (await api.get("/stocks", limit=1)).status == 429
    await order(control, "/faults", {"clear": True})
    assert (await api.get("/stocks", limit=1)).status == 200


@pytest.mark.parametrize(
    ("route", "body", "said"),
    [
        ("/stock", {"quantity": 0}, "quantity = 0"),
        ("/stock", {"quantity": 1, "reference": "NONE"}, "reference = 'NONE'"),
        ("/stock", {"quantity": 1, "colour": "red"}, "colour"),
        ("/returns", {"outbound_shipment_id": "NONE"}, "outbound_shipment_id = 'NONE'"),
        ("/returns", {}, "outbound_shipment_id"),
        ("/countries", {"country": "DE"}, "country = 'DE'"),
        ("/countries", {"country": "FR", "seller": "1"}, "seller = '1'"),
        ("/clock", {"advance": -1}, "seconds = -1"),
        ("/clock", {}, "advance"),
        ("/faults", {"next": {"fault": "EARTHQUAKE"}}, "fault = 'EARTHQUAKE'"),
        ("/faults", {"rates": {"EARTHQUAKE": 1}}, "fault = 'EARTHQUAKE'"),
        ("/faults", {"rates": {"STALL": 2}}, "more than 1"),
    ],
)
async def test_a_mistake_is_a_400_that_says_what_is_wrong(control: Api, route: str, body: object, said: str) -> None:
    answer = await order(control, route, body)
    assert answer.status == 400
    assert said in answer.json["error"]


async def test_an_unknown_route_is_a_404_that_says_so(control: Api) -> None:
    answer = await order(control, "/weather", {})
    assert (answer.status, answer.json) == (404, {"error": "no control route POST /_sandbox/weather"})


async def test_the_limit_can_be_changed_while_it_runs(control: Api, api: Api) -> None:
    assert (await order(control, "/limit", {"limit": [1, 600.0]})).status == 200
    assert api.sandbox.limit == (1, 600.0)
    assert [(await api.get("/stocks?limit=1")).status for _ in range(2)] == [200, 429]
    api.sandbox.limit = None
    assert (await api.get("/stocks?limit=1")).status == 200
    assert (await order(control, "/limit", {"limit": [0, 1.0]})).status == 400
