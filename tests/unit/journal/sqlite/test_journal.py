"""The journal in a SQLite file: what is written, read, refused, and told when it cannot be."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Event
from typing import NoReturn

import pytest

from octoffm_async.errors import ConfigurationError, JournalInUseError, JournalWriteError
from octoffm_async.journal import IllegalTransitionError, Journal, SQLiteJournal, State
from octoffm_async.journal.command_queue import LINGER_MOST
from octoffm_async.journal.commands import Command, Flush, MarkSent, ReadEntries, RecordCreated, RecordStatus
from octoffm_async.journal.sqlite import schema as module
from octoffm_async.journal.sqlite.engine import Store
from octoffm_async.journal.sqlite.journal import SQLiteJournalRun
from octoffm_async.journal.sqlite.writer_thread import Writer

from ..conftest import outgoing

START = 1_790_000_000.0
ODD_KEYS = ["", "a", "A", "a ", "é", "e\u0301", "\0", "a\0b", "half \ud800", "half \udcff", "1", "1.0", "x" * 5000]


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def journal(path: Path, clock: Clock) -> AsyncIterator[SQLiteJournal]:
    async with SQLiteJournal(path, clock=clock) as journal:
        yield journal


@pytest.fixture
async def journal_run(journal: SQLiteJournal) -> SQLiteJournalRun:
    return await journal.begin_run(seller="S1", operation="outbound.create", source="orders.csv")


async def states(journal_run: SQLiteJournalRun, *keys: str) -> list[State | None]:
    return [entry and entry.state for entry in await journal_run.look_up(keys)]


async def test_ids_of_runs_sort_by_their_start_and_differ(journal: SQLiteJournal, clock: Clock) -> None:
    names = [(await journal.begin_run(seller="S", operation="o")).run for _ in range(300)]
    assert len(set(names)) == 300
    clock.now += 1
    last = (await journal.begin_run(seller="S", operation="o")).run
    assert max([*names, last]) == last


async def test_a_second_writer_of_this_process_goes_on_beside_the_first_also_by_another_name(
    path: Path, journal_run: SQLiteJournalRun
) -> None:
    (path.parent / "link").symlink_to(path)
    for number, name in enumerate(("orders.sqlite", "link")):
        async with SQLiteJournal(path.parent / name) as second:
            other = await second.begin_run(seller="S1", operation="outbound.create")
            await other.mark_sent([outgoing(f"other {number}")])
            with pytest.raises(IllegalTransitionError):
                await journal_run.mark_sent([outgoing(f"other {number}")])
            await journal_run.mark_sent([outgoing(f"K {number}")])
            assert [entry.key for entry in await other.undecided()] == [f"other {n}" for n in range(number + 1)]
    assert await journal_run.undecided_keys() == ["K 0", "K 1", "other 0", "other 1"]
    assert [entry.key for entry in await journal_run.undecided()] == ["K 0", "K 1", "other 0", "other 1"]


async def test_every_file_is_its_owners_only(tmp_path: Path, path: Path, journal_run: SQLiteJournalRun) -> None:
    await journal_run.mark_sent([outgoing("K")])
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}  # noqa: ASYNC240
    assert modes == dict.fromkeys(
        ("orders.sqlite", "orders.sqlite-wal", "orders.sqlite-shm", "orders.sqlite.lock", "orders.sqlite.writer-1"),
        0o600,
    )


async def test_arguments_that_cannot_work_are_reported(path: Path, journal_run: SQLiteJournalRun) -> None:
    with pytest.raises(ConfigurationError, match="'process' or 'power', not 'none'"):
        SQLiteJournal(path, durability="none")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="a file or in PostgreSQL, not mysql://"):
        Journal.open("mysql://host/db")
    for call in (journal_run.look_up, journal_run.payloads):
        with pytest.raises(ConfigurationError, match="up to 1000 keys, not 1001"):
            await call([str(number) for number in range(1001)])


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
async def test_durability_is_what_sqlite_is_set_to(path: Path, durability: str, level: int) -> None:
    async with SQLiteJournal(path, durability=durability) as journal:  # type: ignore[arg-type]
        ask = await journal._writer.call(lambda store: store.connection.execute("PRAGMA synchronous").fetchone())
        mode = await journal._writer.call(lambda store: store.connection.execute("PRAGMA journal_mode").fetchone())
    assert (ask, mode) == ((level,), ("wal",))


async def test_callers_in_flight_share_transactions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal._writer.call(lambda store: store.connection.set_trace_callback(count))
        await asyncio.gather(*(journal_run.mark_sent([outgoing(str(number))]) for number in range(50)))
        assert 1 <= commits <= 2
        await journal._writer.call(lambda store: store.connection.set_trace_callback(None))


async def test_a_look_up_leaves_behind_what_nobody_waits_for_unless_it_is_about_that(
    journal: SQLiteJournal, journal_run: SQLiteJournalRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[type]] = []
    give = Writer._give

    def spy(writer: Writer, steps: list[Command]) -> None:
        given.append([type(step) for step in steps])
        give(writer, steps)

    await journal_run.mark_sent([outgoing("first")])
    journal_run.record_created("first", "0")
    await journal_run.flush()
    monkeypatch.setattr(Writer, "_give", spy)
    await journal_run.mark_sent([outgoing("a"), outgoing("b")])
    journal_run.record_created("a", "1")
    both = await asyncio.gather(states(journal_run, "c"), states(journal_run, "b"))
    assert both == [[None], [State.SENT]]
    assert await states(journal_run, "c", "a") == [None, State.CREATED]
    journal_run.record_status("a", "Shipped")
    (entry,) = await journal_run.look_up(["a"])
    assert entry is not None
    assert entry.followed == "Shipped"
    journal_run.record_created("b", "2")
    later, _ = await asyncio.gather(states(journal_run, "d"), journal_run.flush())
    assert later == [None]
    assert given == [
        [MarkSent],
        [ReadEntries, ReadEntries],
        [RecordCreated, ReadEntries],
        [RecordStatus, ReadEntries],
        [ReadEntries],
        [RecordCreated, Flush],
    ]


@pytest.mark.parametrize("how", ["record_created", "record_outcome", "record_status"])
async def test_what_becomes_of_an_item_is_written_in_one_transaction(
    journal: SQLiteJournal, journal_run: SQLiteJournalRun, how: str
) -> None:
    await journal_run.mark_sent([outgoing("a")])
    statements: list[str] = []
    await journal._writer.call(lambda store: store.connection.set_trace_callback(statements.append))
    if how == "record_outcome":
        journal_run.record_outcome("a", State.FAILED)
    else:
        getattr(journal_run, how)("a", "1")
    await journal_run.flush()
    await journal._writer.call(lambda store: store.connection.set_trace_callback(None))
    assert len(statements) > 2
    assert statements[0] == "COMMIT"  # of the call that began to watch
    begun = [statement for statement in statements[1:] if statement.startswith(("BEGIN", "COMMIT"))]
    assert begun == ["BEGIN IMMEDIATE", "COMMIT", "BEGIN"]


async def test_many_creations_go_over_without_lingering(
    journal: SQLiteJournal, journal_run: SQLiteJournalRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Command] = []
    monkeypatch.setattr(Writer, "_give", lambda _, steps: given.extend(steps))
    monkeypatch.setattr("octoffm_async.journal.command_queue._LINGER", 3600.0)  # a busy machine takes its time here
    journal_run.record_created("first", None)  # a later run must know one, whenever this one is killed
    await asyncio.sleep(0)
    assert [step.keys for step in given if isinstance(step, RecordCreated)] == [["first"]]
    given.clear()
    for number in range(LINGER_MOST - 1):
        journal_run.record_created(str(number), None)
    await asyncio.sleep(0)
    assert not given
    for number in range(2):
        journal_run.record_created(f"last {number}", None)
    await asyncio.sleep(0)
    assert [len(step.keys) for step in given if isinstance(step, RecordCreated)] == [LINGER_MOST, 1]
    monkeypatch.undo()


async def test_a_look_up_that_was_just_asked_for_is_answered_when_the_journal_is_closed(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        found = asyncio.get_running_loop().create_future()
        journal._writer.look_up(ReadEntries(journal_run._scope, ["a"], found))
    assert found.result() == [None]


@pytest.mark.parametrize("keys", [("a", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("",), ("c",), ()])
async def test_keys_between_before_and_behind_others_are_looked_up(
    journal_run: SQLiteJournalRun, keys: tuple[str, ...]
) -> None:
    there = {"b": State.CREATED, "c": State.REFUSED, "d\udcff": State.SENT}
    await journal_run.mark_sent([outgoing(key) for key in there])
    for key, state in there.items():
        if state is not State.SENT:
            journal_run.record_outcome(key, state)
    await journal_run.flush()
    assert await states(journal_run, *keys) == [there.get(key) for key in keys]
    assert await states(journal_run, *keys, "d\udcff") == [*map(there.get, keys), State.SENT]


@pytest.mark.parametrize("count", [1, 3, 255, 257, 700])
async def test_items_that_are_created_together_are_all_written(journal: SQLiteJournal, count: int) -> None:
    journal_run = await journal.begin_run(seller="S", operation="o")
    keys = [f"K-{number}" for number in range(count)]
    await journal_run.mark_sent([outgoing(key) for key in keys])
    for key in keys:
        journal_run.record_outcome(key, State.CREATED, remote_id=None if key.endswith("7") else f"id of {key}")
    await journal_run.flush()
    found = {entry.key: entry.remote_id async for entry in journal.entries(journal_run.run)}
    assert found == {key: None if key.endswith("7") else f"id of {key}" for key in keys}
    (record,) = await journal.runs()
    assert record.counts == dict.fromkeys(State, 0) | {State.CREATED: count}


async def fill(journal_run: SQLiteJournalRun) -> list[str]:
    """Send until it cannot be written; what was."""
    done: list[str] = []
    with pytest.raises(JournalWriteError, match="the disk is full: make room"):  # noqa: PT012
        for number in range(5000):
            await journal_run.mark_sent([outgoing(str(number), os.urandom(1000))])
            done.append(str(number))
    return done


async def check_full(path: Path, *, pages: int | None = None) -> None:
    with pytest.raises(JournalWriteError):  # noqa: PT012
        async with SQLiteJournal(path) as journal:
            journal_run = await journal.begin_run(seller="S", operation="o")
            if pages is not None:
                pragma = f"PRAGMA max_page_count = {pages}"
                await journal._writer.call(lambda store: store.connection.execute(pragma).fetchone())
            done = await fill(journal_run)
            for call in (
                journal_run.mark_sent([outgoing("later")]),
                journal_run.look_up(["0"]),
                journal_run.flush(),
                journal.runs(),
            ):
                with pytest.raises(JournalWriteError):
                    await call
            journal_run.record_outcome("0", State.CREATED)
    assert len(done) > 10
    async with SQLiteJournal(path, read_only=True) as journal:
        assert {entry.key async for entry in journal.entries(journal_run.run, State.SENT)} == set(done)


async def test_a_full_database_is_reported_and_what_was_durable_stays(path: Path) -> None:
    await check_full(path, pages=60)


async def test_a_full_disk_is_reported_and_what_was_durable_stays(small_disk: Path) -> None:
    path = small_disk / "orders.sqlite"
    await check_full(path)


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "folder"
    folder.mkdir()
    yield folder
    subprocess.run(["umount", "-q", "-l", str(folder)], check=False, capture_output=True)  # noqa: S607
    folder.chmod(0o700)


def make_read_only(folder: Path) -> None:
    folder.chmod(0o500)
    if os.geteuid() == 0:
        for options in ("bind", "remount,ro,bind"):
            done = subprocess.run(
                ["mount", "-o", options, str(folder), str(folder)],  # noqa: S607
                check=False,
                capture_output=True,
            )
            if done.returncode:
                pytest.skip("as root, a read-only folder takes the right to mount")


async def test_a_read_only_folder_is_reported_to_writers_and_does_for_readers(read_only_folder: Path) -> None:
    path = read_only_folder / "orders.sqlite"
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing("K")])
    make_read_only(read_only_folder)
    with pytest.raises(JournalWriteError, match=f"{os.strerror(errno.EROFS)}|{os.strerror(errno.EACCES)}"):
        async with SQLiteJournal(path):
            pass
    with pytest.raises(JournalWriteError, match=f"{os.strerror(errno.EROFS)}|{os.strerror(errno.EACCES)}"):
        async with SQLiteJournal(path.with_name("new")):
            pass
    async with SQLiteJournal(path, read_only=True) as journal:
        assert [entry.key async for entry in journal.entries(journal_run.run)] == ["K"]


async def test_a_read_only_file_is_reported_when_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteJournal(path):
        pass
    real = module.connect

    def as_for_anybody_but_root(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = real(path, read_only=read_only)
        connection.execute("PRAGMA query_only = 1")
        return connection

    monkeypatch.setattr(module, "connect", as_for_anybody_but_root)
    with pytest.raises(JournalWriteError, match="the file or its folder is read-only"):
        async with SQLiteJournal(path):
            pass


async def test_another_program_that_holds_the_file_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.05)
    async with SQLiteJournal(path):
        pass
    shell = sqlite3.connect(path, isolation_level=None)
    try:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalInUseError, match="locked by another program"):
            async with SQLiteJournal(path):
                pass
    finally:
        shell.close()


async def test_a_journal_whose_opening_is_cancelled_is_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "orders.sqlite"
    begun, go_on, opens = Event(), Event(), Store.open

    def slowly(store: Store) -> None:
        opens(store)
        begun.set()
        assert go_on.wait(10)

    monkeypatch.setattr(Store, "open", slowly)
    before = {*threading.enumerate()}
    journal = SQLiteJournal(path)
    opening = asyncio.ensure_future(journal.__aenter__())
    assert await asyncio.to_thread(begun.wait, 10)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    go_on.set()
    for thread in {*threading.enumerate()} - before:
        if thread.name == "octoffm_async journal":
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()
    async with journal, SQLiteJournal(path, read_only=True):  # its lock is free
        pass


async def test_nothing_more_is_waited_for_once_the_file_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(
        store: Store, steps: object
    ) -> NoReturn:  # what is cancelled while it waits for that lets go of nothing
        raise AssertionError(steps)

    journal = SQLiteJournal(tmp_path / "orders.sqlite")
    with monkeypatch.context() as patches:
        patches.setattr(Store, "process", refused)
        async with asyncio.timeout(10):
            await journal.__aenter__()
    await journal.__aexit__(None, None, None)
