"""The journals that all do the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from octoffm_async.journal import Journal, JournalRun, OutgoingItem, SQLiteJournal, payload_hash
from tests.support.servers import postgres, postgres_server  # noqa: F401  (fixtures)

START = 1_790_000_000.0


def outgoing(key: str, payload: bytes = b"payload") -> OutgoingItem:
    return OutgoingItem(key, payload_hash(payload), payload)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class SQLiteKind:
    """A journal in a file; its clock stands until it is told to go on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock = Clock()

    def open(self, **options: Any) -> Journal:
        return SQLiteJournal(self.path, clock=self._clock, **options)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now, UTC)

    async def later(self) -> None:
        self._clock.now += 60


class PostgresKind:
    """A journal in PostgreSQL; its clock is the server's."""

    def __init__(self, address: str) -> None:
        self.address = address

    def open(self, **options: Any) -> Journal:
        return Journal.open(self.address, **options)

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def later(self) -> None:
        await asyncio.sleep(0.1)


Kind = SQLiteKind | PostgresKind


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param == "sqlite":
        return SQLiteKind(tmp_path / "orders.sqlite")
    return PostgresKind(request.getfixturevalue("postgres"))


@pytest.fixture
async def journal(kind: Kind) -> AsyncIterator[Journal]:
    async with kind.open() as journal:
        yield journal


@pytest.fixture
async def journal_run(journal: Journal) -> JournalRun:
    return await journal.begin_run(seller="S1", operation="outbound.create", source="orders.csv")
