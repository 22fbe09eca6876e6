"""A file without its log is never taken for the whole journal, and a whole one never for a part."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from octoffm_async.errors import JournalDamagedError
from octoffm_async.journal import JournalRun, OutgoingItem, SQLiteJournal, State, payload_hash
from octoffm_async.journal.sqlite import schema
from octoffm_async.journal.sqlite.file import completeness
from octoffm_async.journal.sqlite.file.completeness import log_of
from octoffm_async.journal.sqlite.schema import VERSION, recognise

pytestmark = pytest.mark.one_loop

NAMES = {"seller": "S", "operation": "outbound.create"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


def copied(path: Path, name: str, *, log: bool) -> Path:
    """The file, with its log or without, in a folder of its own."""
    folder = path.parent / name
    folder.mkdir()
    for one in (path, log_of(path)) if log else (path,):
        if one.exists():
            shutil.copy(one, folder)
    return folder / path.name


def known(path: Path) -> list[str]:
    """All that a file, with the log beside it, has, but for the mark and the time of its last change."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if "standing" not in line and 'INTO "known"' not in line]


async def send(journal_run: JournalRun, *keys: str) -> None:
    await journal_run.mark_sent([OutgoingItem(key, payload_hash(key.encode()), key.encode()) for key in keys])


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_copy_of_the_file_alone_is_refused_while_the_journal_is_open(path: Path, read_only: bool) -> None:
    async with SQLiteJournal(path) as journal:
        await send(await journal.begin_run(**NAMES), "A", "B")
        part, whole = copied(path, "part", log=False), copied(path, "whole", log=True)
    before = part.read_bytes()
    for _ in range(2):  # looking at it does not make it whole
        with pytest.raises(
            JournalDamagedError, match=r"orders\.sqlite-wal, which is missing; restore orders\.sqlite-wal too"
        ):
            async with SQLiteJournal(part, read_only=read_only):
                pass
    assert part.read_bytes() == before
    async with SQLiteJournal(whole) as journal:
        assert [entry.key for entry in await (await journal.begin_run(**NAMES)).undecided()] == ["A", "B"]


async def test_after_a_clean_close_the_file_alone_is_the_journal(path: Path) -> None:
    async with SQLiteJournal(path) as journal, SQLiteJournal(path, read_only=True) as reader:
        await send(await journal.begin_run(**NAMES), "A")
        assert len(await reader.runs()) == 1
        await journal.__aexit__(None, None, None)
        alone = copied(path, "beside a reader", log=False)
        await journal.__aenter__()
    async with SQLiteJournal(alone) as journal:
        assert [entry.key for entry in await (await journal.begin_run(**NAMES)).undecided()] == ["A"]
    assert not log_of(alone).exists()
    assert recognise(copied(alone, "alone", log=False)) == VERSION


async def test_a_log_whose_file_is_gone_is_reported_and_kept(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        await send(await journal.begin_run(**NAMES), "A")
        whole = copied(path, "whole", log=True)
    whole.unlink()
    before = log_of(whole).read_bytes()
    with pytest.raises(
        JournalDamagedError, match=r"is gone, and orders\.sqlite-wal is left of it: restore orders\.sqlite too"
    ):
        async with SQLiteJournal(whole):
            pass
    assert not whole.exists()
    assert log_of(whole).read_bytes() == before


KILLED = """
import asyncio, os, signal, sys
from octoffm_async.journal import OutgoingItem, SQLiteJournal, payload_hash

async def main():
    async with SQLiteJournal(sys.argv[1]) as journal:
        journal_run = await journal.begin_run(seller="S", operation="outbound.create")
        await journal_run.mark_sent([OutgoingItem("A", payload_hash(b"a"), b"a")])
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.parametrize("by_another_program", [False, True])
def test_a_killed_journal_is_whole_with_its_log_and_when_another_program_has_copied_that(
    path: Path, by_another_program: bool
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    part = copied(path, "part", log=False)
    if by_another_program:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT * FROM runs").fetchall()
        assert not log_of(path).exists()
    assert recognise(path) == VERSION
    assert any('INSERT INTO "batches"' in line for line in known(path))
    with pytest.raises(JournalDamagedError):
        recognise(part)


@pytest.mark.parametrize("copy_at", [1, 20_000])
async def test_at_every_instant_the_files_together_are_whole_and_what_is_less_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, copy_at: int
) -> None:
    """A copy before each statement, as a kill would leave it; also of a log that is copied again and again."""
    monkeypatch.setattr(completeness, "_COPY_AT", copy_at)
    copies: list[tuple[Path, Path]] = []
    connect = schema.connect

    def watched(at: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(at, read_only=read_only)
        if not read_only:
            connection.set_trace_callback(lambda _: copies.append(both(len(copies))))
        return connection

    def both(number: int) -> tuple[Path, Path]:
        return copied(path, f"whole {number}", log=True), copied(path, f"part {number}", log=False)

    monkeypatch.setattr(schema, "connect", watched)
    for key in ("A", "B"):
        async with SQLiteJournal(path) as journal:
            journal_run = await journal.begin_run(**NAMES)
            await send(journal_run, key * 2000, key * 1000)
            journal_run.record_outcome(key * 1000, State.CREATED)
            await journal_run.flush()
    monkeypatch.setattr(schema, "connect", connect)
    refused = 0
    for whole, part in copies:
        assert recognise(whole) == VERSION
        try:
            assert recognise(part) == VERSION
        except JournalDamagedError:
            refused += 1
        else:
            assert known(part) == known(whole)
    assert 10 < refused < len(copies)


async def test_a_long_log_is_copied_and_cut_and_not_copied_at_each_change(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completeness, "_COPY_AT", 100_000)
    sizes: list[int] = []
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(**NAMES)
        for number in range(60):
            await send(journal_run, f"{number}" * 500)
            sizes.append(log_of(path).stat().st_size)
    cuts = sum(after < before for before, after in pairwise(sizes))
    assert 1 <= cuts < 30
    assert max(sizes) < 200_000


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("copy_at", [1, 16_000_000])
async def test_a_reader_that_holds_up_the_copying_makes_no_part_of_a_whole_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch, copy_at: int, killed: bool
) -> None:
    monkeypatch.setattr(completeness, "_COPY_AT", copy_at)
    async with SQLiteJournal(path) as journal:
        await send(await journal.begin_run(**NAMES), "A")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        async with SQLiteJournal(path) as journal:
            journal_run = await journal.begin_run(**NAMES)
            for key in "BC":
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM runs").fetchall()
                await send(journal_run, key)
                reader.execute("COMMIT")
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM runs").fetchall()
            await send(journal_run, "D")
            whole = copied(path, "whole", log=True)  # as a kill would leave it
            reader.execute("COMMIT")
    if killed:
        path = whole
        async with SQLiteJournal(path):  # opened, and nothing was written
            pass
    alone = copied(path, "alone", log=False)
    async with SQLiteJournal(alone) as journal:
        assert [entry.key for entry in await (await journal.begin_run(**NAMES)).undecided()] == list("ABCD")
