"""The journal in a SQLite file: what is written, read, refused, and told when it cannot be."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from octoffm_async.bulk.journal import (
    Entry,
    IllegalTransitionError,
    Journal,
    Sending,
    SQLiteJournal,
    State,
    payload_hash,
)
from octoffm_async.bulk.journal import schema as module
from octoffm_async.bulk.journal.sqlite import SQLiteBook
from octoffm_async.errors import (
    ClosedError,
    ConfigurationError,
    JournalError,
    JournalInUseError,
    JournalWriteError,
)

START = 1_790_000_000.0
ODD_KEYS = ["", "a", "A", "a ", "é", "e\u0301", "\0", "a\0b", "half \ud800", "half \udcff", "1", "1.0", "x" * 5000]


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def sending(key: str, payload: bytes = b"payload") -> Sending:
    return Sending(key, payload_hash(payload), payload)


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
async def book(journal: SQLiteJournal) -> SQLiteBook:
    return await journal.book(seller="S1", operation="outbound.create", source="orders.csv")


async def states(book: SQLiteBook, *keys: str) -> list[State | None]:
    return [entry and entry.state for entry in await book.look_up(keys)]


async def test_an_item_from_its_sending_to_its_shipping(book: SQLiteBook, clock: Clock) -> None:
    await book.sent([sending("K")])
    clock.now += 2.5
    book.settle("K", State.CREATED, remote_id="id-1")
    book.follow("K", "Preparing")
    assert await book.look_up(["K", "L"]) == [
        Entry(
            key="K",
            state=State.CREATED,
            payload_hash=payload_hash(b"payload"),
            run=book.run,
            sent_at=datetime.fromtimestamp(START, UTC),
            changed_at=datetime.fromtimestamp(START + 2.5, UTC),
            remote_id="id-1",
            followed="Preparing",
        ),
        None,
    ]
    book.settle("K", State.REFUSED, code="unknownProduct", message="no such product")
    (entry,) = await book.look_up(["K"])
    assert entry is not None
    assert (entry.remote_id, entry.code, entry.message) == ("id-1", "unknownProduct", "no such product")


async def test_any_text_is_a_key_and_comes_back_as_it_was(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        book = await journal.book(seller="S\udcff", operation="o", source="\ud800")
        await book.sent([sending(key, key.encode("utf-8", "surrogatepass")) for key in ODD_KEYS])
        for key in ODD_KEYS[::2]:
            book.settle(key, State.FAILED, message=key)
    async with SQLiteJournal(path) as journal:
        again = await journal.book(seller="S\udcff", operation="o")
        entries = await again.look_up(ODD_KEYS)
        assert [entry.key for entry in entries if entry] == ODD_KEYS
        assert [entry.message for entry in entries if entry][::2] == ODD_KEYS[::2]
        assert sorted(entry.key for entry in await again.undecided()) == sorted(ODD_KEYS[1::2])
        assert {
            key: value.decode("utf-8", "surrogatepass") for key, value in (await again.payloads(ODD_KEYS)).items()
        } == {key: key for key in ODD_KEYS}
        assert {entry.key async for entry in journal.entries(book.run)} == set(ODD_KEYS)
        assert (await journal.runs())[0].seller == "S\udcff"


async def test_a_payload_is_kept_until_its_item_is_created_or_refused(book: SQLiteBook) -> None:
    ends = [State.PENDING, State.FAILED, State.UNKNOWN, State.CREATED, State.REFUSED]
    await book.sent([sending(end, end.encode()) for end in ["left", *ends]])
    for end in ends:
        book.settle(end, end)
    assert await book.payloads(["left", *ends, "nobody"]) == {
        key: key.encode() for key in ("left", "pending", "failed", "unknown")
    }
    assert [entry.key for entry in await book.undecided()] == ["left", "unknown"]


async def test_keys_belong_to_a_seller_and_an_operation(journal: SQLiteJournal, book: SQLiteBook) -> None:
    other_seller = await journal.book(seller="S2", operation="outbound.create")
    other_operation = await journal.book(seller="S1", operation="inbound.create")
    await book.sent([sending("K")])
    assert await states(other_seller, "K") == await states(other_operation, "K") == [None]
    assert await other_seller.undecided() == []
    await asyncio.gather(*(one.sent([sending("K")]) for one in (other_seller, other_operation)))
    other_seller.settle("K", State.CREATED)
    assert await states(book, "K") == await states(other_operation, "K") == [State.SENT]
    assert await states(other_seller, "K") == [State.CREATED]


async def test_a_second_run_sees_what_the_first_left_and_takes_over_what_it_sends(journal: SQLiteJournal) -> None:
    first = await journal.book(seller="S", operation="o")
    await first.sent([sending(key) for key in "abc"])
    first.settle("a", State.FAILED)
    first.settle("b", State.UNKNOWN, message="no answer")
    second = await journal.book(seller="S", operation="o")
    assert [(entry.key, entry.run, entry.message) for entry in await second.undecided()] == [
        ("b", first.run, "no answer"),
        ("c", first.run, ""),
    ]
    await second.sent([sending("a")])
    second.settle("a", State.CREATED)
    second.settle("c", State.CREATED)
    await second.flush()
    counts = {record.id: {state: n for state, n in record.counts.items() if n} for record in await journal.runs()}
    assert counts == {first.run: {State.UNKNOWN: 1, State.CREATED: 1}, second.run: {State.CREATED: 1}}
    assert [entry.key async for entry in journal.entries(second.run)] == ["a"]
    assert [entry.key async for entry in journal.entries(first.run, State.UNKNOWN)] == ["b"]
    assert [entry.key async for entry in journal.entries(first.run, [State.UNKNOWN, State.CREATED])] == ["b", "c"]


async def test_the_time_of_the_first_undecided_sending_is_kept(book: SQLiteBook, clock: Clock) -> None:
    await book.sent([sending("unknown"), sending("failed")])
    book.settle("unknown", State.UNKNOWN)
    book.settle("failed", State.FAILED)
    await book.flush()
    clock.now += 60
    await book.sent([sending("unknown"), sending("failed")])
    unknown, failed = await book.look_up(["unknown", "failed"])
    assert unknown is not None
    assert failed is not None
    assert unknown.sent_at == datetime.fromtimestamp(START, UTC)
    assert failed.sent_at == datetime.fromtimestamp(START + 60, UTC)
    assert unknown.changed_at == failed.changed_at == failed.sent_at


@pytest.mark.parametrize("forgotten", [False, True])
async def test_an_illegal_sending_writes_none_of_its_items(path: Path, forgotten: bool) -> None:
    async with SQLiteJournal(path) as journal:
        book = await journal.book(seller="S", operation="o")
        await book.sent([sending("done"), sending("refused")])
        book.settle("done", State.CREATED)
        book.settle("refused", State.REFUSED)
        await book.flush()
        for wrong in (["done"], ["refused"], ["twice", "twice"]):
            with pytest.raises(IllegalTransitionError, match=wrong[0]):
                await book.sent([sending("new"), *map(sending, wrong)])
        await book.sent([sending("refused", b"corrected")])
        assert await states(book, "done", "refused", "new", "twice") == [State.CREATED, State.SENT, None, None]


async def test_an_illegal_settling_is_told_once_by_its_own_flush_and_hinders_nothing_else(
    journal: SQLiteJournal, book: SQLiteBook
) -> None:
    other = await journal.book(seller="S2", operation="o")
    await book.sent([sending("K"), sending("L")])
    book.settle("K", State.CREATED)
    book.settle("K", State.FAILED)
    book.settle("nobody", State.CREATED)
    book.settle("L", State.SENT)
    book.settle("L", State.REFUSED)
    await other.flush()
    with pytest.raises(IllegalTransitionError, match="'K' cannot go from created to failed"):
        await book.flush()
    await book.flush()
    assert await states(book, "K", "L", "nobody") == [State.CREATED, State.REFUSED, None]


async def test_a_mistake_that_no_flush_told_is_told_at_the_end(path: Path) -> None:
    with pytest.raises(IllegalTransitionError, match="'K' cannot go from nothing to created"):
        async with SQLiteJournal(path) as journal:
            (await journal.book(seller="S", operation="o")).settle("K", State.CREATED)


async def test_leaving_writes_what_is_queued(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        book = await journal.book(seller="S", operation="o")
        await book.sent([sending(str(number)) for number in range(500)])
        for number in range(500):
            book.settle(str(number), State.CREATED)
    async with SQLiteJournal(path, read_only=True) as journal:
        assert (await journal.runs())[0].counts[State.CREATED] == 500


async def test_what_is_followed(journal: SQLiteJournal, book: SQLiteBook) -> None:
    keys = [f"{number:04}" for number in range(1203)]
    for start in range(0, len(keys), 1000):
        await book.sent([sending(key) for key in keys[start : start + 1000]])
    for key in keys[:-1]:
        book.settle(key, State.CREATED)
    for key in keys[::2]:
        book.follow(key, "Shipped")
    book.follow("nobody", "Shipped")
    seen = {entry.key: entry.followed async for entry in journal.entries(book.run, State.CREATED)}
    assert list(seen) == keys[:-1]
    assert [key for key, status in seen.items() if status == "Shipped"] == keys[:-1:2]
    assert set(seen.values()) == {"Shipped", ""}


async def test_a_run_is_begun_finished_and_gone_on_with(journal: SQLiteJournal, book: SQLiteBook, clock: Clock) -> None:
    assert book.run[:16] == f"{datetime.fromtimestamp(START, UTC):%Y%m%d-%H%M%S}-"
    await book.sent([sending("K")])
    book.settle("K", State.CREATED)
    clock.now += 9
    await book.finish()
    (record,) = await journal.runs()
    assert (record.id, record.seller, record.operation, record.source) == (
        book.run,
        "S1",
        "outbound.create",
        "orders.csv",
    )
    assert record.finished_at is not None
    assert (record.finished_at - record.started_at).total_seconds() == 9
    again = await journal.book(seller="S1", operation="outbound.create", run=book.run)
    assert again.run == book.run
    assert (await journal.runs())[0].finished_at is None
    for seller, operation, run in (("S2", "outbound.create", book.run), ("S1", "x", book.run), ("S1", "x", "\udcff")):
        with pytest.raises(ConfigurationError, match="run"):
            await journal.book(seller=seller, operation=operation, run=run)
    assert len(await journal.runs()) == 1


async def test_ids_of_runs_sort_by_their_start_and_differ(journal: SQLiteJournal, clock: Clock) -> None:
    names = [(await journal.book(seller="S", operation="o")).run for _ in range(300)]
    assert len(set(names)) == 300
    clock.now += 1
    last = (await journal.book(seller="S", operation="o")).run
    assert max([*names, last]) == last


async def test_a_run_is_forgotten_with_its_items_and_no_others(journal: SQLiteJournal, book: SQLiteBook) -> None:
    kept = await journal.book(seller="S1", operation="outbound.create")
    await kept.sent([sending("kept")])
    for start in range(0, 4500, 900):
        await book.sent([sending(str(number)) for number in range(start, start + 900)])
    for number in range(1, 4500):
        book.settle(str(number), State.CREATED)
    with pytest.raises(JournalError, match="under way in this process"):
        await journal.forget(book.run)
    await book.finish()
    with pytest.raises(JournalError, match="1 undecided items"):
        await journal.forget(book.run)
    assert len([entry async for entry in journal.entries(book.run)]) == 4500
    assert await journal.forget(book.run, force=True) == 4500
    assert [record.id for record in await journal.runs()] == [kept.run]
    assert await states(kept, "kept", "0", "4499") == [State.SENT, None, None]
    assert await kept.payloads(["kept", "0"]) == {"kept": b"payload"}
    with pytest.raises(ConfigurationError, match="no run"):
        await journal.forget(book.run)
    with pytest.raises(ConfigurationError, match="no run"):
        await anext(journal.entries(book.run))


async def test_readers_read_while_a_writer_writes_and_write_nothing(path: Path, book: SQLiteBook) -> None:
    async with Journal.open(path, read_only=True) as reader:
        for number in range(3):
            await book.sent([sending(str(number))])
            assert [entry.key async for entry in reader.entries(book.run)] == [str(n) for n in range(number + 1)]
        with pytest.raises(JournalWriteError, match="reading only"):
            await reader.book(seller="S", operation="o")
        with pytest.raises(JournalWriteError, match="reading only"):
            await reader.forget(book.run)


async def test_a_second_writer_is_refused_also_by_another_name(path: Path, book: SQLiteBook) -> None:
    (path.parent / "link").symlink_to(path)
    for name in ("orders.sqlite", "link"):
        with pytest.raises(JournalInUseError, match="already open for writing in this process") as caught:
            async with SQLiteJournal(path.parent / name):
                pass
        assert caught.value.pid == os.getpid()
    await book.sent([sending("K")])


async def test_every_file_is_its_owners_only(tmp_path: Path, path: Path, book: SQLiteBook) -> None:
    await book.sent([sending("K")])
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}  # noqa: ASYNC240
    assert modes == dict.fromkeys(
        ("orders.sqlite", "orders.sqlite-wal", "orders.sqlite-shm", "orders.sqlite.lock"), 0o600
    )


async def test_a_cancelled_waiter_leaves_all_consistent(book: SQLiteBook) -> None:
    tasks = [asyncio.create_task(book.sent([sending(f"{number}-{part}") for part in "ab"])) for number in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(end is None for end in ends[1::2])
    for number in range(40):
        both = await states(book, f"{number}-a", f"{number}-b")
        assert both in ([[State.SENT] * 2] if number % 2 else [[State.SENT] * 2, [None] * 2])


async def test_a_closing_that_is_cancelled_still_writes_all(path: Path) -> None:
    async def write() -> None:
        async with SQLiteJournal(path) as journal:
            book = await journal.book(seller="S", operation="o")
            await book.sent([sending(str(number)) for number in range(900)])
            for number in range(900):
                book.settle(str(number), State.CREATED)
            asyncio.get_running_loop().call_soon(task.cancel)

    task = asyncio.create_task(write())
    with pytest.raises(asyncio.CancelledError):
        await task
    async with SQLiteJournal(path) as journal:
        assert (await journal.runs())[0].counts[State.CREATED] == 900


async def test_a_journal_that_is_not_open_says_so(path: Path) -> None:
    journal = SQLiteJournal(path)
    with pytest.raises(ClosedError):
        await journal.runs()
    async with journal:
        book = await journal.book(seller="S", operation="o")
        with pytest.raises(ConfigurationError, match="already entered"):
            async with journal:
                pass
        with pytest.raises(ClosedError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, book.flush())
    for call in (lambda: book.settle("K", State.CREATED), lambda: book.follow("K", "x")):
        with pytest.raises(ClosedError):
            call()
    with pytest.raises(ClosedError):
        await book.sent([sending("K")])
    async with journal:
        assert len(await journal.runs()) == 1


async def test_arguments_that_cannot_work_are_told(path: Path, book: SQLiteBook) -> None:
    with pytest.raises(ConfigurationError, match="'process' or 'power', not 'none'"):
        SQLiteJournal(path, durability="none")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="a file or in PostgreSQL, not mysql://"):
        Journal.open("mysql://host/db")
    for call in (book.look_up, book.payloads):
        with pytest.raises(ConfigurationError, match="up to 1000 keys, not 1001"):
            await call([str(number) for number in range(1001)])


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
async def test_durability_is_what_sqlite_is_told(path: Path, durability: str, level: int) -> None:
    async with SQLiteJournal(path, durability=durability) as journal:  # type: ignore[arg-type]
        ask = await journal._thread.call(lambda store: store.connection.execute("PRAGMA synchronous").fetchone())
        mode = await journal._thread.call(lambda store: store.connection.execute("PRAGMA journal_mode").fetchone())
    assert (ask, mode) == ((level,), ("wal",))


async def test_callers_in_flight_share_transactions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    async with SQLiteJournal(path) as journal:
        book = await journal.book(seller="S", operation="o")
        await journal._thread.call(lambda store: store.connection.set_trace_callback(count))
        await asyncio.gather(*(book.sent([sending(str(number))]) for number in range(50)))
        assert 1 <= commits <= 2
        await journal._thread.call(lambda store: store.connection.set_trace_callback(None))


async def fill(book: SQLiteBook) -> list[str]:
    """Send until it cannot be written; what was."""
    done: list[str] = []
    with pytest.raises(JournalWriteError, match="the disk is full: make room"):  # noqa: PT012
        for number in range(5000):
            await book.sent([sending(str(number), os.urandom(1000))])
            done.append(str(number))
    return done


async def check_full(path: Path, *, pages: int | None = None) -> None:
    with pytest.raises(JournalWriteError):  # noqa: PT012
        async with SQLiteJournal(path) as journal:
            book = await journal.book(seller="S", operation="o")
            if pages is not None:
                pragma = f"PRAGMA max_page_count = {pages}"
                await journal._thread.call(lambda store: store.connection.execute(pragma).fetchone())
            done = await fill(book)
            for call in (book.sent([sending("later")]), book.look_up(["0"]), book.flush(), journal.runs()):
                with pytest.raises(JournalWriteError):
                    await call
            book.settle("0", State.CREATED)
    assert len(done) > 10
    async with SQLiteJournal(path, read_only=True) as journal:
        assert {entry.key async for entry in journal.entries(book.run, State.SENT)} == set(done)


async def test_a_full_database_is_told_and_what_was_durable_stays(path: Path) -> None:
    await check_full(path, pages=60)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("mounting a small tmpfs needs root and the right to mount")
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount") or "umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_told_and_what_was_durable_stays(small_disk: Path) -> None:
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


async def test_a_read_only_folder_is_told_to_writers_and_does_for_readers(read_only_folder: Path) -> None:
    path = read_only_folder / "orders.sqlite"
    async with SQLiteJournal(path) as journal:
        book = await journal.book(seller="S", operation="o")
        await book.sent([sending("K")])
    make_read_only(read_only_folder)
    with pytest.raises(JournalWriteError, match=r"Read-only|Permission"):
        async with SQLiteJournal(path):
            pass
    with pytest.raises(JournalWriteError, match=r"Read-only|Permission"):
        async with SQLiteJournal(path.with_name("new")):
            pass
    async with SQLiteJournal(path, read_only=True) as journal:
        assert [entry.key async for entry in journal.entries(book.run)] == ["K"]


async def test_a_read_only_file_is_told_when_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_another_program_that_holds_the_file_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
