"""The file: made whole and private, recognised, brought up to date, and left alone when it is not ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from octoffm_async.errors import ConfigurationError, JournalDamagedError, JournalError
from octoffm_async.journal import OutgoingItem, SQLiteJournal, State, payload_hash
from octoffm_async.journal.sqlite import schema as module
from octoffm_async.journal.sqlite.schema import VERSION, connect, create, migrate, recognise


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def text(path: Path) -> None:
    path.write_text("reference;quantity\n" * 100)


def short_text(path: Path) -> None:
    path.write_text("hello")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE entries (a); PRAGMA application_id = 7; PRAGMA user_version = 1")


def nobodys(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE precious (a)")


def newer(path: Path) -> None:
    create(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def without_a_table(path: Path) -> None:
    create(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE payloads")


def cut(path: Path) -> None:
    create(path)
    os.truncate(path, path.stat().st_size - 1)


def cut_to_a_page(path: Path) -> None:
    create(path)
    os.truncate(path, 4096)


def cut_to_the_header(path: Path) -> None:
    create(path)
    os.truncate(path, 60)


def scribbled(path: Path) -> None:
    create(path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 200)


BAD: dict[Callable[[Path], None], str] = {
    text: "is not a journal but some other file",
    short_text: "is not a journal",
    foreign: r"a database of another program \(application id 0x7\)",
    nobodys: r"a database of another program \(application id 0x0\)",
    newer: rf"newer octoffm_async \(version {VERSION + 1}, known here up to {VERSION}\): update",
    without_a_table: "is damaged .it has no table payloads",
    cut: r"is damaged .it has \d+ bytes of \d+",
    cut_to_a_page: "is damaged",
    cut_to_the_header: "is damaged",
    scribbled: "is damaged",
}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(("make", "message"), BAD.items(), ids=[make.__name__ for make in BAD])
async def test_what_is_no_sound_journal_is_reported_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], message: str, read_only: bool
) -> None:
    path = tmp_path / "orders.sqlite"
    make(path)
    before = digest(path)
    with pytest.raises(JournalDamagedError, match=message) as caught:
        async with SQLiteJournal(path, read_only=read_only):
            pass
    assert str(path) in str(caught.value)
    assert digest(path) == before
    assert not (tmp_path / "orders.sqlite.lock").exists() or not (tmp_path / "orders.sqlite.lock").read_bytes()


async def test_a_newer_journal_with_a_log_of_a_killed_process_is_left_as_it_is(tmp_path: Path) -> None:
    path, copy = tmp_path / "a", tmp_path / "b"
    newer(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO scopes (seller, operation) VALUES (x'31', x'32')")
        connection.commit()
        for end in ("", "-wal"):
            copy.with_name(copy.name + end).write_bytes(path.with_name(path.name + end).read_bytes())
    before = digest(copy), digest(tmp_path / "b-wal")
    assert (tmp_path / "b-wal").stat().st_size > 0
    with pytest.raises(JournalDamagedError, match="newer"):
        async with SQLiteJournal(copy):
            pass
    assert (digest(copy), digest(tmp_path / "b-wal")) == before


async def test_a_page_that_went_bad_is_reported_when_it_is_read_and_the_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    keys = [f"ORDER-{number}" for number in range(900)]
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="outbound.create")
        await journal_run.mark_sent([OutgoingItem(key, payload_hash(b"x" * 90), b"x" * 90) for key in keys])
    content = bytearray(path.read_bytes())
    for page in range(10, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    before = digest(path)
    with pytest.raises(JournalDamagedError, match="is damaged"):
        async with SQLiteJournal(path) as journal:
            assert [entry.key async for entry in journal.entries(journal_run.run)] == []
    assert digest(path) == before


def test_a_journal_is_made_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    before = os.umask(0)
    try:
        create(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["orders.sqlite"]  # noqa: PTH208
    assert recognise(path) == VERSION


def test_nothing_and_an_empty_file_are_journals_to_be_made(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    assert recognise(path) is None
    path.touch()
    assert recognise(path) is None


async def test_a_place_that_is_none_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"folder .*nowhere does not exist"):
        async with SQLiteJournal(tmp_path / "nowhere" / "orders.sqlite"):
            pass
    with pytest.raises(ConfigurationError, match="is a folder"):
        async with SQLiteJournal(tmp_path):
            pass
    with pytest.raises(JournalError, match="there is no journal"):
        async with SQLiteJournal(tmp_path / "orders.sqlite", read_only=True):
            pass
    assert os.listdir(tmp_path) == []  # noqa: PTH208


STEPS = {
    VERSION: ["ALTER TABLE entries ADD COLUMN note BLOB"],
    VERSION + 1: ["CREATE TABLE notes (a)", "INSERT INTO notes VALUES (1)"],
}


def test_steps_lead_from_version_to_version(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    create(path)
    with closing(connect(path)) as connection:
        migrate(connection, VERSION, steps=STEPS, target=VERSION + 2)
        assert connection.execute("SELECT a FROM notes").fetchall() == [(1,)]
        connection.execute("SELECT note FROM entries")
    assert version_of(path) == VERSION + 2


def test_a_step_that_fails_leaves_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    create(path)
    with closing(connect(path)) as connection:
        steps = {**STEPS, VERSION + 1: ["CREATE TABLE notes (a)", "no statement"]}
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, VERSION, steps=steps, target=VERSION + 2)
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'notes'").fetchall() == []
    assert version_of(path) == VERSION


VERSION_1 = (
    """CREATE TABLE scopes (
        scope_id INTEGER PRIMARY KEY, seller BLOB NOT NULL, operation BLOB NOT NULL, UNIQUE (seller, operation))""",
    """CREATE TABLE runs (
        run_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, scope_id INTEGER NOT NULL,
        source BLOB NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER,
        pending INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL DEFAULT 0,
        refused INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE entries (
        scope_id INTEGER NOT NULL, key BLOB NOT NULL, state INTEGER NOT NULL, run_id INTEGER NOT NULL,
        payload_hash BLOB NOT NULL, sent_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
        remote_id BLOB, code BLOB, message BLOB, followed BLOB,
        PRIMARY KEY (scope_id, key)) WITHOUT ROWID""",
    """CREATE TABLE payloads (
        scope_id INTEGER NOT NULL, key BLOB NOT NULL, payload BLOB NOT NULL,
        PRIMARY KEY (scope_id, key)) WITHOUT ROWID""",
    "INSERT INTO scopes VALUES (1, x'53', x'6f')",
    "INSERT INTO runs VALUES (1, '20260801-101500-3fa1', 1, x'', 1790000000000, NULL, 0, 2, 1, 0, 1, 0)",
    *(
        f"INSERT INTO entries VALUES (1, x'{key.hex()}', {state}, 1, x'{payload_hash(key).hex()}', "  # noqa: S608
        "1790000000000, 1790000000500, NULL, NULL, NULL, NULL)"
        for key, state in ((b"a", 1), (b"b", 1), (b"c", 2), (b"d", 4))
    ),
    *(f"INSERT INTO payloads VALUES (1, x'{key.hex()}', x'{key.hex()}')" for key in (b"a", b"b", b"d")),  # noqa: S608
    f"PRAGMA application_id = {module.APPLICATION_ID}",
    "PRAGMA user_version = 1",
    "PRAGMA journal_mode = WAL",
)


async def test_a_journal_of_version_1_is_brought_up_to_date_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("; ".join(VERSION_1))
    with pytest.raises(JournalError, match="older version: open it once for writing"):
        async with SQLiteJournal(path, read_only=True):
            pass
    assert version_of(path) == 1
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o", run="20260801-101500-3fa1")
        assert [entry.key for entry in await journal_run.undecided()] == ["a", "b"]
        await journal_run.mark_sent([OutgoingItem(key, payload_hash(key.encode()), key.encode()) for key in "de"])
        for key in "ad":
            journal_run.record_outcome(key, State.CREATED, remote_id=key)
        await journal_run.flush()
        assert await journal_run.payloads(list("abcde")) == {"b": b"b", "e": b"e"}
    assert version_of(path) == VERSION
    async with SQLiteJournal(path, read_only=True) as journal:
        (record,) = await journal.runs()
        entries = {entry.key: entry.state async for entry in journal.entries(record.id)}
    assert entries == {"a": "created", "b": "sent", "c": "created", "d": "created", "e": "sent"}
    assert {state: count for state, count in record.counts.items() if count} == {State.CREATED: 3, State.SENT: 2}


def test_a_crash_while_a_journal_is_brought_up_to_date_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("; ".join(VERSION_1))
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in module.STEPS[1]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        for end in ("", "-wal"):
            path.with_name(f"copy{end}").write_bytes(path.with_name(path.name + end).read_bytes())
    assert recognise(tmp_path / "copy") == 1
    with closing(connect(tmp_path / "copy")) as connection:
        migrate(connection, 1)
        assert connection.execute("SELECT * FROM batches").fetchall() == []
    assert recognise(tmp_path / "copy") == VERSION


async def test_what_was_sent_together_and_cannot_be_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([OutgoingItem("a", payload_hash(b"a"), b"a")])
        killed = tmp_path / "killed.sqlite"
        for end in ("", "-wal"):
            shutil.copy(f"{path}{end}", f"{killed}{end}")
    path = killed
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("UPDATE batches SET items = substr(items, 1, 9)").rowcount == 1
    before = digest(path)
    with pytest.raises(JournalDamagedError, match="what was sent together cannot be read"):
        async with SQLiteJournal(path):
            pass
    async with SQLiteJournal(path, read_only=True) as journal:
        with pytest.raises(JournalDamagedError, match="what was sent together cannot be read"):
            await journal.runs()
    assert digest(path) == before
