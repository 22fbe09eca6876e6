"""Following orders: it tells what it does not understand, and ends whatever the API says. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from octoffm_async import ConfigurationError
from octoffm_async.bulk.durable import status_tracking as module
from octoffm_async.bulk.durable.status_tracking import FOLLOW_FOR, UNCLEAR_FOR, StatusTracker, TrackingResult
from octoffm_async.bulk.reconciliation.lookup_findings import RemoteMatch
from octoffm_async.bulk.reconciliation.remote_lookup import OrderKind
from tests.support.fakes import Sent, answer
from tests.support.items import fake

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0
RARELY = 900.0
"""Seconds between looks where a test follows for days: some hundred looks, not ten thousand."""
Rows = Callable[[float], list[dict[str, Any]]]


@pytest.fixture
def rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE", RARELY)


def now() -> float:
    return asyncio.get_running_loop().time()


def row(number: int, status: Any, **fields: Any) -> dict[str, Any]:
    """Row of an order that the API changes whenever it is looked at, so that a feed gives it each time."""
    ids = {"outboundShipmentId": f"S-{number}", "inboundShipmentId": f"S-{number}"}
    status_field = {} if status is ... else {"status": status}
    return ids | {"reference": f"O-{number}"} | status_field | fields


async def followed(
    rows: Rows, *, count: int = 1, goal: str = "shipped", kind: OrderKind = "outbound", **options: Any
) -> list[tuple[float, TrackingResult]]:
    """When each of ``count`` orders arrived, in seconds, and how."""
    began = now()
    client, _ = fake(lambda _: answer(200, {"items": rows(now() - began)}))
    async with client:
        follower = StatusTracker(client._scope, kind, goal, **options)
        awaited: dict[str, str | None] = {f"O-{n}": f"S-{n}" for n in range(count)}
        arrivals = follower.follow(awaited, since=datetime.now(UTC))
        found = [(now() - began, arrival) async for arrival in arrivals]
        assert awaited == {}
        return found


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if (one.module, one.levelname) == ("status_tracking", "WARNING")]


@pytest.mark.parametrize(
    ("fields", "match", "status"),
    [
        ({"status": "Shipped"}, RemoteMatch("S-0"), "Shipped"),
        ({"status": "shipped "}, RemoteMatch("S-0"), "Shipped"),
        ({"status": "Shipped", "state": "Invalid"}, RemoteMatch("S-0"), "Shipped"),
        ({"status": "Refused"}, RemoteMatch("S-0", "Refused", "refused later", refused=True), "Refused"),
        ({"status": "Rejected"}, RemoteMatch("S-0", "Rejected", "refused later", refused=True), "Rejected"),
        (
            {"status": "REJECTED", "refusal": {"code": "X", "message": "no"}},
            RemoteMatch("S-0", "X", "no", True),
            "REJECTED",
        ),
        (
            {"status": "Created", "state": "invalid"},
            RemoteMatch("S-0", "StateInvalid", "state Invalid", True),
            "Created",
        ),
        ({"status": None, "state": "Invalid"}, RemoteMatch("S-0", "StateInvalid", "state Invalid", True), "None"),
        *(
            ({"status": text}, RemoteMatch("S-0", "Cancelled", "cancelled after it was created", True), str(kept))
            for text, kept in (("CANCELLED", "Cancelled"), ("Canceled", "Canceled"), (" canceled", " canceled"))
        ),
    ],
)
async def test_where_following_ends_at_once(
    fields: dict[str, Any], match: RemoteMatch, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    ((_, arrival),) = await followed(lambda _: [row(0, ...) | fields])
    assert arrival == TrackingResult("O-0", match, status)
    assert warnings(caplog) == []


async def test_an_order_whose_row_shows_no_reference_is_known_by_its_id() -> None:
    ((_, arrival),) = await followed(lambda _: [row(0, "Shipped", reference=None)])
    assert arrival.match == RemoteMatch("S-0")


async def test_a_row_of_another_order_under_the_same_reference_ends_nothing() -> None:
    def rows(at: float) -> list[dict[str, Any]]:
        stranger = row(9, "Refused", reference="O-0")
        return [stranger] if at < HOUR else [stranger, row(0, "Shipped")]

    ((at, arrival),) = await followed(rows)
    assert (at >= HOUR, arrival.match) == (True, RemoteMatch("S-0"))


@pytest.mark.usefixtures("rarely")
@pytest.mark.parametrize(("status", "named"), [("Delivered", "'Delivered'"), (None, "no status"), (..., "no status")])
async def test_a_status_that_shows_nothing_is_reported_at_once_and_given_up_after_a_day(
    status: Any, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    parcels = [{"trackingNumber": "T1"}]
    ((at, arrival),) = await followed(lambda at: [row(0, status, updatedAt=stamp(at), parcels=parcels)])
    assert at == pytest.approx(UNCLEAR_FOR, abs=5)
    assert arrival.match is None
    assert all(part in arrival.reason for part in ("created as S-0", named, "Shipped", "24 h"))
    (status_field,) = warnings(caplog)
    assert all(part in status_field for part in ("'O-0'", named, "Shipped", "24 h"))


def stamp(at: float) -> str:
    return datetime.fromtimestamp(1_790_000_000 + int(at), UTC).isoformat()


async def test_each_status_is_reported_once_however_many_orders_have_it(caplog: pytest.LogCaptureFixture) -> None:
    words = ["Delivered", "Delivered", None, "Packed", "Packed"]
    arrivals = await followed(lambda _: [row(n, word) for n, word in enumerate(words)], count=5, seconds=HOUR)
    assert [arrival.match for _, arrival in arrivals] == [None] * 5
    status_field = warnings(caplog)
    assert len(status_field) == 3
    assert [any(word in text for text in status_field) for word in ("Delivered", "no status", "Packed")] == [True] * 3


async def test_warnings_and_their_length_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    await followed(lambda _: [row(n, f"{n}-{'x' * 10_000}\x1b[2J") for n in range(100)], count=100, seconds=5.0)
    status_field = warnings(caplog)
    assert 1 <= len(status_field) <= 20
    assert all(len(text) < 300 and text.isprintable() for text in status_field)


@pytest.mark.usefixtures("rarely")
async def test_an_unknown_station_on_the_way_is_passed(caplog: pytest.LogCaptureFixture) -> None:
    def rows(at: float) -> list[dict[str, Any]]:
        stations = ((HOUR, "Accepted"), (20 * HOUR, "Packing"), (30 * HOUR, "InPreparation"), (50 * HOUR, "Sorting"))
        return [row(0, next((status for until, status in stations if at < until), "Shipped"))]

    ((at, arrival),) = await followed(rows)
    assert at == pytest.approx(50 * HOUR, abs=RARELY)
    assert arrival.match == RemoteMatch("S-0")
    assert len(warnings(caplog)) == 2


@pytest.mark.usefixtures("rarely")
@pytest.mark.parametrize("seconds", [FOLLOW_FOR, 10.0, 90_000.0])
async def test_what_does_not_get_there_is_given_up_in_time(seconds: float) -> None:
    ((at, arrival),) = await followed(lambda _: [row(0, "Accepted")], seconds=seconds)
    assert at == pytest.approx(seconds, abs=1)
    assert arrival.match is None
    assert "created as S-0" in arrival.reason
    assert "not known to be Shipped" in arrival.reason


@pytest.mark.usefixtures("rarely")
async def test_what_the_list_never_shows_is_given_up_in_time() -> None:
    ((at, arrival),) = await followed(lambda _: [])
    assert at == pytest.approx(FOLLOW_FOR, abs=1)
    assert arrival.match is None


async def test_a_limit_that_is_short_of_a_day_holds_for_unknown_statuses_too(caplog: pytest.LogCaptureFixture) -> None:
    ((at, arrival),) = await followed(lambda _: [row(0, "Delivered")], seconds=600.0)
    assert at == pytest.approx(600, abs=1)
    assert "'Delivered'" in arrival.reason
    assert "600 s" in warnings(caplog)[0]


@pytest.mark.usefixtures("rarely")
async def test_those_that_arrive_are_reported_before_those_that_are_given_up() -> None:
    def rows(at: float) -> list[dict[str, Any]]:
        return [row(0, "Delivered"), row(1, "Shipped" if at > HOUR else "Created"), row(2, "Created")]

    arrivals = await followed(rows, count=3)
    assert [(arrival.reference, arrival.match) for _, arrival in arrivals] == [
        ("O-1", RemoteMatch("S-1")),
        ("O-0", None),
        ("O-2", None),
    ]


async def test_supply_orders_are_followed_in_the_same_way(caplog: pytest.LogCaptureFixture) -> None:
    words = ["partially received", "Rejected", "Stored", "RECEIVED"]
    arrivals = await followed(
        lambda _: [row(n, word) for n, word in enumerate(words)], count=4, goal="received", kind="inbound", seconds=HOUR
    )
    found = {arrival.reference: arrival.match for _, arrival in arrivals}
    assert (found["O-0"], found["O-2"], found["O-3"]) == (None, None, RemoteMatch("S-3"))
    assert found["O-1"] is not None
    assert found["O-1"].refused
    assert [("Stored" in text) for text in warnings(caplog)] == [True]


async def test_a_rest_that_says_no_leaves_what_is_open() -> None:
    async def no(_: float) -> bool:
        return False

    client, transport = fake(lambda _: answer(200, {"items": [row(0, "Delivered")]}))
    async with client:
        awaited: dict[str, str | None] = {"O-0": "S-0"}
        follower = StatusTracker(client._scope, "outbound", "shipped")
        assert [one async for one in follower.follow(awaited, since=datetime.now(UTC), rest=no)] == []
    assert awaited == {"O-0": "S-0"}
    assert len([sent for sent in transport.sent if "statusUpdatedAtMin" in sent.url]) == 1


async def test_looks_do_not_come_faster_at_the_end() -> None:
    looks: list[float] = []

    def script(_: Sent) -> Any:
        looks.append(now())
        return answer(200, {"items": [row(0, "Delivered")]})

    client, _ = fake(script)
    async with client:
        follower = StatusTracker(client._scope, "outbound", "shipped", seconds=HOUR)
        async for _ in follower.follow({"O-0": "S-0"}, since=datetime.now(UTC)):
            pass
    assert len(looks) < HOUR / 60 + 20


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), "5", None, True])
async def test_a_limit_that_is_none_is_refused(seconds: Any) -> None:
    client, _ = fake()
    async with client:
        with pytest.raises(ConfigurationError, match="follow_for"):
            StatusTracker(client._scope, "outbound", "shipped", seconds=seconds)
        with pytest.raises(ConfigurationError, match="follow_for"):
            client.bulk.create_outbound([], follow="shipped", follow_for=seconds)
        with pytest.raises(ConfigurationError, match="follow_for"):
            client.bulk.create_inbound([], follow="received", follow_for=seconds)


@pytest.mark.parametrize("status", ["Shipped", "shipped ", "SHIPPED"])
async def test_what_a_journal_saw_arrive_is_not_followed_again(status: str) -> None:
    client, _ = fake()
    async with client:
        follower = StatusTracker(client._scope, "outbound", "shipped")
        assert follower.has_arrived(status)
        assert not any(map(follower.has_arrived, ("", "Accepted", "Delivered", "Rejected")))
