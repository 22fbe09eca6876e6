"""The life of a return, and what it does to the stocks."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.returns import Return, ReturnLine, ReturnLineState
from octoffm_async.sandbox import Inspection, Timeline
from octoffm_async.sandbox.world.return_lifecycle import contents

from ..api import Api, line
from ..conftest import Serve
from ..shipped import AGE, announce, announced, quantities, shipped, stocked, the_return


async def inspected(serve: Serve, *lines: dict[str, Any], **shares: float) -> tuple[Api, dict[str, Any]]:
    """The end of a return whose parcel had 3 REF-1 and 2 REF-2 when it was shipped."""
    api = await stocked(await serve(inspection=Inspection(**shares)))
    shipment_id = await shipped(api, line("REF-1", 3), line("REF-2", 2))
    key = await announced(api, shipment_id, *lines)
    api.sandbox.clock.advance(AGE)
    found = await the_return(api, key)
    assert found["status"] == "Completed"
    return api, found


def lines_of(row: dict[str, Any]) -> list[tuple[str, int, int, str | None]]:
    names = ("sellerProductReference", "quantity", "receivedQuantity", "state")
    return [tuple(entry[name] for name in names) for entry in row["lines"]]


async def test_goes_from_created_to_completed_on_its_timeline(api: Api) -> None:
    await stocked(api)
    key = await announced(api, await shipped(api), line("REF-1", 2))
    seen: list[Any] = []
    for wait in (0, 1.9, 0.1, 2.9, 0.1, 5, 9.9, 0.1, 19.9, 0.1, AGE):
        api.sandbox.clock.advance(wait)
        stock = await quantities(api)
        seen.append(((await the_return(api, key))["status"], stock["Available"], stock.get("Return", 0)))
    assert seen == [
        ("Created", 97, 0),
        ("Created", 97, 0),
        ("Referencing", 97, 0),
        ("Referencing", 97, 0),
        ("Referenced", 97, 0),
        ("Accepted", 97, 0),
        ("Accepted", 97, 0),
        ("Pending", 97, 2),
        ("Pending", 97, 2),
        ("Completed", 99, 0),
        ("Completed", 99, 0),
    ]


async def test_the_timeline_is_a_setting(serve: Serve) -> None:
    steps = {f"return_{name}": 0 for name in ("referencing", "referenced", "accepted", "pending", "completed")}
    api = await stocked(await serve(timeline=Timeline(**steps)))
    key = await announced(api, await shipped(api))
    assert (await the_return(api, key))["status"] == "Completed"


@pytest.mark.parametrize(
    "wrong", [{"cancellation": -1}, {"return_referencing": -1}, {"return_pending": 50, "return_completed": 40}]
)
def test_a_return_goes_forward(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be 0 <="):
        Timeline(**wrong)


async def test_each_step_bears_the_time_at_which_it_was_due(api: Api) -> None:
    await stocked(api)
    key = await announced(api, await shipped(api))
    api.sandbox.clock.advance(20)
    pending = await the_return(api, key)
    assert (pending["status"], pending["receiptDate"], pending["warehouseComment"]) == ("Pending", None, None)
    assert (await api.stock("REF-1"))["localizations"][0]["updateReason"] == "ReturnReceived"
    api.sandbox.clock.advance(AGE)
    found = await the_return(api, key)
    stock = await api.stock("REF-1")
    assert found["receiptDate"] == pending["updatedAt"]
    assert found["updatedAt"] == stock["updatedAt"] == stock["localizations"][0]["updatedAt"]
    assert stock["localizations"][0]["updateReason"] == "ReturnInspected"


async def test_by_default_all_is_complete_and_good(serve: Serve) -> None:
    api, found = await inspected(serve, line("REF-1", 3), line("REF-2", 1))
    assert lines_of(found) == [("REF-1", 3, 3, "Good"), ("REF-2", 1, 1, "Good")]
    assert (found["warehouseComment"], found["undeclaredQuantity"]) == ("Complete and in good state.", 0)
    assert found["recommendedReturnReason"] == "Retraction"
    assert (await quantities(api), await quantities(api, "REF-2")) == ({"Available": 100}, {"Available": 99})


@pytest.mark.parametrize(
    ("share", "state", "place", "recommended"),
    [("damaged", "Damaged", "Blocked", "Damaged"), ("wrong", "Wrong", "Litigation", "ReferenceError")],
)
async def test_bad_goods_are_set_aside(serve: Serve, share: str, state: str, place: str, recommended: str) -> None:
    api, found = await inspected(serve, line("REF-1", 3), **{share: 1})
    assert lines_of(found) == [("REF-1", 3, 3, state)]
    assert found["recommendedReturnReason"] == recommended
    assert "REF-1" in found["warehouseComment"]
    assert await quantities(api) == {"Available": 97, place: 3}


async def test_what_did_not_arrive_is_in_no_stock(serve: Serve) -> None:
    api, found = await inspected(serve, line("REF-1", 3), line("REF-2", 1), missing=1)
    (_, _, received, state), nothing = lines_of(found)
    assert received < 3
    assert state == ("Good" if received else None)
    assert nothing == ("REF-2", 1, 0, None)
    assert "0 of 1 REF-2 received." in found["warehouseComment"]
    assert (await quantities(api), await quantities(api, "REF-2")) == ({"Available": 97 + received}, {"Available": 98})


async def test_what_nobody_announced_is_counted_and_set_aside(serve: Serve) -> None:
    api, found = await inspected(serve, line("REF-1", 2), undeclared=1)
    assert (lines_of(found), found["undeclaredQuantity"]) == ([("REF-1", 2, 2, "Good")], 1)
    assert "not announced" in found["warehouseComment"]
    assert await quantities(api) == {"Available": 99, "Litigation": 1}
    assert (await announce(api, found["outboundShipmentId"], line("REF-1", 1))).is_problem(422)


async def test_no_more_comes_back_than_was_shipped(serve: Serve) -> None:
    api, found = await inspected(serve, line("REF-1", 3), undeclared=1)
    assert found["undeclaredQuantity"] == 0
    assert await quantities(api) == {"Available": 100}


async def test_what_arrived_unannounced_cannot_be_announced_before_it_is_reported(serve: Serve) -> None:
    api = await stocked(await serve(inspection=Inspection(undeclared=1)))
    shipment_id = await shipped(api, line("REF-1", 3))
    await announced(api, shipment_id, line("REF-1", 2))
    api.sandbox.clock.advance(20)
    assert await quantities(api) == {"Available": 97, "Return": 3}
    assert (await announce(api, shipment_id, line("REF-1", 1))).is_problem(422)
    with pytest.raises(ValueError, match="all of it has been returned"):
        api.sandbox.return_by_carrier(shipment_id)


async def test_the_carriers_damage_is_the_transports(serve: Serve) -> None:
    api = await stocked(await serve(inspection=Inspection(damaged=1, undeclared=1)))
    key = api.sandbox.return_by_carrier(await shipped(api))
    api.sandbox.clock.advance(AGE)
    found = await the_return(api, key)
    assert (found["recommendedReturnReason"], found["undeclaredQuantity"]) == ("TransportDamage", 0)
    assert await quantities(api) == {"Available": 97, "Blocked": 3}


async def test_the_same_seed_and_calls_find_the_same_however_often_somebody_looks(serve: Serve) -> None:
    shares = Inspection(damaged=0.3, wrong=0.3, missing=0.5, undeclared=0.5)
    found: list[Any] = []
    for times in (1, 40):
        api = await stocked(await serve(seed=5, inspection=shares))
        shipment_id = await shipped(api, line("REF-1", 30), line("REF-2", 30))
        for _ in range(10):
            await announced(api, shipment_id, line("REF-1", 2), line("REF-2", 2))
        for _ in range(times):
            api.sandbox.clock.advance(80 / times)
            await api.get("/returns")
        rows = (await api.get("/returns")).json["items"]
        found.append([(row["returnId"], lines_of(row), row["undeclaredQuantity"]) for row in rows])
    assert found[0] == found[1]
    assert len({str(row[1:]) for row in found[0]}) > 1


shares_of_one = st.floats(0, 1)


@given(st.uuids().map(str), st.lists(st.integers(1, 50), min_size=1, max_size=8), shares_of_one, shares_of_one)
def test_an_inspection_never_finds_more_of_a_line_than_was_announced(
    key: str, requested: list[int], bad: float, missing: float
) -> None:
    row = Return(return_id=key, lines=[ReturnLine(quantity=quantity) for quantity in requested])
    shares = Inspection(damaged=bad / 2, wrong=bad / 2, missing=missing)
    found = contents(row, shares)
    assert found == contents(row, shares)
    assert [entry.quantity for entry in found.lines] == requested
    assert all(0 <= entry.received_quantity <= entry.quantity for entry in found.lines)
    assert all((entry.state is None) == (entry.received_quantity == 0) for entry in found.lines)
    assert not found.one_more


def test_shares_are_met_over_many_returns() -> None:
    shares = Inspection(damaged=0.2, wrong=0.1, missing=0.3, undeclared=0.4)
    states: Counter[object] = Counter()
    missing = undeclared = 0
    for number in range(10_000):
        row = Return(return_id=f"return-{number}", lines=[ReturnLine(quantity=1000)])
        (entry,), one_more = contents(row, shares)
        states[entry.state] += 1
        missing += entry.received_quantity < entry.quantity
        undeclared += one_more
    expected = ((states[ReturnLineState.DAMAGED], 2000), (states[ReturnLineState.WRONG], 1000))
    for found, requested in (*expected, (missing, 3000), (undeclared, 4000)):
        assert abs(found - requested) < 250


@pytest.mark.parametrize("wrong", [{"damaged": -0.1}, {"missing": 1.1}, {"damaged": 0.6, "wrong": 0.6}])
def test_shares_are_from_0_to_1(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares go from 0 to 1"):
        Inspection(**wrong)
