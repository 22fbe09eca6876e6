"""Lists that do not tell the truth of an order that exists: it is found, or it stays unknown; it is never sent twice.

Each lie is a remote side whose answers are changed on their way. The answer to the order ``A`` is lost; ``B`` is one of
ours from before. Virtual time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import pytest

from octoffm_async import Created, FulfillmentClient, Unknown
from octoffm_async.bulk.durable.settings import outgoing_of
from octoffm_async.bulk.reconciliation import absence
from octoffm_async.journal import State
from octoffm_async.transport.response import Response
from tests.support.crashing import Fate, Remote, Shipment, Trouble, World, ended
from tests.support.fakes import answer
from tests.support.items import order

pytestmark = pytest.mark.one_loop

LOST = Fate(Trouble.RESET_AFTER)
NEVER_ARRIVED = Fate(Trouble.RESET_BEFORE)
HOUR = 3600.0


class Lying:
    """A world in which answers can be changed, and rows hidden from lists and counts alike."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.remote = Remote()
        self.world = World(self.remote, folder / "orders.sqlite")
        self.hides: Callable[[Shipment, float], bool] = lambda row, low: False
        """Of a row, and the beginning of the window that is asked for."""
        self.changes: Callable[[str, Response], Response] = lambda url, given: given
        look, visible = self.remote.look, self.remote._visible

        def shown(low: float, high: float) -> list[Shipment]:
            return [row for row in visible(low, high) if not self.hides(row, low)]

        def recorded(url: str) -> Response | BaseException:
            given = look(url)
            return given if isinstance(given, BaseException) else self.changes(url, given)

        monkeypatch.setattr(self.remote, "_visible", shown)
        monkeypatch.setattr(self.remote, "look", recorded)

    def run(self, *references: str, patience: float = 2.0) -> dict[str, Any]:
        """The outcomes of a run."""

        async def main(client: FulfillmentClient, journal: Any) -> Any:
            items = [order(reference) for reference in references]
            return await ended(client.bulk.create_outbound(items, journal=journal, patience=patience))

        with self.world.in_its_time():
            outcomes, _ = self.world.live(main)
        return {outcome.key: outcome for outcome in outcomes}

    def later(self, seconds: float) -> None:
        self.world.now += seconds

    def mark_as_sent(self, reference: str, *, ago: float = 0.0) -> None:
        """What a process leaves that was killed ``ago`` seconds, by the API's clock, after it sent an order."""

        async def write(client: FulfillmentClient, journal: Any) -> None:
            journal_run = await journal.begin_run(seller=client._scope.seller_id, operation="outbound.create")
            api_at = datetime.fromtimestamp(self.world.time() - ago, UTC)
            await journal_run.mark_sent([outgoing_of(reference, order(reference))], api_at=api_at)

        self.world.live(write)

    def recorded(self) -> dict[str, tuple[State, str]]:
        """What the journal says of each item."""

        async def read(_: FulfillmentClient, journal: Any) -> dict[str, tuple[State, str]]:
            runs = await journal.runs()
            return {one.key: (one.state, one.message) for run in runs async for one in journal.entries(run.id)}

        said: dict[str, tuple[State, str]] = self.world.live(read)
        return said


@pytest.fixture
def lying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lying:
    return Lying(tmp_path, monkeypatch)


def with_head(given: Response, **head: str) -> Response:
    changed = given.headers.copy()  # type: ignore[attr-defined]
    changed.update(head)
    return given._replace(headers=changed)


def hide(*references: str) -> Callable[[Shipment, float], bool]:
    return lambda row, _: row.reference in references


Lie: TypeAlias = Callable[[Lying], None]


def answers_of_a_cache(lying: Lying) -> None:
    lying.hides = hide("A")
    lying.changes = lambda _, given: with_head(given, Age="312")


def counts_of_a_cache(lying: Lying) -> None:
    lying.hides = hide("A")
    lying.changes = lambda url, given: with_head(given, Age="7") if urlsplit(url).path.endswith("count") else given


def a_list_of_an_hour_ago(lying: Lying) -> None:
    lying.hides = hide("A", "C")


def nothing_of_ours(lying: Lying) -> None:
    lying.hides = hide("A", "B", "C")


def a_filter_that_hides_what_is_new(lying: Lying) -> None:
    lying.hides = lambda row, low: low > 0 and row.reference in "AC"


def stamps_of_ninety_days_ago(lying: Lying) -> None:
    for row in lying.remote.shipments:
        assert row.reference in "BC"
    lying.remote.shipments = [row._replace(at=row.at - 90 * 24 * HOUR) for row in lying.remote.shipments]
    lying.remote.skew = -90 * 24 * HOUR
    # The clock that its answers tell is right.
    lying.changes = lambda _, given: with_head(given, Date=date(lying.world.time()))


def date(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


LIES: list[tuple[Lie, str]] = [
    (answers_of_a_cache, "the list came from a cache: Age 312"),
    (counts_of_a_cache, "the list came from a cache: Age 7"),
    (a_list_of_an_hour_ago, "it does not show 'C' either, which is known to exist"),
    (nothing_of_ours, "it does not show 'C' either, which is known to exist"),
    (a_filter_that_hides_what_is_new, ""),
    (stamps_of_ninety_days_ago, ""),
]


@pytest.mark.parametrize(("lie", "reason"), LIES, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("killed", [False, True])
def test_an_order_that_exists_is_found_or_unknown_with_the_reason(
    lying: Lying, lie: Lie, reason: str, *, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absence, "NEWEST", 2)
    lying.run("B")
    lying.later(2 * HOUR)
    lying.run("C")
    lying.later(100)
    lie(lying)
    lying.remote.fates["A"] = [LOST]
    if killed:
        lying.mark_as_sent("A")
        lying.remote.fates["A"].clear()
        lying.remote.create("A")
        lying.later(100)
    for _ in range(2):
        outcome = lying.run("A")["A"]
        if reason:
            assert isinstance(outcome, Unknown)
            assert reason in outcome.reason
        assert lying.remote.effects == {"A": 1, "B": 1, "C": 1}
    if not reason:
        assert lying.recorded()["A"] == (State.CREATED, "")


def test_an_answer_of_before_the_request_proves_nothing(lying: Lying) -> None:
    lying.run("B")
    before = lying.world.time()
    lying.later(100)
    lying.mark_as_sent("A")
    lying.remote.create("A")
    lying.later(100)
    lying.hides = hide("A")
    lying.changes = lambda _, given: with_head(given, Date=date(before))
    outcome = lying.run("A")["A"]
    assert isinstance(outcome, Unknown)
    assert "the list came from a cache: its Date is" in outcome.reason
    assert lying.remote.effects == {"A": 1, "B": 1}


def test_an_api_without_a_date_is_not_doubted_for_that(lying: Lying) -> None:
    lying.remote.tells_time = False
    lying.run("B")
    lying.later(100)
    lying.mark_as_sent("A")
    assert isinstance(lying.run("A")["A"], Created)
    assert lying.remote.effects == {"A": 1, "B": 1}


def test_without_any_control_all_is_read_after_twice_the_patience_for_one_count(lying: Lying) -> None:
    lying.remote.fates["A"] = [NEVER_ARRIVED]
    lying.remote.create("X")  # of another system
    began = lying.world.now
    assert isinstance(lying.run("A", patience=20.0)["A"], Created)
    assert 40.0 <= lying.world.now - began < 60.0
    assert [urlsplit(url).query for url in lying.remote.counts] == [""]


def test_with_a_control_the_patience_is_enough_and_one_count(lying: Lying) -> None:
    lying.run("B")
    lying.later(100)
    lying.remote.fates["A"] = [NEVER_ARRIVED]
    began = lying.world.now
    assert isinstance(lying.run("A", patience=20.0)["A"], Created)
    assert 20.0 <= lying.world.now - began < 25.0
    assert len(lying.remote.counts) == 1


@pytest.mark.parametrize("days", [3, 300])
def test_a_control_from_long_ago_costs_nothing_more(lying: Lying, days: float) -> None:
    lying.run("B")
    lying.later(days * 24 * HOUR)
    lying.remote.fates["A"] = [NEVER_ARRIVED]
    assert isinstance(lying.run("A")["A"], Created)
    assert len(lying.remote.counts) == 1


def test_an_order_that_was_looked_for_and_found_is_a_control(lying: Lying) -> None:
    lying.remote.fates |= {"A": [NEVER_ARRIVED], "B": [LOST]}
    began = lying.world.now
    assert {type(outcome) for outcome in lying.run("A", "B", patience=20.0).values()} == {Created}
    assert lying.world.now - began < 25.0
    assert lying.remote.effects == {"A": 1, "B": 1}


@pytest.mark.parametrize(
    ("counted", "most", "reason"),
    [(3, 100, "it shows 2 of 3 orders"), (2, 1, "it holds more than the 1 orders that are read without a filter")],
)
def test_without_any_control_a_list_that_is_not_whole_proves_nothing(
    lying: Lying, counted: int, most: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absence, "WHOLE_MOST", most)
    for reference in "XY":
        lying.remote.create(reference)
    lying.remote.count_script = lambda: answer(200, counted)
    lying.remote.fates["A"] = [NEVER_ARRIVED]
    outcome = lying.run("A")["A"]
    assert isinstance(outcome, Unknown)
    assert reason in outcome.reason


def test_an_api_that_lists_nothing_without_a_filter_needs_a_control(lying: Lying) -> None:
    def changed(url: str, given: Response) -> Response:
        asked = parse_qs(urlsplit(url).query)
        refused = "statusUpdatedAtMin" not in asked and asked.get("limit") != ["1"] and "count" not in url
        return answer(400, {"title": "a filter is missing", "status": 400}) if refused else given

    lying.changes = changed
    lying.remote.fates["A"] = [NEVER_ARRIVED]
    outcome = lying.run("A")["A"]
    assert isinstance(outcome, Unknown)
    assert "the API lists nothing without a filter" in outcome.reason
    lying.run("B")
    lying.later(100)
    assert isinstance(lying.run("A")["A"], Created)
    assert lying.remote.effects == {"A": 1, "B": 1}


def test_a_cursor_that_loses_a_row_which_moved_is_read_once_more(lying: Lying) -> None:
    lying.remote.takes_filters = False
    lying.remote.page = 2
    lying.run("B", "C", "D")
    lying.later(100)
    lying.remote.fates["A"] = [Fate(Trouble.RESET_AFTER)]
    walks = 0

    def hides(row: Shipment, _: float) -> bool:
        return row.reference == "A" and walks < 2  # the first look, and the first reading of the thorough one

    def changed(url: str, given: Response) -> Response:
        nonlocal walks
        walks += "cursor=2" in url
        return given

    lying.hides, lying.changes = hides, changed
    lying.remote.count_script = lambda: answer(200, 3) if walks < 3 else None
    assert isinstance(lying.run("A", patience=0.0)["A"], Created)
    assert lying.remote.effects == dict.fromkeys("ABCD", 1)


def test_a_later_look_that_finds_another_reason_updates_the_journal(lying: Lying) -> None:
    lying.run("B")
    lying.later(100)
    lying.remote.fates["A"] = [LOST]
    lying.hides = hide("A", "B")
    lying.run("A")
    state, message = lying.recorded()["A"]
    assert (state, "does not show 'B'" in message) == (State.UNKNOWN, True)
    lying.hides = hide("A")
    lying.changes = lambda _, given: with_head(given, Age="3")
    lying.run()
    state, message = lying.recorded()["A"]
    assert (state, "Age 3" in message) == (State.UNKNOWN, True)
    assert lying.remote.effects == {"A": 1, "B": 1}


def test_what_was_absent_twice_is_not_sent_again_by_any_run(lying: Lying) -> None:
    lying.run("B")
    lying.later(100)
    lying.remote.fates["A"] = [NEVER_ARRIVED, NEVER_ARRIVED]
    lying.run("A", patience=0.0)
    departed = lying.remote.departed
    for _ in range(2):
        lying.later(100)
        outcome = lying.run("A")["A"]
        assert isinstance(outcome, Unknown)
        assert "it is not sent a third time automatically" in outcome.reason
        assert lying.remote.departed == departed == 3
    assert "third time" in lying.recorded()["A"][1]


def test_a_clock_that_was_put_forward_after_a_kill_shortens_no_patience(lying: Lying) -> None:
    """The journal's stamp is an hour old by our clock, and the API's clock says that it is ten seconds."""
    lying.run("B")
    lying.later(100)
    lying.mark_as_sent("A", ago=-3590.0)
    lying.later(HOUR)
    lying.remote.create("A", late=30.0)
    assert isinstance(lying.run("A", patience=60.0)["A"], Created)
    assert lying.remote.effects == {"A": 1, "B": 1}
