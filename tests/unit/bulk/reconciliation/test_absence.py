"""What must be seen before an order counts as absent: enough of the time, and of the list. Virtual time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from octoffm_async import Created, FulfillmentClient, Unknown
from octoffm_async.bulk.durable.settings import outgoing_of
from octoffm_async.bulk.reconciliation import absence
from octoffm_async.bulk.reconciliation.lookup_findings import NO_ROWS, LookupFindings, RemoteMatch
from octoffm_async.bulk.reconciliation.remote_lookup import OrderLookup, ProductLookup
from octoffm_async.journal import State
from tests.support.crashing import EPOCH, Fate, Remote, Trouble, World, ended
from tests.support.fakes import answer
from tests.support.items import fake, order, serving
from tests.unit.test_operations import supply

pytestmark = pytest.mark.one_loop

LOST = Fate(Trouble.RESET_AFTER)
NEVER_ARRIVED = Fate(Trouble.RESET_BEFORE)


class Proving:
    """A remote side and the scan that may declare absence."""

    def __init__(self, folder: Path) -> None:
        self.remote = Remote()
        self.world = World(self.remote, folder / "orders.sqlite")

    def prove(self, *references: str, ago: float = 10.0) -> LookupFindings:
        async def main(client: FulfillmentClient, _: Any) -> LookupFindings:
            since = datetime.fromtimestamp(self.world.time() - ago, UTC)
            return await OrderLookup(client.with_options(retries=0)._scope, "outbound").prove(references, since=since)

        with self.world.in_its_time():
            found: LookupFindings = self.world.live(main)
        return found._replace(rows=NO_ROWS)

    def make(self, *references: str, seconds_before: float = 0.0) -> list[RemoteMatch]:
        then = self.world.time() - seconds_before
        self.remote.now = lambda: then
        made = [RemoteMatch(self.remote.create(reference).id) for reference in references]
        self.remote.now = self.world.time
        return made

    def run(self, *references: str, patience: float = 2.0) -> dict[str, Any]:
        """The outcomes of a run through the journal."""

        async def main(client: FulfillmentClient, journal: Any) -> Any:
            items = [order(reference) for reference in references]
            return await ended(client.bulk.create_outbound(items, journal=journal, patience=patience))

        with self.world.in_its_time():
            outcomes, _ = self.world.live(main)
        return {outcome.key: outcome for outcome in outcomes}

    def cut(self, rows: int, **headers: str) -> None:
        """Let each list end behind so many rows."""

        def script() -> Any:
            shown = [{"outboundShipmentId": f"X-{n}", "reference": f"X-{n}"} for n in range(rows)]
            return answer(200, {"items": shown}, **headers)

        self.remote.list_script = script


@pytest.fixture
def proving(tmp_path: Path) -> Proving:
    return Proving(tmp_path)


def test_what_is_absent_is_proven_by_a_list_that_agrees_with_the_count(proving: Proving) -> None:
    proving.make("B", "C", seconds_before=3600)
    assert proving.prove("A") == LookupFindings({})
    assert len(proving.remote.counts) == 1


@pytest.mark.parametrize("seconds", [600, 3600, 7200, 86400])
def test_stamps_that_lag_hide_nothing(proving: Proving, seconds: float) -> None:
    made = proving.make("A", seconds_before=seconds)
    assert proving.prove("A") == LookupFindings({"A": made})


def test_what_is_stamped_still_earlier_is_found_without_the_filter(proving: Proving) -> None:
    made = proving.make("A", seconds_before=9 * 86400)
    assert proving.prove("A") == LookupFindings({"A": made})


def test_a_request_that_our_clock_puts_into_the_future_is_looked_for_before_now(proving: Proving) -> None:
    made = proving.make("A", seconds_before=5)
    assert proving.prove("A", ago=-10 * 86400) == LookupFindings({"A": made})
    low = parse_qs(urlsplit(proving.remote.lists[1]).query)["statusUpdatedAtMin"][0]
    assert datetime.fromisoformat(low).timestamp() < proving.world.time() - 86400


def test_the_unfiltered_look_ends_where_rows_are_older_than_the_window(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script() -> Any:
        asked = parse_qs(urlsplit(proving.remote.lists[-1]).query)
        if "statusUpdatedAtMin" in asked or asked["limit"] == ["1"]:
            return answer(200, {"items": []})
        page = int(asked.get("cursor", ["0"])[0])
        times = [EPOCH - (2 * page + n) * 40_000 for n in range(2)]
        rows = [
            {
                "outboundShipmentId": f"S-{at}",
                "reference": f"R-{at}",
                "statusUpdatedAt": datetime.fromtimestamp(at, UTC).isoformat(),
            }
            for at in times
        ]
        return answer(200, {"items": rows}, Link=f'<?cursor={page + 1}>; rel="next"')

    proving.remote.list_script = script
    proving.remote.count_script = lambda: answer(200, 0)
    assert proving.prove("A") == LookupFindings({})
    assert len(proving.remote.lists) == 2 + 2 + 1  # the page behind is under way already
    proving.remote.lists.clear()
    monkeypatch.setattr(absence, "NEWEST", 3)
    monkeypatch.setattr(absence, "changed_at", lambda _: None)
    assert proving.prove("A") == LookupFindings({})
    assert len(proving.remote.lists) == 2 + 2


@pytest.mark.parametrize(
    ("rows", "counted", "doubt"),
    [
        (2, answer(200, {"count": 3}), "it shows 2 of 3 orders"),
        (2, answer(200, 1), "it shows 2 of 1 orders"),
        (0, answer(200, 5), "it shows 0 of 5 orders"),
        (2, answer(404, {"status": 404}), "their count was not to be had"),
        (2, answer(403, {"status": 403}), "their count was not to be had"),
        (2, answer(200, {"items": []}), "their count was not to be had"),
        (2, answer(500), "their count was not to be had"),
        (2, answer(200, 2), ""),
    ],
)
def test_absence_needs_a_count_that_equals_what_is_seen(proving: Proving, rows: int, counted: Any, doubt: str) -> None:
    proving.cut(rows)
    proving.remote.count_script = lambda: counted
    found = proving.prove("A")
    reason = found.doubt_of("A") or found.uncounted
    assert doubt in reason
    assert bool(reason) is bool(doubt)
    assert bool(found.uncounted) is (counted.status in (403, 404))
    assert found.passing is (bool(doubt) and not found.uncounted)


def test_an_order_that_is_made_meanwhile_is_no_doubt(proving: Proving) -> None:
    proving.make("B")

    def script() -> None:
        if len(proving.remote.counts) == 1:
            proving.make("C")

    proving.remote.count_script = script
    assert proving.prove("A") == LookupFindings({})
    assert len(proving.remote.counts) == 2


def test_an_order_is_sent_again_once_the_others_that_come_meanwhile_leave_the_list_alone(proving: Proving) -> None:
    """Another process sends a hundred orders while this one looks for its own."""
    proving.run("B")
    proving.remote.fates["A"] = [NEVER_ARRIVED]

    def script() -> None:
        if len(proving.remote.counts) <= 2 * absence.TRIES:
            proving.make(f"X-{len(proving.remote.counts)}")

    proving.remote.count_script = script
    assert isinstance(proving.run("A")["A"], Created)
    assert proving.remote.effects["A"] == 1
    assert len(proving.remote.counts) == 2 * absence.TRIES + 1


def test_an_empty_cursor_and_a_full_page_are_no_end_without_a_count(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving.remote.count_script = lambda: answer(404, {"status": 404})
    proving.cut(2, Link='<?cursor=>; rel="next"')
    assert "names an empty cursor" in proving.prove("A").doubt
    monkeypatch.setattr(absence, "LIMIT", 2)
    proving.cut(2)
    assert "is full and names no next one" in proving.prove("A").doubt
    assert len(proving.remote.lists) < 2 * absence.FRUITLESS_MOST


def test_full_pages_without_a_link_are_cut_smaller_until_all_is_seen(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absence, "LIMIT", 3)
    for number in range(20):
        proving.make(f"B-{number}", seconds_before=60.0 * number + 5)
    (made,) = proving.make("A", seconds_before=630)
    look = proving.remote.look

    def without_link(url: str) -> Any:
        given = look(url)
        given.headers.popall("Link", None)  # type: ignore[union-attr]
        return given

    monkeypatch.setattr(proving.remote, "look", without_link)
    assert proving.prove("A") == LookupFindings({"A": [made]})
    assert proving.prove("Z") == LookupFindings({})


def test_an_api_that_refuses_the_filter_is_read_and_counted_without_it(proving: Proving) -> None:
    proving.remote.takes_filters = False
    proving.make("B", seconds_before=1e6)
    assert proving.prove("A") == LookupFindings({})
    assert [urlsplit(url).query for url in proving.remote.counts] == [""]


async def test_supply_orders_that_are_absent_are_counted_too() -> None:
    async with serving() as (sandbox, client):
        await client.inbound.create(supply("IN-1", "P-1"))
        lookup = OrderLookup(client._scope, "inbound")
        found = await lookup.prove({"IN-2"}, since=datetime.now(UTC))
        assert found._replace(rows=NO_ROWS) == LookupFindings({})
        assert sandbox.requests.count("inbound.count") == 1


@pytest.mark.parametrize(
    ("total", "takes_limit", "links", "doubt"),
    [
        (999, True, True, ""),
        (1000, True, True, ""),
        (1500, True, True, ""),
        (1500, True, False, "is full and names no next one"),
        (1500, False, False, "is full and names no next one"),
    ],
)
async def test_references_need_a_list_with_a_proven_end(
    total: int, doubt: str, *, takes_limit: bool, links: bool
) -> None:
    def script(sent: Any) -> Any:
        asked = parse_qs(urlsplit(sent.url).query)
        size = int(asked["limit"][0]) if takes_limit else 1000
        begin = int(asked.get("cursor", ["0"])[0])
        rows = [{"sellerProductReference": f"P-{n}"} for n in range(begin, min(begin + size, total))]
        if links and begin + size < total:
            return answer(200, {"items": rows}, Link=f'<?cursor={begin + size}>; rel="next"')
        return answer(200, {"items": rows})

    client, _ = fake(script)
    async with client:
        found = await ProductLookup(client._scope).prove({"Q"}, since=datetime.now(UTC))
    assert doubt in found.doubt
    assert bool(found.doubt) is bool(doubt)


KEPT: list[tuple[str, Callable[[str], str]]] = [
    ("O-1 ", str.strip),
    ("o-1", str.upper),
    ("O\u200b-1", lambda text: text.replace("\u200b", "")),
    ("SHOP-2026-11-30-000000001", lambda text: text[:20]),
    ("000123", lambda text: text.lstrip("0")),
]


@pytest.mark.parametrize(("reference", "keeps"), KEPT)
def test_an_order_that_is_kept_under_another_spelling_is_never_sent_twice(
    proving: Proving, reference: str, keeps: Callable[[str], str]
) -> None:
    proving.remote.keeps = keeps
    proving.remote.fates[reference] = [LOST]
    for _ in range(2):
        outcome = proving.run(reference)[reference]
        assert isinstance(outcome, Unknown)
        assert outcome.reason.startswith(f"looks like {keeps(reference)!r}, an order of S-0")
    assert len(proving.remote.shipments) == 1


def test_two_orders_of_ours_that_look_alike_leave_no_doubt(proving: Proving) -> None:
    proving.remote.fates["o-1"] = [NEVER_ARRIVED]
    proving.remote.fates["SHOP-2026-11"] = [NEVER_ARRIVED]
    keys: Collection[str] = ("O-1", "o-1", "SHOP-2026-1", "SHOP-2026-11", "SHOP-2026-111")
    outcomes = proving.run(*keys)
    assert all(isinstance(outcomes[key], Created) for key in keys)
    assert proving.remote.effects == dict.fromkeys(keys, 1)


@pytest.mark.parametrize("status", [404, 500])
def test_without_a_proof_an_order_stays_unknown_and_is_not_sent_again(proving: Proving, status: int) -> None:
    proving.remote.fates["A"] = [NEVER_ARRIVED]
    proving.remote.count_script = lambda: answer(status, {"status": status})
    outcome = proving.run("A")["A"]
    assert isinstance(outcome, Unknown)
    assert "their count was not to be had" in outcome.reason
    assert proving.remote.effects == {}
    proving.remote.count_script = lambda: None
    assert isinstance(proving.run("A")["A"], Created)


@pytest.mark.parametrize("together", [True, False])
def test_an_api_without_a_count_is_believed_once_it_shows_an_order_of_ours(proving: Proving, *, together: bool) -> None:
    proving.remote.fates["A"] = [NEVER_ARRIVED]
    proving.remote.count_script = lambda: answer(404, {"status": 404})
    if not together:
        proving.run("B")
    assert isinstance(proving.run(*(("B", "A") if together else ("A",)))["A"], Created)
    assert proving.remote.effects == {"A": 1, "B": 1}


def test_the_journal_reports_which_proof_is_missing(proving: Proving) -> None:
    async def write(client: FulfillmentClient, journal: Any) -> None:
        journal_run = await journal.begin_run(seller=client._scope.seller_id, operation="outbound.create")
        await journal_run.mark_sent([outgoing_of("A", order("A"))])

    async def read(_: FulfillmentClient, journal: Any) -> list[tuple[str, str]]:
        runs = await journal.runs()
        return [(one.state, one.message) for run in runs async for one in journal.entries(run.id)]

    proving.world.live(write)
    proving.remote.count_script = lambda: answer(200, {"count": 7})
    assert isinstance(proving.run("A")["A"], Unknown)
    ((state, message),) = proving.world.live(read)
    assert state == State.UNKNOWN
    assert "it shows 0 of 7 orders" in message


@pytest.mark.parametrize("others", [("B",), ("B", "C", "D", "E", "F", "G", "H")])
def test_a_list_that_shows_nothing_of_what_was_created_proves_no_absence(
    proving: Proving, others: Collection[str]
) -> None:
    proving.remote.fates["A"] = [NEVER_ARRIVED]
    proving.cut(0)
    proving.remote.count_script = lambda: answer(200, {"count": 0})
    outcome = proving.run(*others, "A")["A"]
    assert isinstance(outcome, Unknown)
    assert "it does not show 'B' either, which is known to exist" in outcome.reason
    assert proving.remote.effects == dict.fromkeys(others, 1)


@pytest.mark.parametrize(("late", "kind"), [(15.0, Created), (1000.0, Unknown)])
def test_what_was_created_just_now_must_be_shown_once_it_is_old_enough(
    proving: Proving, late: float, kind: type
) -> None:
    proving.remote.fates["A"] = [NEVER_ARRIVED]
    proving.remote.fates["B"] = [Fate(late=late)]
    proving.remote.count_script = lambda: answer(200, 1)
    assert isinstance(proving.run("A", patience=20.0)["A"], Unknown)
    proving.remote.count_script = lambda: None
    proving.world.now += 100
    assert isinstance(proving.run("B", "A", patience=20.0)["A"], kind)
    assert proving.remote.effects["A"] == (kind is Created)


def test_what_was_created_while_our_clock_was_ahead_must_be_shown_too(proving: Proving) -> None:
    proving.remote.fates["A"] = [LOST]
    proving.remote.list_script = lambda: answer(500)
    proving.world.now += 3600
    proving.run("B", "A")
    proving.world.now -= 3590
    proving.cut(0)
    proving.remote.count_script = lambda: answer(200, 0)
    outcome = proving.run("A")["A"]
    assert isinstance(outcome, Unknown)
    assert "it does not show 'B' either" in outcome.reason
    assert proving.remote.effects == {"A": 1, "B": 1}


def test_where_no_order_of_ours_is_known_one_is_sent_again_and_must_be_shown_before_the_others(
    proving: Proving,
) -> None:
    keys = [f"O-{n}" for n in range(5)]
    for key in keys:
        proving.remote.fates[key] = [NEVER_ARRIVED]
    assert all(isinstance(outcome, Created) for outcome in proving.run(*keys).values())
    assert proving.remote.effects == dict.fromkeys(keys, 1)


def test_a_list_of_nothing_leads_to_one_order_more_at_the_most(proving: Proving) -> None:
    keys = [f"O-{n}" for n in range(5)]
    for key in keys:
        proving.remote.fates[key] = [LOST]
    proving.cut(0)
    proving.remote.count_script = lambda: answer(200, {"count": 0})
    outcomes = {}
    for _ in range(3):
        outcomes = proving.run(*keys)
    assert sorted(proving.remote.effects.values()) == [1, 1, 1, 1, 2]
    assert sum(isinstance(outcome, Unknown) for outcome in outcomes.values()) == 4
    assert all(
        "either, which is known to exist" in outcome.reason
        for outcome in outcomes.values()
        if isinstance(outcome, Unknown)
    )


def test_what_was_sent_again_alone_and_lost_again_lets_nothing_else_be_sent_again(proving: Proving) -> None:
    proving.remote.fates["A"] = [NEVER_ARRIVED]
    proving.remote.fates["B"] = [NEVER_ARRIVED, NEVER_ARRIVED]
    for _ in range(2):
        outcome = proving.run("A", "B")["A"]
        assert isinstance(outcome, Unknown)
        assert "no order of ours is known that it could show" in outcome.reason
    assert proving.remote.departed == 3
    assert isinstance(proving.run("C", "A")["A"], Created)


@pytest.mark.parametrize("shown", ["CDS-{}", "{}/1", "CDS-{}/1"])
def test_an_order_that_is_kept_inside_another_reference_is_never_sent_twice(proving: Proving, shown: str) -> None:
    proving.remote.keeps = lambda text: shown.format(text) if text == "ORDER-1" else text
    proving.remote.fates["ORDER-1"] = [LOST]
    outcome = proving.run("B", "ORDER-1", "ORDER-11", "NO-ORDER-1")["ORDER-1"]
    assert isinstance(outcome, Unknown)
    assert outcome.reason.startswith(f"looks like {shown.format('ORDER-1')!r}")
    assert [one.reference for one in proving.remote.shipments].count(shown.format("ORDER-1")) == 1
    assert len(proving.remote.shipments) == 4


def test_longer_references_of_others_with_longer_numbers_leave_no_doubt(proving: Proving) -> None:
    proving.make("ORDER-10", "ORDER-11", "21-ORDER", "7ORDER-12")
    proving.remote.fates["ORDER-1"] = [NEVER_ARRIVED]
    proving.remote.fates["1-ORDER"] = [NEVER_ARRIVED]
    outcomes = proving.run("B", "ORDER-1", "1-ORDER")
    assert all(isinstance(outcome, Created) for outcome in outcomes.values())


def test_a_list_with_fewer_orders_than_are_known_to_exist_proves_nothing(proving: Proving) -> None:
    known = [f"O-{n}" for n in range(9)]
    proving.remote.fates["A"] = [LOST]
    proving.remote.list_script = lambda: answer(500)
    proving.run("A", *known)
    shown = [proving.remote.shipments[n] for n in range(1, 10)]
    rows = [{"outboundShipmentId": one.id, "reference": one.reference} for one in shown if one.reference != "O-4"]
    proving.remote.list_script = lambda: answer(200, {"items": rows})
    proving.remote.count_script = lambda: answer(200, {"count": len(rows)})
    proving.world.now += 10
    outcome = proving.run("A")["A"]
    assert isinstance(outcome, Unknown)
    assert "it shows 8 orders, and 9 of ours are known to exist" in outcome.reason


def test_what_is_absent_twice_is_not_sent_a_third_time_by_itself(proving: Proving) -> None:
    proving.remote.fates["A"] = [NEVER_ARRIVED, NEVER_ARRIVED]
    outcome = proving.run("A")["A"]
    for _ in range(2):
        assert isinstance(outcome, Unknown)
        assert "is absent again: it is not sent a third time automatically" in outcome.reason
        assert proving.remote.departed == 2
        outcome = proving.run("A")["A"]
    proving.world.settle_absent([outcome])
    assert isinstance(proving.run("A")["A"], Created)
    assert proving.remote.effects == {"A": 1}


def test_a_run_without_lost_answers_asks_for_nothing(proving: Proving) -> None:
    proving.run("A", "B")
    assert proving.remote.lists == proving.remote.counts == []
