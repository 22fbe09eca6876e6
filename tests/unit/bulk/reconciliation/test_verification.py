"""Looking every order up before it is sent: nothing is trusted, neither a journal nor a list that may lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import Created, FulfillmentClient, Refused, Skipped, Unknown
from octoffm_async.bulk.reconciliation.lookup_findings import RemoteMatch, RowCollector
from octoffm_async.bulk.reconciliation.verification import ListedReferences
from octoffm_async.contract.operations import CREATE_OUTBOUND
from octoffm_async.errors import ConfigurationError, ConnectionLostError, UnusableAnswerError
from octoffm_async.journal import LONG_AGO, State
from octoffm_async.journal.sqlite.file import change_record
from octoffm_async.resources.believing import IdVerifier
from tests.support.crashing import Fate, Remote, Trouble, World, ended
from tests.support.fakes import answer
from tests.support.items import order

pytestmark = pytest.mark.one_loop

PATIENCE = 2.0
DAY = 86400.0


class Losing:
    """A remote side with orders, and runs whose journal is lost each time that it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.remote = Remote()
        self._folder = folder
        self._journals = 0
        self.world = World(self.remote, folder / "0.sqlite")

    def lose_the_journal(self) -> None:
        self._journals += 1
        self.world.path = self._folder / f"{self._journals}.sqlite"

    def make(self, *references: str, seconds_before: float = 0.0) -> list[str]:
        then = self.world.time() - seconds_before
        self.remote.now = lambda: then
        made = [self.remote.create(reference).id for reference in references]
        self.remote.now = self.world.time
        return made

    def run(self, *references: str, steps: int | None = None, with_journal: bool = True, **options: Any) -> Any:
        """The outcomes of a run by key; ``None`` if it crashed."""

        async def main(client: FulfillmentClient, journal: Any) -> Any:
            items = [order(reference) for reference in references]
            how: dict[str, Any] = {"journal": journal if with_journal else None, "patience": PATIENCE, **options}
            return await ended(client.bulk.create_outbound(items, **how))

        lived = self.live(main, steps=steps)
        return None if lived is None else {outcome.key: outcome for outcome in lived[0]}

    def live(self, main: Callable[[FulfillmentClient, Any], Any], *, steps: int | None = None) -> Any:
        with self.world.in_its_time():
            return self.world.live(main, steps=steps)

    def entry(self, key: str) -> Any:
        """What the journal knows of an order."""

        async def main(_: FulfillmentClient, journal: Any) -> Any:
            return next((known.entry for known in await journal.find([key])), None)

        return self.live(main)


@pytest.fixture
def losing(tmp_path: Path) -> Losing:
    return Losing(tmp_path)


@pytest.mark.parametrize("with_journal", [True, False])
def test_what_a_lost_journal_had_sent_is_skipped_with_its_id_and_the_rest_is_sent(
    losing: Losing, with_journal: bool
) -> None:
    names = [f"O-{number}" for number in range(600)]
    first = losing.run(*names)
    losing.lose_the_journal()
    before = losing.remote.departed
    asked = len(losing.remote.lists), len(losing.remote.counts)
    outcomes = losing.run(*names, "NEW", verify_first=True, with_journal=with_journal)
    assert {key: outcomes[key].earlier for key in names} == first
    assert outcomes["NEW"] == Created(key="NEW", id="S-600")
    assert losing.remote.departed == before + 1
    assert (len(losing.remote.lists), len(losing.remote.counts)) == (asked[0] + 1, asked[1] + 1)
    if with_journal:  # which knows them from now on
        again = losing.run(*names, "NEW")
        assert {type(outcome) for outcome in again.values()} == {Skipped}
        assert losing.remote.departed == before + 1


def test_it_may_be_of_any_age_and_have_been_refused(losing: Losing) -> None:
    (old,) = losing.make("OLD", seconds_before=700 * DAY)
    losing.remote.create("BAD", status="Refused")
    outcomes = losing.run("OLD", "BAD", verify_first=True)
    assert outcomes["OLD"].earlier == Created(key="OLD", id=old)
    assert isinstance(outcomes["BAD"].earlier, Refused)
    assert losing.remote.departed == 0


def test_what_was_sent_right_before_is_waited_for(losing: Losing) -> None:
    losing.remote.create("A", late=2 * PATIENCE - 0.1)
    outcomes = losing.run("A", verify_first=True)
    assert outcomes["A"].earlier == Created(key="A", id="S-0")
    assert losing.remote.effects["A"] == 1


def test_another_spelling_is_not_sent_now_nor_by_a_run_that_trusts_the_journal(losing: Losing) -> None:
    losing.remote.keeps = str.lower
    losing.make("ORDER-1", seconds_before=9 * DAY)
    for options in ({"verify_first": True}, {}):
        outcomes = losing.run("ORDER-1", "ORDER-2", **options)
        assert isinstance(outcomes["ORDER-1"], Unknown)
        assert "looks like 'order-1', an order of S-0" in outcomes["ORDER-1"].reason
        assert losing.remote.departed == 1
    assert (losing.entry("ORDER-1").state, losing.entry("ORDER-1").sent_at) == (State.UNKNOWN, LONG_AGO)


def _nameless(_: str) -> str:
    return ""


LIES: dict[str, Callable[[Remote], None]] = {
    "cut": lambda remote: setattr(remote, "list_script", lambda: answer(200, {"items": []})),
    "broken": lambda remote: setattr(remote, "list_script", lambda: answer(503)),
    "forbidden": lambda remote: setattr(remote, "list_script", lambda: answer(403)),
    "uncounted": lambda remote: setattr(remote, "count_script", lambda: answer(404)),
    "nameless": lambda remote: setattr(remote, "keeps", _nameless),
}


@pytest.mark.parametrize("lie", LIES)
def test_where_a_list_proves_nothing_nothing_is_sent_and_later_it_is_looked_for_at_any_age(
    losing: Losing, lie: str
) -> None:
    losing.make("OTHER", *["OLD"] * (lie != "nameless"), seconds_before=30 * DAY)
    if lie == "uncounted":
        losing.remote.list_script = lambda: answer(200, {"items": []})
    LIES[lie](losing.remote)
    if lie == "nameless":
        losing.make("OLD", seconds_before=30 * DAY)
    outcomes = losing.run("OLD", "NEW", verify_first=True)
    assert {type(outcome) for outcome in outcomes.values()} == {Unknown}
    assert losing.remote.departed == 0
    assert losing.entry("OLD").message
    mended = Remote()
    losing.remote.list_script, losing.remote.count_script, losing.remote.keeps = (
        mended.list_script,
        mended.count_script,
        mended.keeps,
    )
    if lie == "nameless":
        pairs = zip(losing.remote.shipments, ("OTHER", "OLD"), strict=True)
        losing.remote.shipments = [shipment._replace(reference=reference) for shipment, reference in pairs]
    outcomes = losing.run("OLD", "NEW")  # trusts the journal, which says that both may be of any age
    assert isinstance(outcomes["OLD"], Created)
    assert isinstance(outcomes["NEW"], Created)
    assert losing.remote.departed == 1


def test_what_exists_is_followed_too(losing: Losing) -> None:
    then = losing.world.time() - 30 * DAY
    losing.remote.now = lambda: then
    losing.remote.create("A", status="Shipped")
    losing.remote.now = losing.world.time
    outcomes = losing.run("A", verify_first=True, follow="shipped", follow_for=60.0)
    assert outcomes == {"A": Created(key="A", id="S-0")}


def test_a_list_that_shows_no_order_that_the_journal_knows_proves_nothing(losing: Losing) -> None:
    losing.run("KNOWN")
    losing.remote.shipments.clear()  # as of another account
    outcomes = losing.run("KNOWN", "NEW", verify_first=True)
    assert isinstance(outcomes["NEW"], Unknown)
    assert "does not show 'KNOWN' either, which is known to exist" in outcomes["NEW"].reason
    assert losing.remote.departed == 1
    assert isinstance(outcomes["KNOWN"], Skipped)


def test_a_list_of_before_the_last_order_that_the_journal_knows_proves_nothing(losing: Losing) -> None:
    losing.run("FIRST")
    losing.run("LAST")
    losing.remote.shipments.pop()  # as of a moment ago; the count is of then too
    outcomes = losing.run("NEW", verify_first=True)
    assert "does not show 'LAST' either" in outcomes["NEW"].reason


def test_a_list_of_a_cache_proves_nothing(losing: Losing, monkeypatch: pytest.MonkeyPatch) -> None:
    look = losing.remote.look

    def cached(url: str) -> Any:
        found = look(url)
        found.headers["Age"] = "7"  # type: ignore[union-attr]
        return found

    monkeypatch.setattr(losing.remote, "look", cached)
    outcomes = losing.run("NEW", verify_first=True)
    assert "from a cache" in outcomes["NEW"].reason
    assert losing.remote.departed == 0


def test_a_list_of_several_pages_is_read_twice_and_its_orders_are_kept_once(losing: Losing) -> None:
    losing.remote.page = 2
    losing.make(*"ABCDE", seconds_before=9 * DAY)
    outcomes = losing.run("C", "NEW", verify_first=True)
    assert outcomes["C"].earlier == Created(key="C", id="S-2")
    assert isinstance(outcomes["NEW"], Created)
    assert len(losing.remote.lists) == 6
    losing.remote.keeps = _nameless
    losing.make("F")
    assert "cannot be read (1)" in losing.run("G", verify_first=True, with_journal=False)["G"].reason


def test_the_session_knows_whose_the_ids_are_that_were_found(losing: Losing) -> None:
    losing.make("OLD")

    async def main(client: FulfillmentClient, journal: Any) -> None:
        run = client.bulk.create_outbound([order("OLD")], journal=journal, patience=PATIENCE, verify_first=True)
        ((outcome,), _) = await ended(run)
        assert isinstance(outcome, Skipped)
        assert IdVerifier(client._scope, CREATE_OUTBOUND).given.is_shown("S-0")

    losing.live(main)


@pytest.mark.parametrize("single", [False, True])
def test_what_was_absent_before_it_was_sent_may_be_lost_once(losing: Losing, single: bool) -> None:
    losing.run("KNOWN")  # the list must show an order of ours before another one is sent again
    losing.remote.fates["NEW"] = [Fate(Trouble.RESET_BEFORE)]
    if single:

        async def main(client: FulfillmentClient, journal: Any) -> str:
            how: dict[str, Any] = {"journal": journal, "patience": PATIENCE}
            with pytest.raises(ConnectionLostError):
                await client.outbound.create(order("NEW"), verify_first=True, **how)
            return await client.outbound.create(order("NEW"), **how)

        assert losing.live(main) == "S-1"
        return
    losing.remote.list_script = lambda: answer(503)
    assert isinstance(losing.run("NEW", verify_first=True)["NEW"], Unknown)
    losing.remote.list_script = lambda: None
    assert isinstance(losing.run("NEW")["NEW"], Created)
    assert losing.remote.departed == 3


def test_what_is_not_sent_a_third_time_is_sent_after_a_persons_word(losing: Losing) -> None:
    losing.run("KNOWN")
    losing.remote.fates["A"] = [Fate(Trouble.RESET_BEFORE)] * 3
    outcomes = losing.run("A")
    with losing.world.in_its_time():
        assert "not sent a third time" in outcomes["A"].reason
        losing.world.settle_absent(list(outcomes.values()))
    assert isinstance(losing.run("A")["A"], Created)
    assert losing.remote.effects["A"] == 1
    assert losing.remote.departed == 5


def test_an_api_without_a_count_is_believed_where_it_shows_an_order_of_the_journal(losing: Losing) -> None:
    losing.remote.count_script = lambda: answer(404)
    losing.run("KNOWN")
    outcomes = losing.run("KNOWN", "NEW", verify_first=True)
    assert isinstance(outcomes["NEW"], Created)


def test_whoever_asks_for_it_has_what_cannot_be_looked_up_sent(losing: Losing) -> None:
    losing.remote.list_script = lambda: answer(503)
    outcomes = losing.run("A", verify_first=True, resend_unknown=True)
    assert isinstance(outcomes["A"], Created)


def test_without_a_journal_what_may_exist_is_unknown(losing: Losing) -> None:
    losing.remote.keeps = str.lower
    losing.make("A-1")
    outcomes = losing.run("A-1", "B-1", verify_first=True, with_journal=False)
    assert "looks like" in outcomes["A-1"].reason
    assert isinstance(outcomes["B-1"], Created)
    assert losing.remote.departed == 1


@pytest.mark.parametrize("trouble", [Trouble.RESET_AFTER, Trouble.RESET_BEFORE])
def test_whenever_it_crashes_nothing_is_sent_twice_and_nothing_lost(tmp_path: Path, trouble: Trouble) -> None:
    steps, crashed = 5, True
    while crashed:
        folder = tmp_path / str(steps)
        folder.mkdir()
        losing = Losing(folder)
        losing.remote.keeps = lambda reference: reference.replace("LIKE", "like")
        losing.make("OLD", "LIKE-THIS", seconds_before=30 * DAY)
        losing.remote.fates["NEW"] = [Fate(trouble)]
        names = "OLD", "NEW", "LIKE-THIS"
        crashed = losing.run(*names, steps=steps, verify_first=True) is None
        known = all(losing.entry(name) is not None for name in names)
        losing.world.now += 10
        outcomes = losing.run(*names, verify_first=not known)  # what is known once is never believed to be new
        found = losing.remote.effects
        assert (found["OLD"], found["like-THIS"], found.total()) == (1, 1, 2 + found["NEW"]), steps
        assert found["NEW"] == 1 or isinstance(outcomes["NEW"], Unknown), steps  # lost twice: not sent a third time
        assert found["NEW"] <= 1, steps
        assert isinstance(outcomes["LIKE-THIS"], Unknown)
        steps += 7


def test_a_run_that_is_stopped_waits_for_no_list(losing: Losing) -> None:
    async def main(client: FulfillmentClient, journal: Any) -> Any:
        run = client.bulk.create_outbound([order("A")], journal=journal, verify_first=True, patience=1000.0)
        async with run:
            run.stop()
            return [outcome async for outcome in run], losing.world.time()

    began = losing.world.time()
    outcomes, ended_at = losing.live(main)
    assert [type(outcome) for outcome in outcomes] in ([Skipped], [])
    assert ended_at - began < 10
    assert losing.entry("A") is None


def test_one_order_is_looked_up_among_all_before_it_is_sent(losing: Losing) -> None:
    (old,) = losing.make("OLD", seconds_before=30 * DAY)
    losing.remote.keeps = lambda reference: reference.replace("LIKE", "like")
    losing.make("LIKE-THIS")

    async def main(client: FulfillmentClient, journal: Any) -> Any:
        how: dict[str, Any] = {"journal": journal, "patience": PATIENCE, "verify_first": True}
        with pytest.raises(ConfigurationError, match="needs a journal"):
            await client.outbound.create(order("OLD"), verify_first=True)
        assert await client.outbound.create(order("OLD"), **how) == old
        assert await client.outbound.create(order("NEW"), **how) == "S-2"
        assert await client.outbound.create(order("NEW"), **how) == "S-2"
        trusting: dict[str, Any] = how | {"verify_first": False}
        for options in (how, trusting):
            with pytest.raises(UnusableAnswerError, match="looks like 'like-THIS'"):
                await client.outbound.create(order("LIKE-THIS"), **options)

    losing.live(main)
    assert losing.remote.departed == 1
    assert losing.entry("LIKE-THIS").sent_at == LONG_AGO


texts = st.text(alphabet="aA0 1é-\u200b\ud800", max_size=14)


@given(
    rows=st.lists(st.tuples(texts, st.integers(0, 3)), max_size=12), references=st.lists(texts, min_size=1, max_size=6)
)
def test_what_is_kept_on_the_disk_says_the_same_as_what_is_kept_in_memory(
    rows: list[tuple[str, int]], references: list[str]
) -> None:
    shown, gathered = ListedReferences(), RowCollector(references, what="orders")
    for reference, number in rows:
        match = RemoteMatch(f"S-{number}", "c" * (number % 2), "m\ud800" * (number % 2), refused=number == 1)
        shown.add(reference, match)
        gathered.add(reference, match)
    shown.complete()
    found, expected = shown.gathered(references).findings(), gathered.findings()
    shown.close()
    assert (found.matches, found.alike) == (expected.matches, expected.alike)
    assert (shown.unreadable > 0) == bool(expected.doubt)


@pytest.mark.parametrize("single", [False, True])
def test_an_older_journal_that_is_put_back_doubles_nothing_though_nobody_asked(
    losing: Losing, monkeypatch: pytest.MonkeyPatch, single: bool
) -> None:
    an_hour_ago = SimpleNamespace(time=lambda: time.time() - 3600)
    monkeypatch.setattr(change_record, "time", an_hour_ago)
    losing.run("A")
    older = losing.world.path.read_bytes()
    monkeypatch.setattr(change_record, "time", time)
    losing.run("A", "B")
    losing.world.path.write_bytes(older)
    if single:

        async def main(client: FulfillmentClient, journal: Any) -> list[str]:
            return [await client.outbound.create(order(key), journal=journal, patience=1) for key in ("A", "B", "C")]

        assert losing.live(main) == ["S-0", "S-1", "S-2"]
    else:
        outcomes = losing.run("A", "B", "C")
        assert outcomes["B"].earlier == Created(key="B", id="S-1")
        assert isinstance(outcomes["C"], Created)
    assert losing.remote.effects == {"A": 1, "B": 1, "C": 1}


def test_the_journal_reports_what_was_lost_and_why_it_could_not_be_looked_for(losing: Losing) -> None:
    losing.remote.fates["A"] = [Fate(Trouble.RESET_AFTER)]
    losing.remote.list_script = lambda: answer(403)
    for began in ("the connection broke", "it was sent before"):
        outcomes = losing.run("A")
        assert outcomes["A"].reason.startswith(began)
        assert outcomes["A"].reason.count("; it could not be looked for: ") == 1
        reason, _, _ = outcomes["A"].reason.partition("; ask again with the same journal")
        kept, _, _ = losing.entry("A").message.partition("; ask again with the same journal")
        assert reason == kept
