"""Several writers of one file: who holds which item, who is taken over and when, and what a late one may still do."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from octoffm_async.errors import ClosedError, ConfigurationError, FencedError, JournalError, JournalInUseError
from octoffm_async.journal import IllegalTransitionError, SQLiteJournal, State
from octoffm_async.journal.lease import GRACE, LEASE
from octoffm_async.journal.sqlite import schema, writers
from octoffm_async.journal.sqlite.batches import packed
from octoffm_async.journal.sqlite.file import file_identity
from octoffm_async.journal.sqlite.file.lock import JournalLock, side_files
from octoffm_async.journal.sqlite.journal import SQLiteJournalRun
from tests.support.forks import forked

from ..conftest import outgoing

NAMES = {"seller": "S", "operation": "o"}


class Time:
    """The clock of leases, which all processes share."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(autouse=True)
def _no_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process gives signs of life when a test says so."""
    monkeypatch.setattr(writers.FileLease, "_beat_for_ever", lambda _: None)


@asynccontextmanager
async def writing(path: Path, time: Time) -> AsyncIterator[tuple[SQLiteJournal, SQLiteJournalRun]]:
    async with SQLiteJournal(path, lease_clock=time) as journal:
        yield journal, await journal.begin_run(**NAMES)


async def die(journal: SQLiteJournal) -> None:
    """What the system does when its process is killed: its locks are gone, and nothing else happens."""
    await journal._writer.call(lambda store: store.lease._file.abandon())  # type: ignore[union-attr]


async def keys(journal_run: SQLiteJournalRun) -> list[str]:
    return [entry.key for entry in await journal_run.undecided()]


async def states(journal_run: SQLiteJournalRun, *keys: str) -> list[State | None]:
    return [entry and entry.state for entry in await journal_run.look_up(keys)]


async def test_each_sees_at_once_what_the_others_send_and_settle(path: Path, time: Time) -> None:
    async with (
        writing(path, time) as (_, one),
        writing(path, time) as (_, two),
        writing(path, time) as (journal, three),
    ):
        await one.mark_sent([outgoing("A"), outgoing("B"), outgoing("C")])
        assert await states(two, "A", "B", "D") == [State.SENT, State.SENT, None]
        with pytest.raises(IllegalTransitionError, match="'B' cannot go from sent to sent"):
            await two.mark_sent([outgoing("D"), outgoing("B")])
        assert await states(three, "D") == [None]
        one.record_created("A", "1")
        one.record_outcome("B", State.FAILED)
        await one.flush()
        assert await states(two, "A", "B", "C") == [State.CREATED, State.FAILED, State.SENT]
        await two.mark_sent([outgoing("B")])
        assert await states(three, "B") == [State.SENT]
        assert await three.payloads(["A", "B", "C"]) == {"B": b"payload", "C": b"payload"}
        assert [await keys(journal_run) for journal_run in (one, two, three)] == [["C"], ["B"], []]
        assert await three.undecided_keys() == ["B", "C"]
        assert [entry.key async for entry in journal.entries(one.run)] == ["A", "C"]
        assert [record.counts[State.SENT] for record in await journal.runs()] == [1, 1, 0]


async def test_of_the_same_keys_at_once_each_is_sent_by_one(path: Path, time: Time) -> None:
    async with writing(path, time) as (_, one), writing(path, time) as (_, two):
        names = [f"K-{number}" for number in range(300)]

        async def send(journal_run: SQLiteJournalRun, key: str) -> bool:
            try:
                await journal_run.mark_sent([outgoing(key)])
            except IllegalTransitionError:
                return False
            return True

        sent = await asyncio.gather(*(send(run, key) for key in names for run in (one, two)))
        assert sum(sent) == len(names)
        assert [a + b for a, b in zip(sent[::2], sent[1::2], strict=True)] == [True] * len(names)


async def test_what_a_live_writer_holds_is_left_to_it_and_what_it_releases_is_not(path: Path, time: Time) -> None:
    async with writing(path, time) as (_, one), writing(path, time) as (journal, two):
        await one.mark_sent([outgoing("A"), outgoing("B"), outgoing("C")])
        one.record_outcome("B", State.UNKNOWN)
        await one.flush()
        assert await keys(two) == []
        assert await two.undecided(["A", "B", "C"]) == []
        two.record_outcome("A", State.PENDING)  # not its item
        two.record_outcome("B", State.REFUSED)
        await two.flush()
        assert await states(one, "A", "B") == [State.SENT, State.UNKNOWN]
        one.release(["A", "B"])
        await one.flush()
        assert [entry.key for entry in await two.undecided(["B", "C"])] == ["B"]
        assert await keys(two) == ["A", "B"]
        assert journal.taken_on is not None
        (entry,) = await two.undecided(["A"])
        assert entry.latest_sent_at is not None
        assert await keys(one) == ["C"]
        one.record_outcome("A", State.FAILED)  # it has released it
        await one.flush()
        assert await states(one, "A") == [State.SENT]


async def test_the_items_of_a_writer_that_was_closed_or_killed_are_free_at_once(path: Path, time: Time) -> None:
    async with writing(path, time) as (_, three):
        async with writing(path, time) as (_, one):
            await one.mark_sent([outgoing("A"), outgoing("B")])
            one.record_outcome("B", State.UNKNOWN)
        assert await keys(three) == ["A", "B"]
        async with writing(path, time) as (killed, two):
            await two.mark_sent([outgoing("C"), outgoing("D")])
            two.record_created("C", "1")
            await two.flush()
            assert await keys(three) == ["A", "B"]
            await die(killed)
            assert await keys(three) == ["A", "B", "D"]
            assert len(side_files(path)) == 1


async def test_a_silent_writer_is_taken_over_after_its_lease_and_can_send_no_more(path: Path, time: Time) -> None:
    async with writing(path, time) as (_, one):
        frozen = SQLiteJournal(path, lease_clock=time)
        await frozen.__aenter__()
        two = await frozen.begin_run(**NAMES)
        await two.mark_sent([outgoing("A"), outgoing("B"), outgoing("C")])
        two.record_outcome("B", State.UNKNOWN)
        await two.flush()
        frozen.fence.check()
        time.now += LEASE + GRACE - 0.1
        assert await keys(one) == []
        time.now += 0.2
        assert await keys(one) == ["A", "B", "C"]
        with pytest.raises(FencedError, match=r"writer 2 of the journal .* did not renew its lease in time: open"):
            frozen.fence.check()
        with pytest.raises(FencedError):
            await two.mark_sent([outgoing("D")])
        with pytest.raises(FencedError):
            await two.undecided()
        with pytest.raises(FencedError):
            await frozen.begin_run(**NAMES)
        two.record_outcome("A", State.FAILED)  # what it says now counts only where an order exists
        two.record_created("B", "late")
        await two.flush()
        assert await states(two, "A", "B", "D") == [State.SENT, State.CREATED, None]
        one.record_outcome("B", State.PENDING)  # it had not heard of that
        one.record_outcome("C", State.PENDING)
        await one.flush()
        two.record_created("C", "late too")
        await two.flush()
        assert await states(one, "A", "B", "C") == [State.SENT, State.CREATED, State.CREATED]
        await frozen.__aexit__(None, None, None)


async def test_a_late_writer_that_nobody_has_taken_over_goes_on(path: Path, time: Time) -> None:
    async with writing(path, time) as (journal, journal_run):
        await journal_run.mark_sent([outgoing("A")])
        for _ in range(2):
            time.now += 10 * LEASE
            assert journal.fence.is_over
            journal.fence.check()
            assert not journal.fence.is_over
        time.now += 10 * LEASE
        await journal_run.mark_sent([outgoing("B")])
        assert not journal.fence.is_over
        time.now += LEASE * 0.8
        journal.fence.beat()
        time.now += LEASE * 0.8
        assert not journal.fence.is_over
        async with writing(path, time) as (_, other):
            assert await keys(other) == []


async def test_a_sign_of_life_that_comes_too_late_counts_only_if_nobody_has_taken_over(
    path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is suspended between the look at the clock and the sign; another one has seen none."""
    async with writing(path, time) as (_, one), writing(path, time) as (journal, two):
        await two.mark_sent([outgoing("A")])
        side_file = journal.fence._file
        assert side_file is not None
        time.now += LEASE * 0.85
        beat = type(side_file).beat

        def suspended(self: Any, now: float) -> None:
            time.now += LEASE  # suspended before the sign is written; the other looks meanwhile
            beat(self, now)

        monkeypatch.setattr(type(side_file), "beat", suspended)
        journal.fence.beat()
        monkeypatch.undo()
        assert journal.fence.is_over
        time.now += LEASE + GRACE
        assert await keys(one) == ["A"]
        with pytest.raises(FencedError):
            journal.fence.check()


async def test_a_side_file_that_was_removed_ends_the_lease_and_the_others_wait(path: Path, time: Time) -> None:
    async with writing(path, time) as (_, one), writing(path, time) as (journal, two):
        await two.mark_sent([outgoing("A")])
        side_files(path)[2].unlink()
        assert await keys(one) == []
        journal.fence.beat()
        with pytest.raises(FencedError, match="writer-2 was removed while the journal was open"):
            journal.fence.check()
        time.now += LEASE + GRACE
        assert await keys(one) == ["A"]


async def test_a_process_in_another_time_namespace_is_taken_over_only_when_it_has_ended(
    path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with writing(path, time) as (journal, two):
        await two.mark_sent([outgoing("A")])
        monkeypatch.setattr(writers, "clock_name", lambda: "time:[2]")
        async with writing(path, time) as (_, one):
            time.now += 100 * LEASE
            assert await keys(one) == []
            await die(journal)
            assert await keys(one) == ["A"]


async def test_a_file_that_stays_locked_is_reported_and_what_is_queued_is_kept(
    path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 0.05)
    async with writing(path, time) as (_, journal_run):
        await journal_run.mark_sent([outgoing("A"), outgoing("B")])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        journal_run.record_created("A", "1")
        with pytest.raises(JournalInUseError, match=r"stays locked by another program .* end that program, or let it"):
            await journal_run.mark_sent([outgoing("C")])
        with pytest.raises(JournalInUseError):  # what is queued comes first
            await journal_run.look_up(["A"])
        other.execute("COMMIT")
        other.close()
        await journal_run.mark_sent([outgoing("C")])
        assert await states(journal_run, "A", "C") == [State.CREATED, State.SENT]
        journal_run.record_created("B", "2")
        await journal_run.flush()


async def test_a_run_is_forgotten_with_what_another_writer_has_sent(path: Path, time: Time) -> None:
    async with writing(path, time) as (_, one), writing(path, time) as (journal, two):
        await one.mark_sent([outgoing("A"), outgoing("B")])
        one.record_created("A", "1")
        await one.flush()
        await two.mark_sent([outgoing("C")])
        with pytest.raises(JournalError, match=r"is under way in process \d+: wait until it ends"):
            await journal.forget(one.run, force=True)
        await one.finish()
        assert await journal.forget(one.run, force=True) == 2
        assert await states(one, "A", "B", "C") == await states(two, "A", "B", "C") == [None, None, State.SENT]
        one.record_created("B", "2")
        with pytest.raises(IllegalTransitionError):
            await one.flush()


async def test_a_file_of_one_writer_is_brought_up_to_date_when_it_is_opened_alone(path: Path, time: Time) -> None:
    with closing(sqlite3.connect(path)) as connection:
        old = [statement for statement in schema.SCHEMA if statement not in schema.STEPS[4]]
        connection.executescript(
            f"PRAGMA journal_mode = WAL; {';'.join(old)}; PRAGMA application_id = {schema.APPLICATION_ID};"
            "PRAGMA user_version = 4"
        )
        connection.execute("INSERT INTO scopes VALUES (1, ?, ?)", (b"S", b"o"))
        connection.execute("INSERT INTO runs (name, scope_id, source, started_at, sent) VALUES ('r', 1, x'', 1, 2)")
        packed_items = packed([outgoing("A"), outgoing("B", b"other")])
        connection.execute("INSERT INTO batches VALUES (7, 1, 1, 1000, ?, NULL)", (packed_items,))
        connection.commit()
    before = JournalLock(path)
    before.acquire()  # as a process of an older version does for as long as it has the journal open
    with monkeypatch_wait(), pytest.raises(JournalInUseError, match="which is of an older version"):
        async with SQLiteJournal(path):
            pass
    before.release()
    async with writing(path, time) as (_, one), writing(path, time) as (_, two):
        assert await states(one, "A", "B") == [State.SENT, State.SENT]
        assert await one.undecided_keys() == ["A", "B"]
        assert [entry.key for entry in await two.undecided(["B"])] == ["B"]
        assert await keys(one) == ["A"]
        assert await two.payloads(["A", "B"]) == {"A": b"payload", "B": b"other"}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (5,)  # older versions refuse it


@contextmanager
def monkeypatch_wait() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(JournalLock, "acquire", partialmethod(JournalLock.acquire, 0.0))
        yield


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "ext4", "tmpfs"])
async def test_a_folder_that_other_machines_see_is_refused(
    path: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"22 1 0:21 / / rw - ext4 /dev/x rw\n23 22 0:22 / {tmp_path} rw shared:1 - {kind} server:/orders rw\n"
    )
    monkeypatch.setattr(file_identity, "_MOUNTS", mounts)
    if kind in ("ext4", "tmpfs"):
        async with SQLiteJournal(path):
            return
    with pytest.raises(ConfigurationError, match=rf"other machines see too \({kind}\), .* or use PostgreSQL"):
        async with SQLiteJournal(path):
            pass
    assert not path.exists()  # noqa: ASYNC240


async def test_a_forked_process_has_no_right_to_the_journal_and_releases_nothing(path: Path, time: Time) -> None:
    async with writing(path, time) as (journal, journal_run), writing(path, time) as (_, other):
        await journal_run.mark_sent([outgoing("A")])

        def is_closed(call: Any) -> bool:
            try:
                result = call()
                if asyncio.iscoroutine(result):
                    asyncio.new_event_loop().run_until_complete(result)
            except ClosedError as error:
                return "belongs to the process that opened it" in str(error)
            return False

        def in_the_child() -> int:
            asyncio.events._set_running_loop(None)
            calls = (
                lambda: journal_run.mark_sent([outgoing("B")]),
                lambda: journal_run.record_outcome("A", State.PENDING),
                lambda: journal_run.record_created("A", "1"),
                lambda: journal_run.release(["A"]),
                lambda: journal_run.look_up(["A"]),
                journal.runs,
            )
            try:
                journal.fence.check()
            except FencedError as error:
                fenced = "belongs to the process that opened it" in str(error)
            else:
                fenced = False
            closed = all(map(is_closed, calls))
            asyncio.new_event_loop().run_until_complete(journal.__aexit__(None, None, None))
            return 0 if fenced and closed else 2

        assert forked(in_the_child) == 0
        journal.fence.check()
        assert await keys(other) == []
        assert await keys(journal_run) == ["A"]
        journal_run.record_created("A", "1")
        await journal_run.flush()


async def test_an_orphan_keeps_no_lock_of_its_parent(path: Path, time: Time) -> None:
    async with writing(path, time) as (_, other):
        orphan_ends, says = os.pipe()

        def parent() -> int:
            os.close(says)  # the orphan's reading ends with this process, whatever ends that
            asyncio.events._set_running_loop(None)
            return asyncio.new_event_loop().run_until_complete(leave_an_orphan(path, time, orphan_ends))

        try:
            assert forked(parent) == 0
            assert await keys(other) == ["A"]
        finally:
            os.close(says)
            os.close(orphan_ends)


async def leave_an_orphan(path: Path, time: Time, orphan_ends: int) -> int:
    journal = SQLiteJournal(path, lease_clock=time)
    await journal.__aenter__()
    await (await journal.begin_run(**NAMES)).mark_sent([outgoing("A")])
    begun, begins = os.pipe()
    if not os.fork():
        signal.alarm(30)
        os.write(begins, b".")
        os.read(orphan_ends, 1)  # it outlives its parent
        os._exit(0)
    os.read(begun, 1)  # a fork gives up what it inherited as it begins
    os._exit(0)
