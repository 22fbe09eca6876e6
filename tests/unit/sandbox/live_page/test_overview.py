"""What the live page is fed with."""

import json
from typing import Any

import pytest

from octoffm_async.sandbox import Fault
from octoffm_async.sandbox.live_page import overview

from ..api import SECOND, Api, line, product
from ..conftest import Serve


async def look(api: Api) -> dict[str, Any]:
    answer = await api.with_headers().get(api.sandbox.control_url + "/state")
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


async def test_counts_by_status_and_stock_by_type_follow_life(api: Api) -> None:
    await api.register(product(1))
    api.sandbox.add_stock("REF-1", quantity=10)
    await api.order(lines=[line(quantity=4)])
    await api.as_seller(SECOND).order("NONE")
    before = await look(api)
    assert before["totals"]["outbound"]["Created"] == 2
    api.sandbox.clock.advance(2)
    found = await look(api)
    assert {name: count for name, count in found["totals"]["outbound"].items() if count} == {
        "Accepted": 1,
        "Refused": 1,
    }
    assert {name: count for name, count in found["totals"]["stock"].items() if count} == {
        "Available": 6,
        "Allocated": 4,
    }
    assert (found["products"], found["behind"]) == (1, 0)


async def test_refused_orders_say_why_and_the_limits_in_force_are_reported(api: Api) -> None:
    await api.register(product(1))
    await api.order("NO-STOCK")
    await api.order("NO-PRODUCT", lines=[line("NONE")])
    api.sandbox.clock.advance(2)
    api.sandbox.limit, api.sandbox.retry_after = (5, 1.0), "date"
    found = await look(api)
    assert [(row["reference"], row["refusal"]) for row in found["latest"]] == [
        ("NO-PRODUCT", "UnknownProduct"),
        ("NO-STOCK", "InsufficientStock"),
    ]
    assert found["limits"] == {"limit": [5, 1.0], "groups": {}, "retry_after": "date"}


async def test_every_status_is_named_even_if_nothing_has_it(api: Api) -> None:
    totals = (await look(api))["totals"]
    assert list(totals) == ["outbound", "inbound", "returns", "cancellations", "stock"]
    assert list(totals["outbound"])[:4] == ["Created", "Accepted", "InPreparation", "Shipped"]
    assert list(totals["stock"]) == [
        "Available",
        "Allocated",
        "Blocked",
        "Litigation",
        "Removal",
        "Return",
        "LogisticOperations",
    ]
    assert {count for counts in totals.values() for count in counts.values()} == {0}


async def test_the_last_requests_and_shipments_come_newest_first_and_bounded(api: Api) -> None:
    for number in range(60):
        await api.order(f"ORDER-{number}")
        api.sandbox.clock.advance(0.1)
    await api.get("/stocks")
    found = await look(api)
    assert len(found["recent"]) == 50
    assert {**found["recent"][0], "ago": 0} == {"ago": 0, "seller": "12345", "operation": "stocks.list", "status": 400}
    assert 0 <= found["recent"][0]["ago"] <= found["recent"][-1]["ago"] < 60
    assert [row["reference"] for row in found["latest"]] == [f"ORDER-{number}" for number in range(59, 49, -1)]


async def test_long_text_from_outside_is_cut_and_the_whole_stays_small(api: Api) -> None:
    stranger = api.with_headers(**{**api.headers, "SellerId": "9" * 5000})
    for _ in range(60):
        await stranger.get("/stocks", limit=1)
    api.sandbox.faults.next(Fault.STALL, operation="returns.get")
    for _ in range(500):
        api.sandbox.faults.next(Fault.STALL, operation="returns.get")
    found = await look(api)
    assert found["recent"][0]["seller"] == "9" * 59 + "…"
    assert len(found["faults"]["script"]) == 20
    assert len(json.dumps(found)) < 20_000


async def test_tokens_throttling_and_faults_are_reported(serve: Serve) -> None:
    api = await serve(limit=(2, 3600.0))
    for _ in range(3):
        await api.get("/stocks", limit=1)
    await api.ask_token(client_secret="wrong")
    api.sandbox.faults.set_rates({Fault.ERROR_500: 0.25}, only="writes", operations=["outbound.create"])
    api.sandbox.faults.next(Fault.STALL, times=2)
    found = await look(api)
    assert found["tokens"] == {"issued": 1, "refused": 1, "living": 1}
    assert (found["requests"], found["throttled"]) == (5, 1)
    assert [sum(column) for column in zip(*found["pace"], strict=True)] == [5, 1]
    assert found["faults"] == {
        "script": [{"fault": "STALL", "operation": None, "times": 2}],
        "rates": {"ERROR_500": 0.25},
        "only": "writes",
        "operations": ["outbound.create"],
    }


async def test_a_look_is_not_a_request(api: Api) -> None:
    total = api.sandbox.requests.total
    await look(api)
    assert api.sandbox.requests.total == total


async def test_many_changes_are_counted_over_several_looks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MAX_CHANGES_PER_READ", 4)
    for number in range(10):
        await api.order(f"ORDER-{number}")
    seen = [((await look(api))["totals"]["outbound"]["Created"]) for _ in range(4)]
    assert seen == [4, 8, 10, 10]


async def test_rows_hidden_from_readers_count(api: Api) -> None:
    api.sandbox.faults.next(Fault.LATE_VISIBILITY)
    await api.order("LATE")
    found = await look(api)
    assert found["totals"]["outbound"]["Created"] == 1
    assert found["latest"][0]["reference"] == "LATE"
