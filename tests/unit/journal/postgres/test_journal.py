"""The journal in PostgreSQL with many writers: leases, taking over, letting go, and a database that goes away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from benchmarks.servers import PostgresServer
from octoffm_async.errors import FencedError, JournalError, JournalWriteError
from octoffm_async.journal import IllegalTransitionError, State
from octoffm_async.journal.lease import GRACE
from octoffm_async.journal.postgres import changes as journal_changes
from octoffm_async.journal.postgres import writer as journal_writer
from octoffm_async.journal.postgres.journal import PostgresJournal, PostgresJournalRun

from ..conftest import outgoing

pytestmark = pytest.mark.one_loop

Writer = tuple[PostgresJournal, PostgresJournalRun]
NAMES = {"seller": "S", "operation": "outbound.create"}


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def writers(address: str, number: int, **options: Any) -> AsyncIterator[list[Writer]]:
    """Open several journals at one database, as several processes would, and a run of each on the same keys."""
    async with AsyncExitStack() as stack:
        journals = [await stack.enter_async_context(PostgresJournal(address, **options)) for _ in range(number)]
        yield [(journal, await journal.begin_run(**NAMES)) for journal in journals]


def expire(address: str, journal: PostgresJournal, ago: float = GRACE + 0.5) -> None:
    """Let the lease of a writer be over for the database since so many seconds."""
    with psycopg.connect(address) as connection:
        connection.execute(
            "UPDATE octoffm_journal_writers SET expires_at = clock_timestamp() - %s WHERE writer_id = %s",
            (timedelta(seconds=ago), journal.writer_id),
        )


async def states(journal_run: PostgresJournalRun, *keys: str) -> list[State | None]:
    return [entry and entry.state for entry in await journal_run.look_up(keys)]


async def taken(journal_run: PostgresJournalRun) -> list[str]:
    return [entry.key for entry in await journal_run.undecided()]


async def counts(journal: PostgresJournal) -> dict[State, int]:
    """The items in each state, of all runs; only those that are there."""
    runs = await journal.runs()
    assert all(run.counts[state] >= 0 for run in runs for state in State)
    return {state: n for state in State if (n := sum(run.counts[state] for run in runs))}


async def test_what_a_live_writer_holds_is_its_own(postgres: str) -> None:
    async with writers(postgres, 2) as ((_, one), (_, other)):
        await one.mark_sent([outgoing("a"), outgoing("b")])
        one.record_outcome("b", State.UNKNOWN)
        await one.flush()
        assert await taken(other) == []
        assert await taken(one) == ["a", "b"]
        assert await states(other, "a", "b") == [State.SENT, State.UNKNOWN]
        for key in "ab":
            with pytest.raises(IllegalTransitionError, match=f"'{key}' cannot go from"):
                await other.mark_sent([outgoing("c"), outgoing(key)])
        assert await states(other, "c") == [None]


async def test_what_is_let_go_of_may_be_taken_at_once(postgres: str) -> None:
    async with writers(postgres, 2) as ((_, one), (_, other)):
        await one.mark_sent([outgoing("a"), outgoing("b"), outgoing("c")])
        one.record_outcome("c", State.CREATED)
        before = datetime.now(UTC)
        one.release(["a", "c", "nobody"])
        await one.flush()
        (entry,) = await other.undecided()
        assert (entry.key, entry.state) == ("a", State.SENT)
        assert entry.latest_sent_at is not None
        assert abs(entry.latest_sent_at - before) < timedelta(seconds=0.5)
        assert await taken(one) == ["b"]
        other.record_outcome("a", State.PENDING)
        await other.flush()
        await one.mark_sent([outgoing("a")])
        assert await taken(one) == ["a", "b"]


async def test_items_of_a_dead_writer_are_taken_by_exactly_one(postgres: str) -> None:
    keys = [f"{number:04}" for number in range(600)]
    async with writers(postgres, 7) as ((dead, journal_run), *others):
        await journal_run.mark_sent([outgoing(key) for key in keys])
        journal_run.record_outcome(keys[-1], State.CREATED)
        journal_run.record_outcome(keys[-2], State.UNKNOWN)
        await journal_run.flush()
        expire(postgres, dead)
        found = await asyncio.gather(*(other.undecided() for _, other in others))
        assert sorted(entry.key for entries in found for entry in entries) == keys[:-1]
        for (_, other), entries in zip(others, found, strict=True):
            assert await taken(other) == [entry.key for entry in entries]
            assert all(entry.latest_sent_at and entry.latest_sent_at < datetime.now(UTC) for entry in entries)


async def test_some_keys_only_may_be_asked_for(postgres: str) -> None:
    async with writers(postgres, 2) as ((dead, journal_run), (_, other)):
        await journal_run.mark_sent([outgoing(key) for key in "abc"])
        expire(postgres, dead)
        assert [entry.key for entry in await other.undecided(["b", "x"])] == ["b"]
        assert await taken(other) == ["a", "b", "c"]


async def test_a_lease_that_just_ended_is_left_alone(postgres: str) -> None:
    async with writers(postgres, 2) as ((late, journal_run), (_, other)):
        await journal_run.mark_sent([outgoing("a")])
        expire(postgres, late, ago=0.1)
        assert await taken(other) == []
        with pytest.raises(FencedError):
            await journal_run.mark_sent([outgoing("b")])
        assert await states(other, "b") == [None]


async def test_a_late_renewal_counts_if_nobody_has_seen_the_end(postgres: str) -> None:
    async with writers(postgres, 2) as ((late, journal_run), (_, other)):
        await journal_run.mark_sent([outgoing("a")])
        expire(postgres, late, ago=60)
        await late.fence._renew()
        late.fence.check()
        assert await taken(other) == []
        await journal_run.mark_sent([outgoing("b")])


async def test_a_writer_that_was_found_dead_never_comes_back(postgres: str) -> None:
    async with writers(postgres, 2) as ((dead, journal_run), (_, other)):
        await journal_run.mark_sent([outgoing("a")])
        expire(postgres, dead)
        assert await taken(other) == ["a"]
        await dead.fence._renew()
        with pytest.raises(FencedError, match="open the journal again"):
            dead.fence.check()
        with pytest.raises(FencedError):
            await journal_run.mark_sent([outgoing("b")])
        with pytest.raises(FencedError):
            await dead.begin_run(**NAMES)
        async with PostgresJournal(postgres) as anew:
            again = await anew.begin_run(**NAMES)
            await again.mark_sent([outgoing("b")])
            anew.fence.check()


async def test_what_a_dead_writer_still_says_counts_only_if_it_was_created(postgres: str) -> None:
    keys = ["created", "pending", "failed", "refused", "unknown", "again", "nothing"]
    ends = [State.CREATED, State.PENDING, State.FAILED, State.REFUSED, State.UNKNOWN, State.CREATED]
    async with writers(postgres, 2) as ((dead, journal_run), (journal, other)):
        await journal_run.mark_sent([outgoing(key) for key in keys])
        expire(postgres, dead)
        assert await taken(other) == sorted(keys)
        other.record_outcome("again", State.PENDING)
        await other.flush()
        for key, state in zip(keys, ends, strict=False):
            journal_run.record_outcome(key, state, remote_id=f"id of {key}" if state is State.CREATED else None)
        journal_run.release(["nothing"])
        await journal_run.flush()
        assert await states(other, *keys) == [State.CREATED, *[State.SENT] * 4, State.CREATED, State.SENT]
        assert await taken(other) == ["failed", "nothing", "pending", "refused", "unknown"]
        other.record_outcome("created", State.PENDING)  # it did not see it: what the other said holds
        other.record_outcome("pending", State.CREATED)
        await other.flush()
        assert await states(other, "created", "pending") == [State.CREATED, State.CREATED]
        assert await counts(journal) == {State.CREATED: 3, State.SENT: 4}
        assert set(await other.payloads(keys)) == {"failed", "nothing", "refused", "unknown"}


async def test_a_second_order_under_a_reference_is_reported(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    async with writers(postgres, 2) as ((dead, journal_run), (_, other)):
        await journal_run.mark_sent([outgoing("a")])
        expire(postgres, dead)
        assert await taken(other) == ["a"]
        other.record_outcome("a", State.CREATED, remote_id="one")
        await other.flush()
        with caplog.at_level(logging.ERROR, "octoffm_async"):
            journal_run.record_outcome("a", State.CREATED, remote_id="two")
            await journal_run.flush()
    assert "DUPLICATE: reference 'a' exists twice remotely: one and two" in caplog.text


async def test_writers_that_send_the_same_at_once_are_one_too_many(postgres: str) -> None:
    keys = [f"{number:03}" for number in range(200)]
    async with writers(postgres, 6) as opened:

        async def send_all(journal_run: PostgresJournalRun, order: list[str]) -> list[str]:
            mine: list[str] = []
            for key in order:
                try:
                    await journal_run.mark_sent([outgoing(key)])
                except IllegalTransitionError:
                    continue
                mine.append(key)
            return mine

        orders = [keys if number % 2 else keys[::-1] for number in range(6)]
        won = await asyncio.gather(
            *(send_all(journal_run, order) for (_, journal_run), order in zip(opened, orders, strict=True))
        )
        assert sorted(key for mine in won for key in mine) == keys
        assert await counts(opened[0][0]) == {State.SENT: 200}


async def test_overlapping_requests_are_all_or_none_and_do_not_lock_each_other_out(postgres: str) -> None:
    async with writers(postgres, 4) as opened:

        async def send_many(number: int, journal_run: PostgresJournalRun) -> list[list[str]]:
            done: list[list[str]] = []
            for turn in range(30):
                some = [f"{(turn * 7 + step * (number + 1)) % 101:03}" for step in range(9)]
                keys = list(dict.fromkeys(some))
                try:
                    await journal_run.mark_sent([outgoing(key) for key in keys])
                    done.append(keys)
                except IllegalTransitionError:
                    continue
                for key in keys:
                    journal_run.record_outcome(key, State.FAILED if turn % 3 else State.PENDING)
                await journal_run.flush()
            return done

        done = await asyncio.gather(*(send_many(number, journal_run) for number, (_, journal_run) in enumerate(opened)))
        assert sum(map(len, done)) > 8
        journal_run = opened[0][1]
        seen = {key for rows in done for keys in rows for key in keys}
        assert set(await states(journal_run, *seen)) <= {State.FAILED, State.PENDING}
        assert sum((await counts(opened[0][0])).values()) == len(seen)


async def test_the_fence_ends_before_the_lease_does_for_others(postgres: str) -> None:
    clock = Clock()
    async with PostgresJournal(postgres, lease=10, clock=clock) as journal:
        journal_run = await journal.begin_run(**NAMES)
        journal.fence.check()
        clock.now += 8.9
        journal.fence.check()
        clock.now += 0.2
        with pytest.raises(FencedError, match=r"ended 0\.1 s ago"):
            journal.fence.check()
        sending_task = asyncio.create_task(journal_run.mark_sent([outgoing("a")]))  # it waits for a late renewal
        await asyncio.sleep(0)
        await journal.fence._renew()
        journal.fence.check()
        await sending_task
    with pytest.raises(FencedError, match="closed"):
        journal.fence.check()


async def test_a_lease_is_renewed_again_and_again(postgres: str) -> None:
    async with PostgresJournal(postgres, lease=0.6) as journal:
        await asyncio.sleep(2.0)
        journal.fence.check()
        assert journal.fence.renewals >= 5


async def test_a_closed_journal_leaves_its_items_at_once(postgres: str) -> None:
    async with writers(postgres, 1) as ((_, journal_run),):
        await journal_run.mark_sent([outgoing("a")])
    async with writers(postgres, 1) as ((_, other),):
        assert await taken(other) == ["a"]


async def test_a_change_whose_answer_was_lost_is_made_once(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each statement is carried out, its answer is lost, and it is asked for again."""
    lost: list[str] = []

    def losing(name: str) -> None:
        real = getattr(journal_changes, name)

        async def done_but_not_confirmed(*args: Any) -> Any:
            result = await real(*args)
            lost.append(name)
            if lost.count(name) % 2:
                raise psycopg.OperationalError("the connection broke")
            return result

        monkeypatch.setattr(journal_writer.changes, name, done_but_not_confirmed)

    for name in ("send", "settle", "follow"):
        losing(name)
    async with writers(postgres, 1) as ((journal, journal_run),):
        await journal_run.mark_sent([outgoing("a"), outgoing("b")])
        journal_run.record_outcome("a", State.CREATED, remote_id="id")
        journal_run.record_outcome("b", State.PENDING)
        await journal_run.flush()
        await journal_run.mark_sent([outgoing("b")])
        journal_run.record_status("a", "Shipped")
        await journal_run.flush()
        assert await states(journal_run, "a", "b") == [State.CREATED, State.SENT]
        assert await counts(journal) == {State.CREATED: 1, State.SENT: 1}
    assert {name: lost.count(name) for name in set(lost)} == {"send": 4, "settle": 2, "follow": 2}


async def test_a_change_that_arrives_late_over_a_lost_connection_changes_nothing(postgres: str) -> None:
    async with writers(postgres, 1) as ((journal, journal_run),):
        await journal_run.mark_sent([outgoing("a")])
        journal_run.record_outcome("a", State.PENDING)
        await journal_run.flush()
        await journal_run.mark_sent([outgoing("a")])
        late = (journal_run._scope, journal_run._run_id, "a", State.PENDING, None, "", "")
        async with journal.database.connection() as connection:
            assert await journal_changes.settle(connection, journal.writer_id, 2, [late]) == []
        assert await states(journal_run, "a") == [State.SENT]


async def test_the_database_may_go_away_and_come_back(postgres_server: PostgresServer, postgres: str) -> None:
    async with writers(postgres, 2, lease=30.0) as ((journal, one), (_, other)):
        await one.mark_sent([outgoing("a"), outgoing("b")])
        await asyncio.to_thread(postgres_server.stop)
        one.record_outcome("a", State.CREATED, remote_id="id")
        waiting = [
            asyncio.create_task(work)
            for work in (
                one.flush(),
                one.mark_sent([outgoing("c")]),
                other.mark_sent([outgoing("d")]),
                other.look_up(["a"]),
            )
        ]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in waiting)
        await asyncio.to_thread(postgres_server.start)
        await asyncio.gather(*waiting)
        assert await states(other, *"abcd") == [State.CREATED, State.SENT, State.SENT, State.SENT]
        assert await counts(journal) == {State.CREATED: 1, State.SENT: 3}
        journal.fence.check()


async def test_a_database_that_stays_away_is_reported_to_everybody(
    postgres_server: PostgresServer, postgres: str
) -> None:
    clock = Clock()
    journal = PostgresJournal(postgres, lease=1.0, clock=clock)
    async with journal:
        journal_run = await journal.begin_run(**NAMES)
        await journal_run.mark_sent([outgoing("a"), outgoing("b")])
        await asyncio.to_thread(postgres_server.stop)
        try:
            journal_run.record_outcome("a", State.CREATED)
            flushing = asyncio.create_task(journal_run.flush())
            sending_task = asyncio.create_task(journal_run.mark_sent([outgoing("c")]))
            reading = asyncio.create_task(journal_run.look_up(["a"]))
            await asyncio.sleep(0.1)
            clock.now += 60
            for task in (flushing, sending_task, reading):
                with pytest.raises(JournalWriteError):
                    await task
            with pytest.raises(FencedError):
                await journal_run.mark_sent([outgoing("d")])
        finally:
            await asyncio.to_thread(postgres_server.start)
        await journal.fence._renew()
        assert await taken(journal_run) == ["a", "b"]  # what could not be written is undecided, and may be reconciled
        assert await states(journal_run, "c", "d") == [None, None]
        await journal_run.flush()


async def test_a_database_that_is_away_from_the_start_is_reported(
    postgres_server: PostgresServer, postgres: str
) -> None:
    await asyncio.to_thread(postgres_server.stop)
    try:
        with pytest.raises(JournalError, match="cannot be opened"):
            async with PostgresJournal(postgres):
                pass
    finally:
        await asyncio.to_thread(postgres_server.start)
    with pytest.raises(JournalError, match="there is no journal in"):
        async with PostgresJournal(postgres, read_only=True):
            pass


async def test_several_writers_go_on_with_one_run(postgres: str) -> None:
    async with writers(postgres, 2) as ((one, journal_run), (other, _)):
        same = await other.begin_run(**NAMES, run=journal_run.run)
        await asyncio.gather(
            journal_run.mark_sent([outgoing(f"a{number}") for number in range(100)]),
            same.mark_sent([outgoing(f"b{number}") for number in range(100)]),
        )
        for number in range(100):
            journal_run.record_outcome(f"a{number}", State.CREATED)
            same.record_outcome(f"b{number}", State.FAILED)
        await asyncio.gather(journal_run.finish(), same.finish())
        (record,) = [run for run in await one.runs() if run.id == journal_run.run]
        assert (record.counts[State.CREATED], record.counts[State.FAILED], record.undecided) == (100, 100, 0)
        assert len([entry async for entry in one.entries(journal_run.run)]) == 200
        assert len([entry async for entry in one.entries(journal_run.run, State.FAILED)]) == 100


async def test_a_run_that_another_process_writes_is_not_forgotten(postgres: str) -> None:
    async with writers(postgres, 2) as ((_, journal_run), (other, _)):
        await journal_run.mark_sent([outgoing("a")])
        with pytest.raises(JournalError, match="1 undecided items"):
            await other.forget(journal_run.run)
        journal_run.record_outcome("a", State.CREATED)
        await journal_run.finish()
        assert await other.forget(journal_run.run) == 1
        assert await states(journal_run, "a") == [None]
