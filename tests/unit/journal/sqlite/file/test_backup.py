"""A backup is whole at one instant, private, overwrites nothing, and says what it is when it is used."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from octoffm_async.cli.app import run
from octoffm_async.errors import ConfigurationError, JournalError, JournalWriteError
from octoffm_async.journal import OutgoingItem, SQLiteJournal, payload_hash
from octoffm_async.journal.sqlite.file.backup import back_up

pytestmark = pytest.mark.one_loop

NOW = 1_790_000_000.0
NAMES = {"seller": "S", "operation": "outbound.create"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


def beside(path: Path) -> list[str]:
    """What is in a journal's folder beside it and its own side files."""
    return sorted(one.name for one in path.parent.iterdir() if not one.name.startswith(path.name))


def outgoing(key: str) -> OutgoingItem:
    return OutgoingItem(key, payload_hash(key.encode()), key.encode())


async def test_a_backup_of_a_journal_that_is_being_written_is_whole_and_private(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "backup.sqlite"
    before = os.umask(0)
    try:
        async with SQLiteJournal(path) as journal:
            journal_run = await journal.begin_run(**NAMES)
            await journal_run.mark_sent([outgoing("A")])
            back_up(path, target, now=NOW)
            await journal_run.mark_sent([outgoing("B")])
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o600
    assert beside(path) == ["backup.sqlite"]
    for message_count in (1, 1):  # once
        async with SQLiteJournal(target) as journal:
            journal_run = await journal.begin_run(**NAMES)
            assert [entry.key for entry in await journal_run.undecided()] == ["A"]
        messages = [record.getMessage() for record in caplog.records if record.name == "octoffm_async"]
        assert len(messages) == message_count
        assert "is a backup: what was sent since 2026-09-21 14:13:20+00:00" in messages[0]


@pytest.mark.parametrize("there", ["backup.sqlite", "backup.sqlite-wal"])
async def test_a_backup_overwrites_nothing(path: Path, tmp_path: Path, there: str) -> None:
    async with SQLiteJournal(path):
        pass
    (tmp_path / there).write_text("precious")
    with pytest.raises(ConfigurationError, match=r"is there already: a backup overwrites nothing"):
        back_up(path, tmp_path / "backup.sqlite", now=NOW)
    assert (tmp_path / there).read_text() == "precious"
    with pytest.raises(ConfigurationError, match="is there already"):
        back_up(path, path, now=NOW)


def test_what_is_no_journal_or_cannot_be_written_is_reported_and_leaves_nothing(path: Path, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        back_up(path, tmp_path / "backup", now=NOW)
    path.write_text("text " * 1000)
    with pytest.raises(JournalError, match="is not a journal"):
        back_up(path, tmp_path / "backup", now=NOW)
    path.unlink()
    asyncio.run(make(path))
    with pytest.raises(ConfigurationError, match="does not exist"):
        back_up(path, tmp_path / "nowhere" / "backup", now=NOW)
    with pytest.raises(JournalWriteError, match="cannot be made"):
        back_up(path, tmp_path / ("b" * 256), now=NOW)
    assert beside(path) == []


async def make(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        await journal.begin_run(**NAMES)


@pytest.mark.parametrize("named", [True, False])
def test_the_command_makes_a_backup_that_commands_can_read(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    asyncio.run(make(path))
    target = [str(tmp_path / "backup")] if named else []
    assert run(["jobs", "backup", str(path), *target]) == 0
    message_count = capsys.readouterr().out
    (made,) = [one for one in tmp_path.iterdir() if str(one) in message_count and one != path]
    assert run(["jobs", "list", "--journal", str(made)]) == 0
    assert "outbound.create" in capsys.readouterr().out
    assert run(["jobs", "backup", str(path), str(made)]) == 2
    assert "overwrites nothing" in capsys.readouterr().err
    assert run(["jobs", "backup", str(tmp_path / "none")]) == 2
    assert "there is no journal" in capsys.readouterr().err
