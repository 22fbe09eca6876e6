"""Answers that arrive whole but are not what they should be."""

import pytest

from octoffm_async.contract.outbound import OutboundStatus
from octoffm_async.sandbox import Fault
from octoffm_async.sandbox.http.fault_delivery import FOREIGN_ORIGIN

from ..api import Api, product
from ..conftest import Serve

LISTS = ["/stock-seller-references", "/stocks", "/outbound-shipments"]


async def fill(api: Api) -> None:
    await api.register(*(product(number) for number in range(3)))
    for number in range(3):
        await api.order(f"ORDER-{number}")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 10])
async def test_a_foreign_link_points_to_another_origin(api: Api, path: str, limit: int) -> None:
    await fill(api)
    api.sandbox.faults.next(Fault.FOREIGN_LINK)
    answer = await api.get(path, limit=limit)
    assert (answer.next or "").startswith(f"{FOREIGN_ORIGIN}/seller/v2{path}?")
    assert len(answer.json["items"]) == min(limit, 3)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 10])
async def test_a_link_loop_comes_back_to_the_same_page(api: Api, path: str, limit: int) -> None:
    await fill(api)
    api.sandbox.faults.next(Fault.LINK_LOOP, times=4)
    targets = [(await api.get(path, limit=limit)).next or ""]
    for _ in range(3):
        targets.append((await api.get(targets[-1])).next or "")
    assert len(set(targets)) == 1
    assert "cursor=" in targets[0]


@pytest.mark.parametrize("fault", [Fault.FOREIGN_LINK, Fault.LINK_LOOP])
async def test_only_lists_get_links(api: Api, fault: Fault) -> None:
    api.sandbox.faults.next(fault, times=2)
    key = await api.order()
    assert (await api.get(f"/outbound-shipments/{key}")).next is None


async def test_unknown_values_and_fields_are_everywhere(api: Api) -> None:
    await fill(api)
    api.sandbox.add_stock(quantity=1)
    api.sandbox.faults.next(Fault.UNKNOWN_VALUES, times=2)
    stocks = (await api.get("/stocks", limit=10)).json
    shipments = (await api.get("/outbound-shipments")).json
    for page in (stocks, shipments):
        assert "fieldOfTomorrow" in page
        assert all("fieldOfTomorrow" in row for row in page["items"])
    stock, shipped = stocks["items"][0], shipments["items"][0]
    assert stock["productState"] == stock["productCondition"] == stock["localizations"][0]["updateReason"]
    assert stock["quantities"]["Available"] == 1
    assert shipped["status"] == shipped["state"] == shipped["deliveryMode"]
    assert not OutboundStatus(shipped["status"]).known
    assert shipped["reference"] == "ORDER-0"


async def test_an_empty_answer_has_no_values_to_change(serve: Serve) -> None:
    api = await serve(product_answer="empty")
    api.sandbox.faults.next(Fault.UNKNOWN_VALUES)
    answer = await api.post("/fulfillment-products", [product(1)])
    assert (answer.status, answer.body) == (202, b"")


async def test_a_token_may_come_with_unknown_fields(api: Api) -> None:
    api.sandbox.faults.next(Fault.UNKNOWN_VALUES, operation="token.create")
    answer = await api.ask_token()
    assert "fieldOfTomorrow" in answer.json
    assert answer.json["access_token"]
