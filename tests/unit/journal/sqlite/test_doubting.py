"""Created items that are taken back, in every journal."""

from __future__ import annotations

from octoffm_async.journal import Journal, JournalRun, State
from octoffm_async.journal.sqlite.doubting import IDS_MOST

from ..test_journals import sending, states


async def created(book: JournalRun, ids: dict[str, str | None]) -> None:
    await book.mark_sent([sending(key) for key in ids])
    for key, remote_id in ids.items():
        book.record_created(key, remote_id)


async def test_what_has_the_very_id_is_unknown_again(book: JournalRun, journal: Journal) -> None:
    await created(book, {"A": "1", "B": "2", "C": None, "half \ud800": "é"})
    await book.mark_sent([sending("S"), sending("F")])
    book.record_outcome("F", State.FAILED, message="no")
    told = {"A": "1", "B": "1", "C": "1", "S": "1", "F": "1", "X": "1", "half \ud800": "é"}
    assert sorted(await book.reset_to_unknown(told, "why")) == ["A", "half \ud800"]
    assert await states(book, "A", "B", "C", "S", "F", "X") == [
        State.UNKNOWN,
        State.CREATED,
        State.CREATED,
        State.SENT,
        State.FAILED,
        None,
    ]
    (entry,) = await book.look_up(["A"])
    assert entry is not None
    assert (entry.remote_id, entry.message) == ("1", "why")
    (record,) = await journal.runs()
    assert record.counts[State.UNKNOWN] == 2
    assert record.counts[State.CREATED] == 2
    assert await book.reset_to_unknown({"A": "1"}, "again") == []
    assert await book.payloads(["A"]) == {"A": b""}


async def test_what_was_taken_back_is_decided_as_all_that_is_unknown(book: JournalRun, journal: Journal) -> None:
    await created(book, {"A": "1", "B": "2", "C": "3"})
    assert len(await book.reset_to_unknown({"A": "1", "B": "2", "C": "3"}, "why")) == 3
    assert [entry.key for entry in await book.undecided()] == ["A", "B", "C"]
    assert [entry.key for entry in await book.undecided(["B"])] == ["B"]
    book.record_outcome("A", State.CREATED, remote_id="9")
    book.record_outcome("B", State.PENDING)
    book.record_outcome("C", State.REFUSED, code="no")
    await book.flush()
    assert await book.undecided() == []
    (entry,) = await book.look_up(["A"])
    assert entry is not None
    assert entry.remote_id == "9"
    await book.mark_sent([sending("B")])
    (record,) = await journal.runs()
    assert {state: count for state, count in record.counts.items() if count} == {
        State.CREATED: 1,
        State.SENT: 1,
        State.REFUSED: 1,
    }
    assert await book.payloads(["A", "C"]) == {}


async def test_ids_are_those_of_some_created_items(book: JournalRun, journal: Journal) -> None:
    assert await book.ids() == {}
    await created(book, {"A": "1", "B": None, "é": "2"})
    await book.mark_sent([sending("S")])
    assert await book.ids() == {"A": "1", "é": "2"}
    await created(book, {f"K{n:03}": f"id-{n}" for n in range(100)})
    found = await book.ids()
    assert len(found) == 2 * IDS_MOST
    assert {"A", "é", "K000"} <= set(found)
    other = await journal.begin_run(seller="S2", operation="outbound.create")
    assert await other.ids() == {}
