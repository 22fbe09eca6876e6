"""Created items that are taken back, in every journal."""

from __future__ import annotations

from octoffm_async.journal import Journal, JournalRun, State
from octoffm_async.journal.sqlite.queries import IDS_MOST

from .conftest import outgoing
from .test_journals import states


async def created(journal_run: JournalRun, ids: dict[str, str | None]) -> None:
    await journal_run.mark_sent([outgoing(key) for key in ids])
    for key, remote_id in ids.items():
        journal_run.record_created(key, remote_id)


async def test_what_has_the_very_id_is_unknown_again(journal_run: JournalRun, journal: Journal) -> None:
    await created(journal_run, {"A": "1", "B": "2", "C": None, "half \ud800": "é"})
    await journal_run.mark_sent([outgoing("S"), outgoing("F")])
    journal_run.record_outcome("F", State.FAILED, message="no")
    id_by_key = {"A": "1", "B": "1", "C": "1", "S": "1", "F": "1", "X": "1", "half \ud800": "é"}
    assert sorted(await journal_run.reset_to_unknown(id_by_key, "why")) == ["A", "half \ud800"]
    assert await states(journal_run, "A", "B", "C", "S", "F", "X") == [
        State.UNKNOWN,
        State.CREATED,
        State.CREATED,
        State.SENT,
        State.FAILED,
        None,
    ]
    (entry,) = await journal_run.look_up(["A"])
    assert entry is not None
    assert (entry.remote_id, entry.message) == ("1", "why")
    (record,) = await journal.runs()
    assert record.counts[State.UNKNOWN] == 2
    assert record.counts[State.CREATED] == 2
    assert await journal_run.reset_to_unknown({"A": "1"}, "again") == []
    assert await journal_run.payloads(["A"]) == {"A": b""}


async def test_what_was_taken_back_is_decided_as_all_that_is_unknown(journal_run: JournalRun, journal: Journal) -> None:
    await created(journal_run, {"A": "1", "B": "2", "C": "3"})
    assert len(await journal_run.reset_to_unknown({"A": "1", "B": "2", "C": "3"}, "why")) == 3
    assert [entry.key for entry in await journal_run.undecided()] == ["A", "B", "C"]
    assert [entry.key for entry in await journal_run.undecided(["B"])] == ["B"]
    journal_run.record_outcome("A", State.CREATED, remote_id="9")
    journal_run.record_outcome("B", State.PENDING)
    journal_run.record_outcome("C", State.REFUSED, code="no")
    await journal_run.flush()
    assert await journal_run.undecided() == []
    (entry,) = await journal_run.look_up(["A"])
    assert entry is not None
    assert entry.remote_id == "9"
    await journal_run.mark_sent([outgoing("B")])
    (record,) = await journal.runs()
    assert {state: count for state, count in record.counts.items() if count} == {
        State.CREATED: 1,
        State.SENT: 1,
        State.REFUSED: 1,
    }
    assert await journal_run.payloads(["A", "C"]) == {}


async def test_ids_are_those_of_some_created_items(journal_run: JournalRun, journal: Journal) -> None:
    assert await journal_run.ids() == {}
    await created(journal_run, {"A": "1", "B": None, "é": "2"})
    await journal_run.mark_sent([outgoing("S")])
    assert await journal_run.ids() == {"A": "1", "é": "2"}
    await created(journal_run, {f"K{n:03}": f"id-{n}" for n in range(100)})
    found = await journal_run.ids()
    assert len(found) == 2 * IDS_MOST
    assert {"A", "é", "K000"} <= set(found)
    other = await journal.begin_run(seller="S2", operation="outbound.create")
    assert await other.ids() == {}
