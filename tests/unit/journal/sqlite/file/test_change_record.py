"""An older state of a journal that is put back is noticed by the file system's times; what is as it was left is not."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from octoffm_async.errors import JournalDamagedError
from octoffm_async.journal import Journal, OutgoingItem, SQLiteJournal, State, payload_hash
from octoffm_async.journal.sqlite.file import change_record as gap_module
from octoffm_async.journal.sqlite.file.backup import back_up
from octoffm_async.journal.sqlite.file.change_record import KEPT, TOLERANCE, Gap

NAMES: dict[str, Any] = {"seller": "S1", "operation": "outbound.create"}
AGO = 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    return lambda: [record.getMessage() for record in caplog.records if "looked up before it is sent" in record.message]


@pytest.fixture
def ago(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets journals believe that it is so many seconds earlier; files do not."""
    return lambda seconds: monkeypatch.setattr(
        gap_module, "time", SimpleNamespace(time=lambda: time.time() - seconds) if seconds else time
    )


async def use(path: Path, *keys: str, verify_first: bool = False) -> Gap | None:
    """Open the journal and send something; the gap that it knows of."""
    async with Journal.open(path, verify_first=verify_first) as journal:
        if keys:
            journal_run = await journal.begin_run(**NAMES)
            await journal_run.mark_sent([OutgoingItem(key, payload_hash(b""), b"") for key in keys])
            for key in keys:
                journal_run.record_outcome(key, State.CREATED, remote_id=key)
        return journal.gap


def copied(path: Path, folder: Path) -> list[Path]:
    """Copies of a journal's files, with their times."""
    folder.mkdir()
    return [Path(shutil.copy2(file, folder)) for file in path.parent.glob(path.name + "*") if file.is_file()]


async def test_a_journal_that_is_as_it_was_left_has_no_gap(path: Path, logged: Callable[[], list[str]]) -> None:
    for key in ("A", "B", "C"):
        assert await use(path, key) is None
        assert await use(path) is None
        async with Journal.open(path, read_only=True) as reader:
            await reader.runs()
    assert logged() == []


KILLED = """
import asyncio, os, sys
from octoffm_async.journal import Journal, OutgoingItem
async def main():
    async with Journal.open(sys.argv[1]) as journal:
        journal_run = await journal.begin_run(seller="S1", operation="outbound.create")
        for number in range(3):
            await journal_run.mark_sent([OutgoingItem(f"K-{number}", bytes(16), b"{}")])
        os._exit(9)
asyncio.run(main())
"""


async def test_nor_has_one_whose_process_was_killed(path: Path) -> None:
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED, str(path)], check=False)
    async with Journal.open(path) as journal:
        assert journal.gap is None
        assert len(await (await journal.begin_run(**NAMES)).undecided()) == 3


def in_place(copy: Path, path: Path) -> None:
    path.write_bytes(copy.read_bytes())


def with_its_times(copy: Path, path: Path) -> None:
    path.unlink()
    shutil.copy2(copy, path)


def renamed(copy: Path, path: Path) -> None:
    copy.replace(path)


@pytest.mark.parametrize("put_back", [in_place, with_its_times, renamed])
@pytest.mark.parametrize("lock", ["kept", "lost"])
async def test_an_older_state_is_noticed_however_it_is_put_back(
    path: Path,
    ago: Callable[[float], None],
    logged: Callable[[], list[str]],
    put_back: Callable[[Path, Path], None],
    lock: str,
) -> None:
    ago(AGO)
    await use(path, "A")
    copies = copied(path, path.parent / "copies")
    ago(0)
    await use(path, "B")
    for copy in copies:
        if copy.name == path.name:
            put_back(copy, path)
    if lock == "lost":
        path.with_name(path.name + ".lock").unlink()
    now = datetime.now(UTC)
    found = await use(path, "C")
    assert found is not None
    assert now - timedelta(seconds=AGO + 60) < found.since < now - timedelta(seconds=AGO - 60)
    assert found.until - now < timedelta(seconds=60)
    assert len(logged()) >= 1
    count = len(logged())
    later = await use(path)
    assert later is not None  # the next run may bring what was sent in the gap, too
    assert abs(later.since - found.since) < timedelta(seconds=1)
    assert len(logged()) == count


async def test_a_gap_is_forgotten_after_some_time(
    path: Path, ago: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ago(AGO)
    await use(path, "A")
    ago(0)
    await asyncio.to_thread(path.chmod, 0o600)
    assert await use(path, "B") is not None

    def in_days(days: timedelta) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return datetime.now(UTC) + days

        monkeypatch.setattr(gap_module, "datetime", Clock)

    in_days(KEPT - timedelta(minutes=1))
    assert await use(path) is not None
    in_days(KEPT + timedelta(minutes=1))
    assert await use(path) is None


async def test_a_backup_that_is_put_back_has_a_gap_from_its_own_time(path: Path) -> None:
    await use(path, "A")
    made = time.time() - AGO
    target = path.with_name("backup.sqlite")
    back_up(path, target, now=made)
    async with SQLiteJournal(target) as journal:
        assert journal.gap is not None
        assert journal.gap.since == datetime.fromtimestamp(int(made * 1000) / 1000, UTC)


async def test_a_file_without_its_log_is_taken_by_who_looks_everything_up(path: Path, tmp_path: Path) -> None:
    part = tmp_path / "part" / path.name
    part.parent.mkdir()
    async with Journal.open(path) as journal:
        journal_run = await journal.begin_run(**NAMES)
        await journal_run.mark_sent([OutgoingItem("A", payload_hash(b""), b"")])
        shutil.copy(path, part)
    with pytest.raises(JournalDamagedError, match=r"--verify-first \(verify_first=True\)"):
        await use(part)
    assert await use(part, "B", verify_first=True) is not None
    assert await use(part) is not None  # and is a journal again, with a gap


async def test_what_takes_long_to_be_written_is_no_gap(path: Path, ago: Callable[[float], None]) -> None:
    ago(TOLERANCE - 1)
    await use(path, "A")
    ago(0)
    assert await use(path) is None


async def test_a_server_of_files_whose_clock_is_ahead_is_no_gap(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap_module, "time", SimpleNamespace(time=lambda: time.time() - AGO))
    await use(path, "A")
    assert await use(path) is None
