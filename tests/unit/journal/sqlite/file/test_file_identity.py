"""An open journal keeps its name, or is saved under another one and sends nothing more."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import Created, Skipped
from octoffm_async.errors import JournalError, JournalWriteError
from octoffm_async.journal import OutgoingItem, SQLiteJournal, payload_hash
from octoffm_async.journal.sqlite.file import file_identity
from octoffm_async.journal.sqlite.file.lock import holder_of
from tests.support.items import all_of, orders, serving

pytestmark = pytest.mark.one_loop

NAMES = {"seller": "S", "operation": "outbound.create"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


def outgoing(key: str) -> OutgoingItem:
    return OutgoingItem(key, payload_hash(key.encode()), key.encode())


def remove(name: Path) -> None:
    name.unlink()


def replace(name: Path) -> None:
    content = name.read_bytes()
    name.rename(name.with_name("elsewhere"))
    name.write_bytes(content)


@pytest.mark.parametrize("end", ["", "-wal", ".lock"])
@pytest.mark.parametrize("act", [remove, replace])
async def test_a_journal_that_lost_a_name_takes_nothing_more_and_is_saved(path: Path, act: Any, end: str) -> None:
    name = path.with_name(path.name + end)
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(**NAMES)
        await journal_run.mark_sent([outgoing("A")])
        act(name)
        with pytest.raises(JournalWriteError, match="was removed or replaced while the journal was open") as caught:
            await journal_run.mark_sent([outgoing("B")])
        assert str(name) in str(caught.value)
        with pytest.raises(JournalWriteError):
            await journal_run.mark_sent([outgoing("C")])
    (saved,) = path.parent.glob(f"{path.name}.saved-{os.getpid()}-*")
    assert saved.stat().st_mode & 0o777 == 0o600
    saved.rename(path.with_name("again.sqlite"))
    async with SQLiteJournal(path.with_name("again.sqlite")) as journal:
        assert [entry.key for entry in await (await journal.begin_run(**NAMES)).undecided()] == ["A"]


async def test_a_run_whose_journal_is_removed_sends_nothing_more_and_goes_on_from_what_was_saved(path: Path) -> None:
    async with serving() as (sandbox, client):

        def removing() -> Any:
            for number, item in enumerate(orders(1200)):
                if number == 900:
                    path.unlink()
                yield item

        _, error = await all_of(client.bulk.create_outbound(removing(), journal=path))
        assert isinstance(error, JournalWriteError)
        assert 0 < len(sandbox.effects.outbound) < 1200
        (saved,) = path.parent.glob(f"{path.name}.saved-*")
        saved.rename(path)
        outcomes, error = await all_of(client.bulk.create_outbound(orders(1200), journal=path, patience=0))
        assert error is None
        assert {type(outcome) for outcome in outcomes} == {Created, Skipped}
        assert set(sandbox.effects.outbound.values()) == {1}
        assert len(sandbox.effects.outbound) == 1200


async def make(path: Path) -> None:
    async with SQLiteJournal(path):
        pass


def test_a_second_name_is_refused_for_writing(path: Path, tmp_path: Path) -> None:
    asyncio.run(make(path))
    os.link(path, tmp_path / "other.sqlite")
    for name in (path, tmp_path / "other.sqlite"):
        with pytest.raises(JournalError, match=r"has 2 names \(hard links\)"):
            asyncio.run(make(name))
        assert holder_of(name) is None
    (tmp_path / "other.sqlite").unlink()
    asyncio.run(make(path))


def test_a_file_that_is_mounted_alone_is_refused_for_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts, alone = tmp_path / "mountinfo", tmp_path / "my orders"
    shown = str(alone).replace(" ", "\\040")
    mounts.write_text(f"1 2 0:1 / / rw - overlay overlay rw\n3 1 8:1 /x {shown} rw - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(file_identity, "_MOUNTS", mounts)
    with pytest.raises(JournalError, match="is mounted without its folder"):
        asyncio.run(make(alone))
    asyncio.run(make(tmp_path / "my"))
    mounts.unlink()
    asyncio.run(make(alone))
