"""What every journal keeps of clocks and absences, for what is looked for later."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from octoffm_async.journal import (
    ABSENT,
    LONG_AGO,
    Entry,
    Journal,
    JournalRun,
    SQLiteJournal,
    State,
)
from octoffm_async.stores.database import Database

from .conftest import Kind, outgoing

SLACK = timedelta(seconds=0.03)
"""How exactly the times of another clock are known, and more."""
API = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


async def entry(journal_run: JournalRun, key: str) -> Entry:
    (found,) = await journal_run.look_up([key])
    assert found is not None
    return found


async def test_the_apis_clock_stands_beside_ours_for_each_batch(kind: Kind) -> None:
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing("a"), outgoing("b")], api_at=API)
        await journal_run.mark_sent([outgoing("c")])
        journal_run.record_outcome("b", State.UNKNOWN, message="lost")
        await journal_run.flush()
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        kept = {one.key: one.api_at for one in await journal_run.undecided()}
        assert kept == {"a": API, "b": API, "c": None}
        await journal_run.mark_sent([outgoing("b")], api_at=API + timedelta(hours=1))
        assert (await entry(journal_run, "b")).api_at == API  # the first of two sendings
        journal_run.record_outcome("a", State.PENDING)
        await journal_run.mark_sent([outgoing("a")], api_at=API + timedelta(hours=1))
        assert (await entry(journal_run, "a")).api_at == API + timedelta(hours=1)


async def test_what_was_sent_at_another_time_is_no_part_of_what_is_sent_now(kind: Kind) -> None:
    hour = timedelta(hours=1)
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await asyncio.gather(  # in one transaction
            journal_run.mark_sent([outgoing("now")], api_at=API),
            journal_run.mark_sent([outgoing("then")], api_at=API + hour, first_at=LONG_AGO),
            journal_run.mark_sent([outgoing("too")], api_at=API - hour),
        )
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        now, then, too = [await entry(journal_run, key) for key in ("now", "then", "too")]
        assert (abs(then.sent_at - LONG_AGO) < SLACK, then.api_at) == (True, API + hour)
        assert abs(now.sent_at - kind.now()) < timedelta(minutes=1)
        assert now.api_at in (API, API - hour)  # what is kept together has the earlier
        assert too.api_at == API - hour


async def test_absences_are_counted_over_runs_until_the_order_is_another_one(kind: Kind) -> None:
    counts: list[int] = []
    # Sent by a process that was killed, sent and lost, not sent at all, and lost once more.
    for lost, code in ((False, ABSENT), (True, ABSENT), (False, ""), (True, ABSENT)):
        async with kind.open() as journal:
            journal_run = await journal.begin_run(seller="S", operation="o")
            await journal_run.mark_sent([outgoing("a")])
            if lost:
                journal_run.record_outcome("a", State.UNKNOWN, message="lost")
            journal_run.record_outcome("a", State.PENDING, code=code)
            await journal_run.flush()
            counts.append((await entry(journal_run, "a")).absences)
    assert counts == [1, 3, 3, 5]
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing("a")])
        journal_run.record_outcome("a", State.REFUSED, code="no")
        await journal_run.mark_sent([outgoing("a", b"other")])
        assert (await entry(journal_run, "a")).absences == 0


async def test_another_reason_changes_nothing_of_the_times(journal_run: JournalRun, kind: Kind) -> None:
    await journal_run.mark_sent([outgoing("a")])
    journal_run.record_outcome("a", State.UNKNOWN, message="one")
    first = await entry(journal_run, "a")
    await kind.later()
    journal_run.record_outcome("a", State.UNKNOWN, message="another")
    await journal_run.flush()
    later = await entry(journal_run, "a")
    assert (later.message, later.changed_at, later.sent_at) == ("another", first.changed_at, first.sent_at)
    assert [one.key for one in await journal_run.undecided()] == ["a"]


async def test_created_items_next_to_a_time_are_found(journal_run: JournalRun, kind: Kind) -> None:
    assert await journal_run.created_near(kind.now(), kind.now(), ripe=kind.now()) == []
    times: dict[str, datetime] = {}
    for key in "abcde":
        await journal_run.mark_sent([outgoing(key)])
        journal_run.record_outcome(
            key, State.FAILED if key == "c" else State.CREATED, message="x" if key == "c" else ""
        )
        await journal_run.flush()
        times[key] = (await entry(journal_run, key)).changed_at
        await kind.later()
    now = kind.now()

    async def near(first: str, last: str, ripe: datetime = now) -> list[str]:
        found = await journal_run.created_near(times[first] + SLACK, times[last] - SLACK, ripe=ripe)
        return sorted(one.key for one in found)

    assert await near("c", "c") == ["b", "d"]
    assert await near("a", "d") == ["a", "d"]
    assert await near("c", "c", ripe=times["b"] + SLACK) == ["b"]
    early = times["a"] - timedelta(hours=1)
    assert [one.key for one in await journal_run.created_near(early, now + timedelta(hours=1), ripe=now)] == ["e"]
    assert await journal_run.created_near(now, now, ripe=early) == []
    assert await journal_run.count_created(early, ripe=now) == 0  # none has an id


async def test_created_items_with_an_id_are_counted_from_a_time_on(journal_run: JournalRun, kind: Kind) -> None:
    sent: list[datetime] = []
    changed: list[datetime] = []
    for key in "abcd":
        await journal_run.mark_sent([outgoing(key)])
        await kind.later()
        if key == "b":
            journal_run.record_outcome(key, State.FAILED, message="x")
        else:
            journal_run.record_outcome(key, State.CREATED, remote_id=f"S-{key}")
        await journal_run.flush()
        found = await entry(journal_run, key)
        sent.append(found.sent_at)
        changed.append(found.changed_at)
        await kind.later()
    late = kind.now() + timedelta(hours=1)
    assert [await journal_run.count_created(at - SLACK, ripe=late) for at in sent] == [3, 2, 2, 1]
    assert [await journal_run.count_created(sent[0] - SLACK, ripe=at + SLACK) for at in changed] == [1, 1, 2, 3]


async def test_a_file_of_version_3_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing("a"), outgoing("b")])
        journal_run.record_outcome("a", State.UNKNOWN)
        await journal_run.flush()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP TABLE writers; ALTER TABLE runs DROP COLUMN writer_id;"
            "ALTER TABLE entries DROP COLUMN holder; ALTER TABLE entries DROP COLUMN left_by;"
            "ALTER TABLE batches DROP COLUMN api_at; ALTER TABLE entries DROP COLUMN api_at;"
            "ALTER TABLE entries DROP COLUMN absences; DROP TABLE known; PRAGMA user_version = 3"
        )
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        kept = {one.key: (one.api_at, one.absences) for one in await journal_run.undecided()}
        assert kept == {"a": (None, 0), "b": (None, 0)}
        await journal_run.mark_sent([outgoing("c")], api_at=API)
        assert (await entry(journal_run, "c")).api_at == API
        assert journal.gap is None


async def test_a_file_that_does_not_know_when_it_was_changed_is_none_that_was_put_back(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    async with SQLiteJournal(path) as journal:
        await (await journal.begin_run(seller="S", operation="o")).mark_sent([outgoing("a")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE known")
    async with SQLiteJournal(path, read_only=True) as journal:
        assert len(await journal.runs()) == 1
    for _ in range(2):
        async with SQLiteJournal(path) as journal:
            assert journal.gap is None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM known").fetchone() == (1,)


_WITHOUT_CLOCKS = (
    "ALTER TABLE octoffm_journal_entries DROP COLUMN api_at",
    "ALTER TABLE octoffm_journal_entries DROP COLUMN absences",
    """DROP FUNCTION octoffm_journal_sent(
        bigint, bigint, int, int[], bytea[], bytea[], bytea[], timestamptz[])""",
)
_WITHOUT_FIRST = (
    """DROP FUNCTION octoffm_journal_sent_since(
        bigint, bigint, int, int[], bytea[], bytea[], bytea[], timestamptz[], timestamptz)""",
)


@pytest.mark.parametrize(
    ("version", "without"), [(2, (*_WITHOUT_FIRST, *_WITHOUT_CLOCKS)), (3, _WITHOUT_FIRST), (3, _WITHOUT_CLOCKS)]
)
async def test_older_tables_in_postgresql_are_brought_up_to_date(
    postgres: str, version: int, without: tuple[Any, ...]
) -> None:
    async with Journal.open(postgres) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing("a")])
    async with Database(postgres) as database, database.connection() as connection:
        for statement in without:
            await connection.execute(statement)
        await connection.execute("UPDATE octoffm_schema SET version = %s WHERE part = 'journal'", (version,))
    async with Journal.open(postgres) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        (kept,) = await journal_run.undecided()
        assert (kept.api_at, kept.absences) == (None, 0)
        await journal_run.mark_sent([outgoing("b")], api_at=API)
        await journal_run.mark_sent([outgoing("c")], api_at=API, first_at=LONG_AGO)
        assert (await entry(journal_run, "b")).api_at == API
        long_ago = await entry(journal_run, "c")
        assert (long_ago.api_at, abs(long_ago.sent_at - LONG_AGO) < SLACK) == (API, True)
        await journal_run.flush()
        journal_run.release(["a"])
        await journal_run.flush()
        await journal.settle("a", absent=True)
        assert (await entry(journal_run, "a")).state is State.PENDING


async def test_who_has_an_id_and_what_is_undecided_is_reported_of_all_runs(kind: Kind) -> None:
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing(key) for key in ("a", "b", "\ud800", "refused", "lost", "sent")])
        for key, remote_id in (("a", "1"), ("b", "1"), ("\ud800", "\u00e9")):
            journal_run.record_created(key, remote_id)
        journal_run.record_outcome("refused", State.REFUSED, remote_id="1", code="no")
        journal_run.record_outcome("lost", State.UNKNOWN, message="lost")
        await journal_run.flush()
        other = await journal.begin_run(seller="T", operation="o")
        await other.mark_sent([outgoing("a")])
        other.record_created("a", "2")
        journal_run = await journal.begin_run(seller="S", operation="o")
        assert await journal_run.keys_of_ids(["1", "\u00e9", "2", "3"]) == {"1": ["a", "b"], "\u00e9": ["\ud800"]}
        assert await journal_run.keys_of_ids([]) == {}
        assert await journal_run.undecided_keys() == ["lost", "sent"]
        assert await other.undecided_keys() == []
