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
    OutgoingItem,
    State,
    Verdict,
    decide_known_key,
    payload_hash,
)
from octoffm_async.journal.key_claims import key_claims_of

from .conftest import Kind, SQLiteKind

GUID = "5eed1b2c-0000-4000-8000-00000000000{}"


def sending(key: str) -> OutgoingItem:
    return OutgoingItem(key, payload_hash(b"payload"), b"payload")


async def with_items(book: JournalRun, **fates: State) -> None:
    await book.mark_sent([sending(key) for key in fates])
    for number, (key, state) in enumerate(fates.items()):
        if state is not State.SENT:
            remote_id = GUID.format(number) if state is State.CREATED else None
            book.record_outcome(key, state, remote_id=remote_id, message="why")
    await book.flush()


async def let_go(book: JournalRun, *keys: str) -> None:
    """As a run does that ends."""
    book.release(keys)
    await book.flush()


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
async def test_what_is_absent_may_be_sent(journal: Journal, book: JournalRun, state: State) -> None:
    await with_items(book, A=state)
    await let_go(book, "A")
    (before,) = await journal.settle("A", absent=True, note="by Ada")
    assert (before.seller, before.operation, before.entry.state) == ("S1", "outbound.create", state)
    (entry,) = await book.look_up(["A"])
    assert entry is not None
    assert (entry.state, entry.code, entry.message) == (
        State.PENDING,
        BY_HAND,
        "settled by hand: absent (by Ada)",
    )
    assert decide_known_key(entry, payload_hash(b"payload")) is Verdict.SEND
    assert await book.payloads(["A"]) == {"A": b"payload"}
    await book.mark_sent([sending("A")])
    (entry,) = await book.look_up(["A"])
    assert entry is not None
    assert (entry.state, entry.code, entry.message) == (State.SENT, "", "")


async def test_what_was_created_has_its_id_and_is_not_sent_again(journal: Journal, book: JournalRun) -> None:
    await with_items(book, A=State.UNKNOWN, B=State.CREATED)
    await let_go(book, "A")
    await journal.settle("A", created=GUID.format(7))
    (entry,) = await book.look_up(["A"])
    assert entry is not None
    assert (entry.state, entry.remote_id, entry.message) == (
        State.CREATED,
        GUID.format(7),
        "settled by hand: created",
    )
    assert decide_known_key(entry, payload_hash(b"payload")) is Verdict.ALREADY_CREATED
    assert [one.key async for one in journal.entries(book.run, code=BY_HAND)] == ["A"]
    (record,) = await journal.runs()
    assert (record.undecided, record.counts[State.CREATED]) == (0, 2)


async def test_all_of_several_are_settled_or_none(journal: Journal, book: JournalRun) -> None:
    await with_items(book, A=State.UNKNOWN, B=State.UNKNOWN, C=State.FAILED)
    await let_go(book, "A", "B")
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
    ("word", "kind_of_error", "told"),
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
    journal: Journal, book: JournalRun, word: dict[str, Any], kind_of_error: type[Exception], told: str
) -> None:
    states = {
        "ORDER-001": State.UNKNOWN,
        "MADE": State.CREATED,
        "REFUSED": State.REFUSED,
        "PENDING": State.PENDING,
    }
    await with_items(book, **states)
    await let_go(book, "ORDER-001")
    with pytest.raises(kind_of_error) as raised:
        await journal.settle(**word)
    assert told in str(raised.value)
    assert [entry and entry.state for entry in await book.look_up(list(states))] == list(states.values())


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
async def test_what_is_no_id_is_refused(journal: Journal, book: JournalRun, given: str) -> None:
    await with_items(book, A=State.UNKNOWN)
    await let_go(book, "A")
    with pytest.raises(ConfigurationError, match="cannot be the id"):
        await journal.settle("A", created=given)


async def test_where_several_have_a_key_one_must_be_named(journal: Journal, book: JournalRun) -> None:
    other = await journal.begin_run(seller="S2", operation="outbound.create")
    third = await journal.begin_run(seller="S1", operation="inbound.create")
    for one in (book, other, third):
        await with_items(one, A=State.UNKNOWN)
        await let_go(one, "A")
    with pytest.raises(ConfigurationError, match="is 3 items"):
        await journal.settle("A", absent=True)
    with pytest.raises(ConfigurationError, match="is 2 items"):
        await journal.settle("A", absent=True, seller="S1")
    await journal.settle("A", absent=True, seller="S1", operation="inbound.create")
    await journal.settle("A", created="5eed-1", seller="S2")
    states = [found.state for one in (book, other, third) for found in await one.look_up(["A"]) if found]
    assert states == [State.UNKNOWN, State.CREATED, State.PENDING]


async def test_what_a_call_of_this_process_is_busy_with_is_left_to_it(journal: Journal, book: JournalRun) -> None:
    await with_items(book, A=State.SENT, B=State.UNKNOWN)
    await let_go(book, "A", "B")
    claims, run = key_claims_of(journal, "S1", "outbound.create"), object()
    claims.take(["A"], run)
    with pytest.raises(JournalError, match="'A' right now"):
        await journal.settle(["B", "A"], absent=True)
    claims.release(["A"], run)
    await journal.settle(["B", "A"], absent=True)
    assert not claims.held_by_others(["A", "B"], run)


async def test_what_another_process_is_busy_with_is_left_to_it(kind: Kind, book: JournalRun) -> None:
    await with_items(book, A=State.SENT, B=State.UNKNOWN)
    if isinstance(kind, SQLiteKind):  # one writer: the second cannot even open it
        with pytest.raises(JournalError):
            async with kind.open():
                pass
        return
    await let_go(book, "B")
    async with kind.open() as other:
        with pytest.raises(JournalError, match="'A' right now"):
            await other.settle(["B", "A"], absent=True)
        await let_go(book, "A")
        await other.settle(["B", "A"], absent=True)


async def test_a_journal_that_is_read_only_can_be_asked_and_not_changed(kind: Kind, book: JournalRun) -> None:
    await with_items(book, A=State.UNKNOWN)
    async with kind.open(read_only=True) as reader:
        assert len(await reader.settle("A", absent=True, dry_run=True)) == 1
        assert [known.entry.key for known in await reader.find(["A", "B"])] == ["A"]
        with pytest.raises(JournalWriteError):
            await reader.settle("A", absent=True)


async def test_why_an_item_is_unknown_is_told_anew_and_since_when_is_kept(book: JournalRun, kind: Kind) -> None:
    await with_items(book, A=State.UNKNOWN)
    (before,) = await book.look_up(["A"])
    await kind.later()
    book.record_outcome("A", State.UNKNOWN, message="the list was cut")
    (after,) = await book.look_up(["A"])
    assert before is not None
    assert after is not None
    assert (after.message, after.changed_at, after.sent_at) == (
        "the list was cut",
        before.changed_at,
        before.sent_at,
    )


async def known(book: JournalRun, key: str) -> Entry:
    (entry,) = await book.look_up([key])
    assert entry is not None
    return entry


async def test_what_was_absent_twice_is_sent_again_once_a_person_says_that_it_is(
    journal: Journal, book: JournalRun
) -> None:
    for _ in range(2):
        await book.mark_sent([sending("A")])
        book.record_outcome("A", State.UNKNOWN, message="lost")
        assert bool(braked(await known(book, "A"))) == bool((await known(book, "A")).absences)
        book.record_outcome("A", State.PENDING, code=ABSENT)
    await book.mark_sent([sending("A")])
    book.record_outcome("A", State.UNKNOWN, message="not sent a third time by itself")
    await let_go(book, "A")
    await journal.settle("A", absent=True)
    entry = await known(book, "A")
    assert (entry.absences, braked(entry), decide_known_key(entry, payload_hash(b"payload"))) == (0, "", Verdict.SEND)
    await book.mark_sent([sending("A")])
    assert (await known(book, "A")).absences == 0


@pytest.mark.parametrize("told", ["1", "2", None])
async def test_what_was_taken_back_is_settled_with_the_id_that_it_was_told_or_another_or_none(
    journal: Journal, book: JournalRun, told: str | None
) -> None:
    await with_items(book, A=State.SENT, B=State.SENT)
    for key in "AB":
        book.record_created(key, "1")
    assert await book.reset_to_unknown({"A": "1", "B": "1"}, "why") == ["A", "B"]
    await journal.settle("A", absent=told is None, created=told)
    entry = await known(book, "A")
    if told is None:
        assert decide_known_key(entry, payload_hash(b"payload")) is Verdict.SEND
        await book.mark_sent([sending("A")])
        assert (await known(book, "A")).remote_id is None
        await journal.settle("B", created="1")  # an id that was told and is not believed is nobody's
        return
    assert (entry.state, entry.remote_id) == (State.CREATED, told)
    with pytest.raises(JournalError, match=f"{told} is the id of 'A' already"):
        await journal.settle("B", created=told)


async def test_no_list_must_show_what_a_person_settled(journal: Journal, book: JournalRun, kind: Kind) -> None:
    await with_items(book, A=State.CREATED)
    await kind.later()
    await with_items(book, B=State.UNKNOWN)
    await let_go(book, "B")
    await journal.settle("B", created=GUID.format(7))
    await kind.later()
    near = await book.created_near(kind.now(), kind.now(), ripe=kind.now())
    assert [entry.key for entry in near] == ["A"]
