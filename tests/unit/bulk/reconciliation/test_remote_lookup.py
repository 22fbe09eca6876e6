"""The finders: which scan they make, and that nothing that exists is overlooked. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from octoffm_async import CallError, FulfillmentClient, ServerError
from octoffm_async.bulk.reconciliation.lookup_findings import LookupFindings, RemoteMatch
from octoffm_async.bulk.reconciliation.remote_lookup import (
    LOOK_UPS_MOST,
    MARGIN,
    OrderLookup,
    ProductLookup,
    QueuedLookup,
    match_of,
)
from octoffm_async.contract.common import Refusal
from octoffm_async.contract.outbound import OutboundShipment, OutboundStatus, ShipmentState
from octoffm_async.sandbox import Fault
from tests.support.crashing import Remote, World
from tests.support.fakes import answer
from tests.support.items import fake, order, products, serving
from tests.unit.test_operations import supply


class Looking:
    """A remote side and a finder of its outbound shipments."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.remote = Remote(**settings)
        self.world = World(self.remote, folder / "unused.sqlite")

    def find(
        self, references: Collection[str], *, ago: float = 10.0, before: Callable[[], object] = lambda: None
    ) -> dict[str, list[RemoteMatch]]:
        """The matches of a scan that leaves no doubt."""
        matches, doubt, *_ = self.look(references, ago=ago, before=before)
        assert doubt == ""
        return dict(matches)

    def look(
        self, references: Collection[str], *, ago: float = 10.0, before: Callable[[], object] = lambda: None
    ) -> LookupFindings:
        async def main(client: FulfillmentClient, _: Any) -> LookupFindings:
            before()
            since = datetime.fromtimestamp(self.world.time() - ago, UTC)
            lookup = OrderLookup(client.with_options(retries=0)._scope, "outbound")
            return await lookup.find(references, since=since)

        with self.world.in_its_time():
            found: LookupFindings = self.world.live(main)
        return found

    def make(self, *references: str, seconds_before: float = 0.0, status: str = "Created") -> list[RemoteMatch]:
        real, then = self.remote.now, self.world.time() - seconds_before
        self.remote.now = lambda: then
        made = [RemoteMatch(self.remote.create(reference, status=status).id) for reference in references]
        self.remote.now = real
        return made

    @property
    def filtered(self) -> list[dict[str, list[str]]]:
        """The queries of all lists but the first, which asks for the time."""
        return [parse_qs(urlsplit(url).query) for url in self.remote.lists[1:]]


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    return Looking(tmp_path)


pytestmark = pytest.mark.one_loop


def test_finds_what_is_requested_by_a_scan_for_all(looking: Looking) -> None:
    a, b, _ = looking.make("A", "B", "C")
    assert looking.find({"A", "B", "missing"}) == {"A": [a], "B": [b]}
    (query,) = looking.filtered
    assert query.keys() == {"limit", "statusUpdatedAtMin"}
    low = datetime.fromisoformat(query["statusUpdatedAtMin"][0]).timestamp()
    assert low == pytest.approx(looking.world.time() - 10 - MARGIN.total_seconds(), abs=2)


def test_does_not_look_further_back_than_the_margin(looking: Looking) -> None:
    looking.make("A", seconds_before=10 + MARGIN.total_seconds() + 5)
    assert looking.find({"A"}) == {}


@pytest.mark.parametrize("skew", [3600.0, -3600.0, 86400.0, -86400.0])
def test_a_difference_of_the_clocks_is_seen_in_the_date(tmp_path: Path, skew: float) -> None:
    looking = Looking(tmp_path, skew=skew)
    (a,) = looking.make("A", seconds_before=9)
    looking.make("B", seconds_before=10 + MARGIN.total_seconds() + 5 + max(0.0, skew))
    assert looking.find({"A", "B"}) == {"A": [a]}


@pytest.mark.parametrize("skew", [0.0, 3600.0, -3600.0, 14 * 3600.0, -14 * 3600.0])
def test_without_a_date_nothing_is_overlooked(tmp_path: Path, skew: float) -> None:
    looking = Looking(tmp_path, skew=skew)
    looking.remote.tells_time = False
    (a,) = looking.make("A", seconds_before=9)
    assert looking.find({"A"}) == {"A": [a]}


def test_an_api_that_refuses_the_filter_is_scanned_without_it(looking: Looking) -> None:
    looking.remote.takes_filters = False
    (old,) = looking.make("A", seconds_before=1e6)
    assert looking.find({"A"}) == {"A": [old]}
    assert [query.keys() for query in looking.filtered] == [{"limit", "statusUpdatedAtMin"}, {"limit"}]


@pytest.mark.parametrize("takes_filters", [True, False])
def test_a_list_of_many_pages_is_read_to_its_end(looking: Looking, *, takes_filters: bool) -> None:
    looking.remote.page = 3
    looking.remote.takes_filters = takes_filters
    made = {key: looking.make(key, seconds_before=number / 7) for number, key in enumerate(map(str, range(40)))}
    assert looking.find(made.keys()) == made
    assert len(looking.filtered) >= 14


def test_a_second_that_holds_more_than_a_page_is_read_whole(looking: Looking) -> None:
    looking.remote.page = 3
    made = dict(zip("ABCDEFGH", ([match] for match in looking.make(*"ABCDEFGH", seconds_before=2)), strict=True))
    assert looking.find(made.keys()) == made


def test_all_of_a_reference_are_reported_each_once(looking: Looking) -> None:
    looking.remote.page = 2
    made = [*looking.make("A", "A", seconds_before=3), *looking.make("A", seconds_before=1)]
    assert looking.find({"A"}) == {"A": made}


def test_a_refused_order_is_a_match_that_is_refused(looking: Looking) -> None:
    looking.make("A", status="Refused")
    assert looking.find({"A"}) == {"A": [RemoteMatch("S-0", "Refused", "refused later", refused=True)]}


@pytest.mark.parametrize(
    ("status", "state", "refusal", "match"),
    [
        (None, None, None, RemoteMatch("S")),
        ("Created", "Valid", None, RemoteMatch("S")),
        ("Delivered", None, None, RemoteMatch("S")),
        ("Canceled", "Invalid", None, RemoteMatch("S")),
        ("Shipped", "Invalid", None, RemoteMatch("S")),
        ("Rejected", None, None, RemoteMatch("S", "Rejected", "refused later", True)),
        ("refused", "Invalid", Refusal(code="X"), RemoteMatch("S", "X", "refused later", True)),
        ("Created", "Invalid", None, RemoteMatch("S", "StateInvalid", "state Invalid", True)),
        (None, "invalid", Refusal(message="no"), RemoteMatch("S", "StateInvalid", "no", True)),
    ],
)
def test_what_an_order_is_as_a_match(
    status: str | None, state: str | None, refusal: Refusal | None, match: RemoteMatch
) -> None:
    row = OutboundShipment(
        outbound_shipment_id="S",
        status=None if status is None else OutboundStatus(status),
        state=None if state is None else ShipmentState(state),
        refusal=refusal,
    )
    assert match_of(row) == match


def rows_with(*references: Any, name: str = "reference") -> list[dict[str, Any]]:
    """Rows of a list, which tells the references under ``name``; of ``...`` it tells none."""
    return [
        {"outboundShipmentId": f"S-{n}"} | ({} if reference is ... else {name: reference})
        for n, reference in enumerate(references)
    ]


@pytest.mark.parametrize(
    ("rows", "unreadable"),
    [
        (rows_with("A", "B"), 0),
        (rows_with("B", ...), 1),
        (rows_with(None, "B", ""), 2),
        (rows_with(" \t"), 1),
        (rows_with("A", "B", name="sellerReference"), 2),
        (rows_with(), 0),
    ],
)
def test_rows_whose_reference_cannot_be_read_leave_a_doubt(
    looking: Looking, rows: list[dict[str, Any]], unreadable: int
) -> None:
    looking.remote.list_script = lambda: answer(200, {"items": rows})
    matches, doubt, *_ = looking.look({"A"})
    assert matches == ({"A": [RemoteMatch("S-0")]} if rows and rows[0].get("reference") == "A" else {})
    assert bool(doubt) is (unreadable > 0)
    assert unreadable == 0 or f"cannot be read ({unreadable})" in doubt


def test_a_doubt_of_one_page_is_not_forgotten_on_the_next(looking: Looking) -> None:
    def script() -> Any:
        asked = parse_qs(urlsplit(looking.remote.lists[-1]).query)
        if "statusUpdatedAtMin" in asked:
            return answer(400, {"status": 400})
        if "cursor" in asked:
            return answer(200, {"items": rows_with("A", "C")})
        return answer(200, {"items": rows_with("B", ...)}, Link='<?cursor=2>; rel="next"')

    looking.remote.list_script = script
    matches, doubt, *_ = looking.look({"A", "D"})
    assert matches == {"A": [RemoteMatch("S-0")]}
    assert "(1)" in doubt


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_list_that_cannot_be_read_is_raised_and_not_taken_for_absence(looking: Looking, call: int) -> None:
    looking.remote.page = 1
    looking.make("A", "B", "C", seconds_before=5)
    calls = iter(range(1, 100))
    looking.remote.list_script = lambda: answer(500) if next(calls) == call else None
    with pytest.raises(ServerError):
        looking.find({"A", "B", "C"})


def test_a_400_in_the_middle_of_a_scan_is_answered_by_a_scan_of_all(looking: Looking) -> None:
    looking.remote.page = 1
    looking.make("A", "B", seconds_before=5)
    calls = iter(range(1, 100))
    looking.remote.list_script = lambda: answer(400, {"status": 400}) if next(calls) == 3 else None
    assert looking.find({"A", "B"}).keys() == {"A", "B"}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_other_refusals_of_the_list_are_raised(looking: Looking, status: int) -> None:
    looking.remote.list_script = lambda: answer(status, {"status": status})
    with pytest.raises(CallError):
        looking.find({"A"})


def test_a_clock_that_was_put_forward_since_the_request_hides_nothing(looking: Looking) -> None:
    (a,) = looking.make("A", seconds_before=9)
    looking.remote.skew = 3600.0
    assert looking.find({"A"}) == {"A": [a]}


async def test_supply_orders_and_products_are_found_over_http() -> None:
    async with serving() as (sandbox, client):
        for start in (0, 100, 200):
            await client.products.create(products(250)[start : start + 100])
        made = await client.inbound.create(supply("IN-1", "P-1"))
        refused = await client.inbound.create(supply("IN-2", "unregistered"))
        since = datetime.now(UTC)
        sandbox.clock.advance(3600)
        found = await OrderLookup(client._scope, "inbound").find({"IN-1", "IN-2", "IN-3"}, since=since)
        known = await ProductLookup(client._scope).find({"P-0", "P-249", "P-250"}, since=since)
    assert found.matches.keys() == {"IN-1", "IN-2"}
    assert [match.id for match in found.matches["IN-1"]] == [made]
    assert found.matches["IN-2"][0].id == refused
    assert found.matches["IN-2"][0].refused
    assert known == LookupFindings({"P-0": [RemoteMatch(None)], "P-249": [RemoteMatch(None)]})


async def test_references_of_products_that_cannot_be_read_leave_a_doubt() -> None:
    rows = [{"sellerProductReference": reference} for reference in ("P-0", " ", "P-2")]
    client, _ = fake(lambda _: answer(200, {"items": rows}))
    async with client:
        matches, doubt, *_ = await ProductLookup(client._scope).find({"P-0", "P-1"}, since=datetime.now(UTC))
    assert matches == {"P-0": [RemoteMatch(None)]}
    assert "products whose reference cannot be read (1)" in doubt


async def test_what_becomes_visible_later_is_found_later() -> None:
    async with serving() as (sandbox, client):
        sandbox.faults.next(Fault.LATE_VISIBILITY, operation="outbound.create", value=60)
        made = await client.outbound.create(order("A"))
        lookup, since = OrderLookup(client._scope, "outbound"), datetime.now(UTC)
        assert await lookup.find({"A"}, since=since) == LookupFindings({})
        sandbox.clock.advance(61)
        assert [match.id for match in (await lookup.find({"A"}, since=since)).matches["A"]] == [made]


async def test_a_finder_that_is_cancelled_lets_go() -> None:
    async with serving() as (sandbox, client):
        sandbox.faults.next(Fault.STALL, operation="outbound.list")
        task = asyncio.create_task(OrderLookup(client._scope, "outbound").find({"A"}, since=datetime.now(UTC)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await OrderLookup(client._scope, "outbound").find({"A"}, since=datetime.now(UTC)) == LookupFindings({})


class Gated:
    """A look-up that tells when each reference is looked up, and ends when it is told."""

    def __init__(self) -> None:
        self.began = asyncio.Queue[str]()
        self.running: dict[str, asyncio.Future[None]] = {}

    async def find(self, references: Collection[str], **_: Any) -> LookupFindings:
        (key,) = references
        self.running[key] = asyncio.get_running_loop().create_future()
        self.began.put_nowait(key)
        try:
            await self.running[key]
        finally:
            del self.running[key]
        return LookupFindings({key: []})

    prove = find


async def test_single_calls_look_up_a_few_at_a_time_in_their_order() -> None:
    """If hundreds shared the wire, none would end before the deadline of its call."""
    async with serving() as (_, client):
        gated, since = Gated(), datetime.now(UTC)
        lookups = [QueuedLookup(gated, client._scope) for _ in range(3 * LOOK_UPS_MOST)]
        calls = {
            f"{number:02}": asyncio.create_task(look({f"{number:02}"}, since=since))
            for number, each in enumerate(lookups)
            for look in [each.prove if number % 2 else each.find]
        }
        began = [await gated.began.get() for _ in range(LOOK_UPS_MOST)]
        gone = [began.pop(), f"{LOOK_UPS_MOST + 1:02}"]  # one that looks, and one that waits for its turn
        for key in gone:
            calls[key].cancel()
        for key in [key for key in calls if key not in gone]:
            if key not in began:
                began.append(await gated.began.get())
            assert key in began
            assert len(gated.running) <= LOOK_UPS_MOST
            gated.running[key].set_result(None)
            assert (await calls[key]).matches == {key: []}
        assert all(calls[key].cancelled() for key in gone)
