"""What a person may say of items, and what is refused; in a file and in PostgreSQL alike."""

from __future__ import annotations

from typing import Any

import pytest

from octoffm_async.bulk.reconciliation.reconcile import braked
from octoffm_async.errors import ConfigurationError, JournalError, JournalWriteError
from octoffm_async.journal import (
    ABSENT,
    BY_HAND,
    Entry,
    Journal,
    JournalRun,
    State,
    Verdict,
    decide_known_key,
    payload_hash,
)
from octoffm_async.journal.key_claims import key_claims_of

from .conftest import Kind, outgoing

GUID = "5eed1b2c-0000-4000-8000-00000000000{}"


async def with_items(journal_run: JournalRun, **fates: State) -> None:
    await journal_run.mark_sent([outgoing(key) for key in fates])
    for number, (key, state) in enumerate(fates.items()):
        if state is not State.SENT:
            remote_id = GUID.format(number) if state is State.CREATED else None
            journal_run.record_outcome(key, state, remote_id=remote_id, message="why")
    await journal_run.flush()


async def let_go(journal_run: JournalRun, *keys: str) -> None:
    """As a run does that ends."""
    journal_run.release(keys)
    await journal_run.flush()


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
async def test_what_is_absent_may_be_sent(journal: Journal, journal_run: JournalRun, state: State) -> None:
    await with_items(journal_run, A=state)
    await let_go(journal_run, "A")
    (before,) = await journal.settle("A", absent=True, note="by Ada")
    assert (before.seller, before.operation, before.entry.state) == ("S1", "outbound.create", state)
    (entry,) = await journal_run.look_up(["A"])
    assert entry is not None
    assert (entry.state, entry.code, entry.message) == (
        State.PENDING,
        BY_HAND,
        "settled by hand: absent (by Ada)",
    )
    assert decide_known_key(entry, payload_hash(b"payload")) is Verdict.SEND
    assert await journal_run.payloads(["A"]) == {"A": b"payload"}
    await journal_run.mark_sent([outgoing("A")])
    (entry,) = await journal_run.look_up(["A"])
    assert entry is not None
    assert (entry.state, entry.code, entry.message) == (State.SENT, "", "")


async def test_what_was_created_has_its_id_and_is_not_sent_again(journal: Journal, journal_run: JournalRun) -> None:
    await with_items(journal_run, A=State.UNKNOWN, B=State.CREATED)
    await let_go(journal_run, "A")
    await journal.settle("A", created=GUID.format(7))
    (entry,) = await journal_run.look_up(["A"])
    assert entry is not None
    assert (entry.state, entry.remote_id, entry.message) == (
        State.CREATED,
        GUID.format(7),
        "settled by hand: created",
    )
    assert decide_known_key(entry, payload_hash(b"payload")) is Verdict.ALREADY_CREATED
    assert [one.key async for one in journal.entries(journal_run.run, code=BY_HAND)] == ["A"]
    (record,) = await journal.runs()
    assert (record.undecided, record.counts[State.CREATED]) == (0, 2)


async def test_all_of_several_are_settled_or_none(journal: Journal, journal_run: JournalRun) -> None:
    await with_items(journal_run, A=State.UNKNOWN, B=State.UNKNOWN, C=State.FAILED)
    await let_go(journal_run, "A", "B")
    with pytest.raises(JournalError, match="it is failed: the next run sends it"):
        await journal.settle(["A", "C"], absent=True)
    found = await journal.settle(["B", "A", "B"], absent=True, dry_run=True)
    assert [known.entry.key for known in found] == ["B", "A"]
    (record,) = await journal.runs()
    assert record.undecided == 2
    await journal.settle(["A", "B"], absent=True)
    (record,) = await journal.runs()
    assert (record.undecided, record.counts[State.PENDING]) == (0, 2)


@pytest.mark.parametrize(
    ("word", "kind_of_error", "message"),
    [
        ({"keys": "ORDER-0O1", "absent": True}, ConfigurationError, "the nearest that is undecided is 'ORDER-001'"),
        ({"keys": "zzz", "absent": True}, ConfigurationError, "no undecided item has a similar key"),
        ({"keys": "MADE", "created": GUID.format(9)}, JournalError, f"created already, with id {GUID.format(1)}"),
        ({"keys": "REFUSED", "absent": True}, JournalError, "it was refused"),
        ({"keys": "PENDING", "created": GUID.format(9)}, JournalError, "--verify-first"),
        ({"keys": "ORDER-001", "created": GUID.format(1)}, JournalError, "is the id of 'MADE' already"),
        ({"keys": "ORDER-001", "created": GUID.format(9)[:-1]}, ConfigurationError, "copy the whole id"),
        ({"keys": "ORDER-001", "created": "4711"}, ConfigurationError, "does not look like this account's ids"),
        ({"keys": "ORDER-001", "created": "ORDER-001"}, ConfigurationError, "the reference itself"),
        ({"keys": "ORDER-001", "absent": True, "seller": "S2"}, ConfigurationError, "of seller S1, outbound.create"),
        ({"keys": "ORDER-001"}, ConfigurationError, "say one of both"),
        ({"keys": "ORDER-001", "absent": True, "created": GUID.format(9)}, ConfigurationError, "say one of both"),
        ({"keys": [], "absent": True}, ConfigurationError, "no item was named"),
        ({"keys": ["ORDER-001", "MADE"], "created": GUID.format(9)}, ConfigurationError, "cannot have one id"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    journal: Journal, journal_run: JournalRun, word: dict[str, Any], kind_of_error: type[Exception], message: str
) -> None:
    states = {
        "ORDER-001": State.UNKNOWN,
        "MADE": State.CREATED,
        "REFUSED": State.REFUSED,
        "PENDING": State.PENDING,
    }
    await with_items(journal_run, **states)
    await let_go(journal_run, "ORDER-001")
    with pytest.raises(kind_of_error) as raised:
        await journal.settle(**word)
    assert message in str(raised.value)
    assert [entry and entry.state for entry in await journal_run.look_up(list(states))] == list(states.values())


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        "0",
        "-1",
        "null",
        "00000000-0000-0000-0000-000000000000",
        "a b",
        "a/b",
        "<html>",
        "x" * 101,
        "é1",
        "a\n1",
    ],
)
async def test_what_is_no_id_is_refused(journal: Journal, journal_run: JournalRun, given: str) -> None:
    await with_items(journal_run, A=State.UNKNOWN)
    await let_go(journal_run, "A")
    with pytest.raises(ConfigurationError, match="cannot be the id"):
        await journal.settle("A", created=given)


async def test_where_several_have_a_key_one_must_be_named(journal: Journal, journal_run: JournalRun) -> None:
    other = await journal.begin_run(seller="S2", operation="outbound.create")
    third = await journal.begin_run(seller="S1", operation="inbound.create")
    for one in (journal_run, other, third):
        await with_items(one, A=State.UNKNOWN)
        await let_go(one, "A")
    with pytest.raises(ConfigurationError, match="is 3 items"):
        await journal.settle("A", absent=True)
    with pytest.raises(ConfigurationError, match="is 2 items"):
        await journal.settle("A", absent=True, seller="S1")
    await journal.settle("A", absent=True, seller="S1", operation="inbound.create")
    await journal.settle("A", created="5eed-1", seller="S2")
    states = [found.state for one in (journal_run, other, third) for found in await one.look_up(["A"]) if found]
    assert states == [State.UNKNOWN, State.CREATED, State.PENDING]


async def test_what_a_call_of_this_process_is_busy_with_is_left_to_it(
    journal: Journal, journal_run: JournalRun
) -> None:
    await with_items(journal_run, A=State.SENT, B=State.UNKNOWN)
    await let_go(journal_run, "A", "B")
    claims, run = key_claims_of(journal, "S1", "outbound.create"), object()
    claims.take(["A"], run)
    with pytest.raises(JournalError, match="'A' right now"):
        await journal.settle(["B", "A"], absent=True)
    claims.release(["A"], run)
    await journal.settle(["B", "A"], absent=True)
    assert not claims.held_by_others(["A", "B"], run)


async def test_what_another_process_is_busy_with_is_left_to_it(kind: Kind, journal_run: JournalRun) -> None:
    await with_items(journal_run, A=State.SENT, B=State.UNKNOWN)
    await let_go(journal_run, "B")
    async with kind.open() as other:
        with pytest.raises(JournalError, match="'A' right now"):
            await other.settle(["B", "A"], absent=True)
        await let_go(journal_run, "A")
        await other.settle(["B", "A"], absent=True)


async def test_a_journal_that_is_read_only_can_be_asked_and_not_changed(kind: Kind, journal_run: JournalRun) -> None:
    await with_items(journal_run, A=State.UNKNOWN)
    async with kind.open(read_only=True) as reader:
        assert len(await reader.settle("A", absent=True, dry_run=True)) == 1
        assert [known.entry.key for known in await reader.find(["A", "B"])] == ["A"]
        with pytest.raises(JournalWriteError):
            await reader.settle("A", absent=True)


async def test_why_an_item_is_unknown_is_reported_anew_and_since_when_is_kept(
    journal_run: JournalRun, kind: Kind
) -> None:
    await with_items(journal_run, A=State.UNKNOWN)
    (before,) = await journal_run.look_up(["A"])
    await kind.later()
    journal_run.record_outcome("A", State.UNKNOWN, message="the list was cut")
    (after,) = await journal_run.look_up(["A"])
    assert before is not None
    assert after is not None
    assert (after.message, after.changed_at, after.sent_at) == (
        "the list was cut",
        before.changed_at,
        before.sent_at,
    )


async def known(journal_run: JournalRun, key: str) -> Entry:
    (entry,) = await journal_run.look_up([key])
    assert entry is not None
    return entry


async def test_what_was_absent_twice_is_sent_again_once_a_person_says_that_it_is(
    journal: Journal, journal_run: JournalRun
) -> None:
    for _ in range(2):
        await journal_run.mark_sent([outgoing("A")])
        journal_run.record_outcome("A", State.UNKNOWN, message="lost")
        assert bool(braked(await known(journal_run, "A"))) == bool((await known(journal_run, "A")).absences)
        journal_run.record_outcome("A", State.PENDING, code=ABSENT)
    await journal_run.mark_sent([outgoing("A")])
    journal_run.record_outcome("A", State.UNKNOWN, message="not sent a third time automatically")
    await let_go(journal_run, "A")
    await journal.settle("A", absent=True)
    entry = await known(journal_run, "A")
    assert (entry.absences, braked(entry), decide_known_key(entry, payload_hash(b"payload"))) == (0, "", Verdict.SEND)
    await journal_run.mark_sent([outgoing("A")])
    assert (await known(journal_run, "A")).absences == 0


@pytest.mark.parametrize("delivered_id", ["1", "2", None])
async def test_what_was_taken_back_is_settled_with_its_delivered_id_or_another_or_none(
    journal: Journal, journal_run: JournalRun, delivered_id: str | None
) -> None:
    await with_items(journal_run, A=State.SENT, B=State.SENT)
    for key in "AB":
        journal_run.record_created(key, "1")
    assert await journal_run.reset_to_unknown({"A": "1", "B": "1"}, "why") == ["A", "B"]
    await journal.settle("A", absent=delivered_id is None, created=delivered_id)
    entry = await known(journal_run, "A")
    if delivered_id is None:
        assert decide_known_key(entry, payload_hash(b"payload")) is Verdict.SEND
        await journal_run.mark_sent([outgoing("A")])
        assert (await known(journal_run, "A")).remote_id is None
        await journal.settle("B", created="1")  # an id that was told and is not believed is nobody's
        return
    assert (entry.state, entry.remote_id) == (State.CREATED, delivered_id)
    with pytest.raises(JournalError, match=f"{delivered_id} is the id of 'A' already"):
        await journal.settle("B", created=delivered_id)


async def test_no_list_must_show_what_a_person_settled(journal: Journal, journal_run: JournalRun, kind: Kind) -> None:
    await with_items(journal_run, A=State.CREATED)
    await kind.later()
    await with_items(journal_run, B=State.UNKNOWN)
    await let_go(journal_run, "B")
    await journal.settle("B", created=GUID.format(7))
    await kind.later()
    near = await journal_run.created_near(kind.now(), kind.now(), ripe=kind.now())
    assert [entry.key for entry in near] == ["A"]
