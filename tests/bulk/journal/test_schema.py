"""The file: made whole and private, recognised, brought up to date, and left alone when it is not ours."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from octoffm_async.bulk.journal import Sending, SQLiteJournal, payload_hash
from octoffm_async.bulk.journal import schema as module
from octoffm_async.bulk.journal.schema import VERSION, connect, create, migrate, recognise
from octoffm_async.errors import ConfigurationError, JournalDamagedError, JournalError


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
async def test_what_is_no_sound_journal_is_told_and_left_as_it_is(
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


async def test_a_page_that_went_bad_is_told_when_it_is_read_and_the_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    keys = [f"ORDER-{number}" for number in range(900)]
    async with SQLiteJournal(path) as journal:
        book = await journal.book(seller="S", operation="outbound.create")
        await book.sent([Sending(key, payload_hash(b"x" * 90), b"x" * 90) for key in keys])
    content = bytearray(path.read_bytes())
    for page in range(10, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    before = digest(path)
    with pytest.raises(JournalDamagedError, match="is damaged"):
        async with SQLiteJournal(path) as journal:
            assert [entry.key async for entry in journal.entries(book.run)] == []
    assert digest(path) == before


def test_a_journal_is_made_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    (tmp_path / "orders.sqlite.new").write_text("left by a killed process")
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


async def test_a_place_that_is_none_is_told(tmp_path: Path) -> None:
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


STEPS = {1: ["ALTER TABLE entries ADD COLUMN note BLOB"], 2: ["CREATE TABLE notes (a)", "INSERT INTO notes VALUES (1)"]}


def test_steps_lead_from_version_to_version(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    create(path)
    with closing(connect(path)) as connection:
        migrate(connection, 1, steps=STEPS, target=3)
        assert connection.execute("SELECT a FROM notes").fetchall() == [(1,)]
        connection.execute("SELECT note FROM entries")
    assert version_of(path) == 3


def test_a_step_that_fails_leaves_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    create(path)
    with closing(connect(path)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, 1, steps={**STEPS, 2: ["CREATE TABLE notes (a)", "no statement"]}, target=3)
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'notes'").fetchall() == []
    assert version_of(path) == 1


async def test_an_older_journal_is_brought_up_to_date_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "orders.sqlite"
    create(path)
    monkeypatch.setattr(module, "VERSION", 2)
    monkeypatch.setattr(module.migrate, "__kwdefaults__", {"steps": STEPS, "target": 2})
    with pytest.raises(JournalError, match="older version: open it once for writing"):
        async with SQLiteJournal(path, read_only=True):
            pass
    assert version_of(path) == 1
    async with SQLiteJournal(path) as journal:
        assert await journal.runs() == []
    assert version_of(path) == 2
