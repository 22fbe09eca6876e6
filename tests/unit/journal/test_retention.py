"""What a journal deletes of old items, and what it keeps: in a file and in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from octoffm_async.errors import ConfigurationError
from octoffm_async.journal import (
    LONG_AGO,
    IllegalTransitionError,
    Journal,
    JournalRun,
    State,
    retention,
)

from .conftest import Kind, SQLiteKind, outgoing

AGE = timedelta(days=90)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CONTROLS", 3)
    for module in ("octoffm_async.journal.sqlite.statements", "octoffm_async.journal.postgres.retention"):
        monkeypatch.setattr(f"{module}.CHUNK", 4)


async def later(kind: Kind, journal: Journal, days: int) -> None:
    """Let days pass: on the file's clock, or by making all that the database knows older."""
    if isinstance(kind, SQLiteKind):
        kind._clock.now += days * 86_400
        return
    database = journal.database  # type: ignore[attr-defined]
    async with database.connection() as connection:
        ago = timedelta(days=days)
        for statement in (
            "UPDATE octoffm_journal_entries SET sent_at = sent_at - %s, changed_at = changed_at - %s",
            "UPDATE octoffm_journal_runs SET started_at = started_at - %s, finished_at = finished_at - %s",
        ):
            await connection.execute(statement, (ago, ago))


async def prune(kind: Kind, journal: Journal, **options: Any) -> int:
    now = kind.now() if isinstance(kind, SQLiteKind) else None
    return await retention.prune(journal._backend, AGE, **{"dry_run": False, "now": now} | options)  # type: ignore[attr-defined]


async def created(journal_run: JournalRun, *keys: str) -> None:
    await journal_run.mark_sent([outgoing(key) for key in keys])
    for key in keys:
        journal_run.record_created(key, f"id-{key}")
    await journal_run.flush()


async def known(journal_run: JournalRun, *keys: str) -> str:
    return "".join(key for key, entry in zip(keys, await journal_run.look_up(keys), strict=True) if entry)


async def test_old_items_of_finished_runs_go_and_the_youngest_stay(journal: Journal, kind: Kind) -> None:
    old = await journal.begin_run(seller="S", operation="o")
    await created(old, *"abcdefghijkl")
    await old.mark_sent([outgoing("R"), outgoing("F")])
    old.record_outcome("R", State.REFUSED, code="no")
    old.record_outcome("F", State.FAILED)
    await old.finish()
    gone = await journal.begin_run(seller="S", operation="o")
    await created(gone, "y")
    await gone.finish()
    await later(kind, journal, 50)
    young = await journal.begin_run(seller="S", operation="o")
    await created(young, *"mno")
    assert await prune(kind, journal) == 0
    await later(kind, journal, 50)
    assert await prune(kind, journal, dry_run=True) == 14
    assert len(await journal.runs()) == 3
    assert await prune(kind, journal) == 14
    assert await known(young, *"abcdefghijklRFymno") == "Fmno"
    with pytest.raises(IllegalTransitionError):
        await young.mark_sent([outgoing("m")])
    await young.mark_sent([outgoing("a")])
    records = {record.id: record.counts for record in await journal.runs()}
    assert records.keys() == {old.run, young.run}
    assert {state: n for state, n in records[old.run].items() if n} == {State.FAILED: 1}
    assert await prune(kind, journal) == 0


async def test_the_youngest_created_items_stay_however_old_they_are(journal: Journal, kind: Kind) -> None:
    for key in "abcdef":
        journal_run = await journal.begin_run(seller="S", operation="o")
        await created(journal_run, key)
        await journal_run.finish()
        await later(kind, journal, 1)
    other = await journal.begin_run(seller="T", operation="o")
    await created(other, "a")
    await other.finish()
    await later(kind, journal, 200)
    assert await prune(kind, journal) == 3
    assert await known(journal_run, *"abcdef") == "def"
    assert await known(other, "a") == "a"


async def test_what_an_undecided_item_needs_to_be_proven_absent_stays(journal: Journal, kind: Kind) -> None:
    journal_run = await journal.begin_run(seller="S", operation="o")
    await created(journal_run, *"abc")
    await journal_run.finish()
    await later(kind, journal, 3)
    lost = await journal.begin_run(seller="S", operation="o")
    await created(lost, *"def")
    await lost.mark_sent([outgoing("U")])
    await lost.finish()
    await later(kind, journal, 100)
    last = await journal.begin_run(seller="S", operation="o")
    await created(last, *"xyz")
    await last.mark_sent([outgoing("L")], first_at=LONG_AGO)  # its neighbours are not known
    await last.finish()
    assert await prune(kind, journal) == 3
    assert await known(last, *"abcdefUxyzL") == "defUxyzL"
    await last.undecided()
    last.record_created("U", "id-U")
    await last.flush()
    assert await prune(kind, journal) == 3
    assert await known(last, *"defUxyzL") == "UxyzL"


async def test_items_of_unfinished_runs_stay_but_for_single_calls(journal: Journal, kind: Kind) -> None:
    unfinished = await journal.begin_run(seller="S", operation="o", source="orders.csv")
    await created(unfinished, *"abc")
    single = await journal.begin_run(seller="S", operation="o", source=retention.SINGLE_CALLS)
    await created(single, *"def")
    await later(kind, journal, 100)
    await created(single, *"xyz")
    assert await prune(kind, journal) == 3
    assert await known(single, *"abcdefxyz") == "abcxyz"
    assert len(await journal.runs()) == 2


async def test_a_pruned_key_does_not_come_back_with_the_batch_of_one_that_is_still_undecided(
    journal: Journal, kind: Kind
) -> None:
    journal_run = await journal.begin_run(seller="S", operation="o", source=retention.SINGLE_CALLS)
    await journal_run.mark_sent([outgoing(key) for key in "abcU"])
    for key in "abc":
        journal_run.record_created(key, key)
    await journal_run.flush()
    await later(kind, journal, 100)
    await created(journal_run, *"xyz")
    assert await prune(kind, journal) == 0
    journal_run.record_outcome("U", State.FAILED)
    await journal_run.flush()
    assert await prune(kind, journal) == 3
    assert await known(journal_run, *"abcUxyz") == "Uxyz"
    assert await journal_run.undecided_keys() == []


async def test_a_young_age_is_refused(journal: Journal) -> None:
    with pytest.raises(ConfigurationError, match="from an age of 30 days on"):
        await journal.prune(older_than=timedelta(days=29))
    assert await journal.prune(older_than=timedelta(days=30)) == 0
