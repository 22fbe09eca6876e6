"""The control routes: outside the API, and not counted."""

from typing import Any

import pytest

from octoffm_async.sandbox import Fault
from octoffm_async.sandbox.control.verbs import CONTROL_ROUTES, ControlRoute

from ..api import FIRST, SECOND, Answer, Api, line, product
from ..supplies import create, supply
from ..supplies import read as read_supply


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


async def test_it_says_behind_how_many_products_stock_was_put(control: Api, api: Api) -> None:
    assert (await order(control, "/stock", {"quantity": 5})).json == {"stocks": 1}
    assert (await order(control, "/stock", {"quantity": 5, "seller": SECOND})).json == {"stocks": 0}


async def test_supply_orders_can_be_received_at_once(control: Api, api: Api) -> None:
    before = api.sandbox.clock.now()
    key = await create(api, lines=[line(quantity=5)])
    other = await create(api.as_seller(SECOND))
    assert (await order(control, "/receive", {"seller": FIRST})).json == {"Received": 1}
    assert (await read_supply(api, key))["status"] == "Received"
    assert (await api.stock("REF-1"))["quantities"]["Available"] == 5
    assert (await read_supply(api.as_seller(SECOND), other))["status"] == "Created"
    assert (await control.call("POST", control.sandbox.control_url + "/receive")).json == {"Refused": 1}
    assert (await order(control, "/receive", {})).json == {}
    assert api.sandbox.clock.now() == before


async def test_the_help_names_every_route_and_what_their_bodies_may_hold(control: Api) -> None:
    help_page = await read(control, "/help")
    assert [(route["method"], route["path"]) for route in help_page["routes"]] == [
        (verb.method, verb.route) for verb in CONTROL_ROUTES
    ]
    assert help_page["faults"] == list(Fault.__members__)
    assert {"stocks.list", "token.create"} <= set(help_page["operations"])
    assert (help_page["sellers"], help_page["countries"]) == ([FIRST, SECOND], ["FR", "ES", "UK"])


@pytest.mark.parametrize("verb", CONTROL_ROUTES, ids=lambda verb: verb.path)
async def test_each_route_that_is_described_exists_and_takes_its_example(control: Api, verb: ControlRoute) -> None:
    body = verb.example.encode() or None
    answer = await control.call(verb.method, control.sandbox.control_url + verb.path, data=body)
    refusals = {"/save": "this sandbox has no state file", "/returns": "outbound_shipment_id = 'ID'"}
    if refusal := refusals.get(verb.path):  # what the example asks for cannot be done here, and is understood
        assert (answer.status, answer.json["error"][: len(refusal)]) == (400, refusal)
    else:
        assert answer.status == 200


async def test_no_jump_and_no_stock_is_so_great_that_the_sandbox_breaks(control: Api, api: Api) -> None:
    for seconds in (1e15, 3e11, 1e308):
        answer = await order(control, "/clock", {"advance": seconds})
        assert (answer.status, "the clock ends" in answer.json["error"]) == (400, True)
    for quantity in (10**9 + 1, 10**30):
        assert (await order(control, "/stock", {"quantity": quantity})).status == 400
    assert (await order(control, "/limit", {"limit": [1, 1e300]})).status == 400
    assert (await api.get("/stocks", limit=1)).status == 200


async def test_a_limit_may_change_how_429_says_when_to_come_back(control: Api, api: Api) -> None:
    async def throttled(**changes: object) -> str | None:
        assert (await order(control, "/limit", {"limit": [1, 600.0], **changes})).status == 200
        answers = [await api.get("/stocks?limit=1") for _ in range(2)]
        assert answers[1].status == 429
        return answers[1].headers.get("Retry-After")

    assert await throttled() is None
    assert (await throttled(retry_after="seconds") or "").isdecimal()
    assert (await throttled() or "").isdecimal()
    assert (await throttled(retry_after="date") or "").endswith(" GMT")
    assert await throttled(retry_after=None) is None
    assert (await order(control, "/limit", {"limit": None, "retry_after": "later"})).status == 400


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
    body = supply(storageCountry="UK")
    assert (await order(control, "/countries", {"country": "GB", "active": False})).status == 200
    assert (await api.post("/inbound-shipments", body)).is_problem(403)
    assert (await order(control, "/countries", {"country": "GB", "seller": FIRST})).status == 200
    assert (await api.post("/inbound-shipments", body)).status == 201


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
        ("/receive", {"seller": "1"}, "seller = '1'"),
        ("/receive", {"reference": "REF-1"}, "reference"),
        ("/save", {"file": "x"}, "file"),
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
