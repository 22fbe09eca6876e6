"""Workers that share a journal, frozen, killed and cut off from the database at random, against a little remote side.

Each worker follows the journal's rules and no others: it writes down what it is about to send, passes the fence right
before, and looks on the remote side for what is undecided. Time is the test's: a worker that is frozen renews nothing,
and the others see its lease end. The database is a real one.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from benchmarks.servers import PostgresServer
from octoffm_async.errors import FencedError, JournalError, JournalWriteError, StoreError
from octoffm_async.journal import IllegalTransitionError, OutgoingItem, State, Verdict, decide_known_key, payload_hash
from octoffm_async.journal.lease import GRACE
from octoffm_async.journal.postgres.journal import PostgresJournal, PostgresJournalRun
from tests.unit.sizes import tries

pytestmark = pytest.mark.one_loop

LEASE = 15.0
KEYS = [f"K-{number}" for number in range(14)]


class Killed(Exception):  # noqa: N818  (no error: an end)
    """The worker is gone."""


class World:
    """The remote side, the time, and what happens to workers."""

    def __init__(self, address: str, seed: int) -> None:
        self.address = address
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.effects: Counter[str] = Counter()
        self.refused: set[str] = set()
        self.happened: Counter[str] = Counter()
        self.awake: list[PostgresJournal] = []
        self.all: list[PostgresJournal] = []
        self.calm = False

    def create(self, key: str) -> str | None:
        """Carry out a request; its answer may be lost."""
        self.effects[key] += 1
        return None if self.rng.random() < 0.15 and not self.calm else f"id of {key}"

    async def point(self, journal: PostgresJournal) -> None:
        """A place where anything may happen to a worker."""
        await asyncio.sleep(0)
        fate = 1.0 if self.calm else self.rng.random()
        if fate < 0.04:
            self.happened["killed"] += 1
            await self._gone(journal)
            raise Killed
        if fate < 0.12:
            self.happened["frozen"] += 1
            await self._frozen(journal)
        elif fate < 0.3:
            await asyncio.sleep(self.rng.uniform(0, 0.01))

    async def _gone(self, journal: PostgresJournal) -> None:
        self.awake.remove(journal)
        assert journal._writer is not None
        tasks = [task for task in (journal._writer._ended, journal.fence._renewing, *journal.fence._attempts) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # what it asked of the database last may still be done
        await self._lease_ends(journal)

    async def _frozen(self, journal: PostgresJournal) -> None:
        self.awake.remove(journal)
        await self._lease_ends(journal, ago=self.rng.choice([-1.0, 0.5, GRACE + 0.5, GRACE + 5]))
        await asyncio.sleep(self.rng.uniform(0, 0.15))  # others go on
        self.awake.append(journal)
        if self.rng.random() < 0.3:
            await journal.fence._renew()  # late, and it may or may not count

    async def _lease_ends(self, journal: PostgresJournal, ago: float = GRACE + 1) -> None:
        """Time passes, so that the lease of one who is silent has ended so long ago, here and in the database."""
        self.now += LEASE + ago
        await at_last(lambda: self._expire(journal, timedelta(seconds=ago)))
        for one in self.awake:
            await one.fence._renew()

    async def _expire(self, journal: PostgresJournal, ago: timedelta) -> None:
        async with self.all[0].database.connection() as connection:
            await connection.execute(
                "UPDATE octoffm_journal_writers SET expires_at = clock_timestamp() - %s WHERE writer_id = %s",
                (ago, journal.writer_id),
            )

    async def opened(self) -> tuple[PostgresJournal, PostgresJournalRun]:
        journal = PostgresJournal(self.address, lease=LEASE, clock=lambda: self.now)
        await at_last(journal.__aenter__)
        self.awake.append(journal)
        self.all.append(journal)
        try:
            return journal, await journal.begin_run(seller="S", operation="outbound.create")
        except JournalWriteError:  # it went away again
            self.awake.remove(journal)
            return await self.opened()


async def at_last(what: Callable[[], Awaitable[object]]) -> None:
    """Do something, as soon as the database is there."""
    while True:
        try:
            await what()
        except (StoreError, JournalError):
            await asyncio.sleep(0.02)
        else:
            return


async def work(world: World, keys: list[str]) -> None:
    """Order these, in whatever lives it takes."""
    journal, journal_run = await world.opened()
    while True:
        try:
            await send_all(world, journal, journal_run, keys)
            await reconcile(world, journal, journal_run)
            if all(entry and entry.state is State.CREATED for entry in await journal_run.look_up(keys)):
                return
        except (Killed, JournalWriteError) as end:
            world.happened[type(end).__name__] += 1
            if isinstance(end, Killed) or journal.fence.is_dead:
                if journal in world.awake:
                    world.awake.remove(journal)
                journal, journal_run = await world.opened()
            else:
                await journal.fence._renew()


async def send_all(world: World, journal: PostgresJournal, journal_run: PostgresJournalRun, keys: list[str]) -> None:
    payload = b"payload"
    for start in range(0, len(keys), 3):
        some = keys[start : start + 3]
        entries = await journal_run.look_up(some)
        digest = payload_hash(payload)
        to_send = [key for key, one in zip(some, entries, strict=True) if decide_known_key(one, digest) is Verdict.SEND]
        if not to_send:
            continue
        await world.point(journal)
        try:
            await journal_run.mark_sent([OutgoingItem(key, digest, payload) for key in to_send])
        except IllegalTransitionError:
            world.happened["too late"] += 1
            continue
        for key in to_send:
            await world.point(journal)
            try:
                journal.fence.check()
            except FencedError:
                journal_run.record_outcome(key, State.PENDING)
                raise
            order_id = world.create(key)
            await world.point(journal)
            if order_id is None:
                journal_run.record_outcome(key, State.UNKNOWN)
                journal_run.release([key])
            else:
                journal_run.record_outcome(key, State.CREATED, remote_id=order_id)
        if world.rng.random() < 0.3:
            await journal_run.flush()


async def reconcile(world: World, journal: PostgresJournal, journal_run: PostgresJournalRun) -> None:
    await journal_run.flush()
    for entry in await journal_run.undecided():
        found = world.effects[entry.key] > 0
        await world.point(journal)
        world.happened["reconciled"] += 1
        if found:
            journal_run.record_outcome(entry.key, State.CREATED, remote_id=f"id of {entry.key}")
        else:
            journal_run.record_outcome(entry.key, State.PENDING)
    await journal_run.flush()
    await asyncio.sleep(0.005)


async def crash_now_and_then(world: World, server: PostgresServer) -> None:
    for _ in range(2):
        await asyncio.sleep(world.rng.uniform(0.05, 0.5))
        world.happened["crashed"] += 1
        await asyncio.shield(asyncio.to_thread(server.restart))
    await asyncio.sleep(1.5)
    world.calm = True


@pytest.mark.parametrize("seed", range(tries(4)))
async def test_whatever_happens_there_is_exactly_one_of_each(
    postgres_server: PostgresServer, postgres: str, seed: int
) -> None:
    world = World(postgres, seed)
    keys = [world.rng.sample(KEYS, len(KEYS)) for _ in range(4)]
    crashes = asyncio.create_task(crash_now_and_then(world, postgres_server))
    try:
        first, _ = await world.opened()
        world.awake.remove(first)
        async with asyncio.timeout(40):
            await asyncio.gather(*(work(world, some) for some in keys))
        await crashes
        assert {key: n for key, n in world.effects.items() if n != 1} == {}, world.happened
        assert sorted(world.effects) == sorted(KEYS)
        journal, journal_run = await world.opened()
        entries = await journal_run.look_up(KEYS)
        assert {entry and entry.state for entry in entries} == {State.CREATED}
        totals = Counter[State]()
        for run in await journal.runs():
            totals.update(run.counts)
        assert {state: n for state, n in totals.items() if n} == {State.CREATED: len(KEYS)}
    finally:
        await crashes
        for journal in world.all:
            await close(journal)
    print(dict(world.happened))


async def close(journal: Any) -> None:
    if not journal._writer._ended.done():
        with suppress(JournalWriteError):
            await journal.__aexit__(None, None, None)
        return
    await journal.fence.end()
    await journal.database.__aexit__(None, None, None)
