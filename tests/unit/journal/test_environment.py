"""A seller's part of a journal belongs to one API and one account: in a file and in PostgreSQL alike."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from octoffm_async.config import Config
from octoffm_async.errors import JournalError, OtherEnvironmentError
from octoffm_async.journal import Environment, Journal, OutgoingItem, SQLiteJournal, environment_of, payload_hash
from octoffm_async.journal.environment import check_same
from octoffm_async.stores.database import Database

from .conftest import Kind

pytestmark = pytest.mark.one_loop

STAGING = Environment("https://staging.example/v2", "0a0a")
PRODUCTION = Environment("https://api.example/v2", "0b0b")


def settings(**changes: str) -> Config:
    given = {"client_id": "me", "client_secret": "hush-hush", "seller_id": "1"}
    return Config(**given | {"base_url": "https://api.example/v2", "token_url": "https://auth.example/token"} | changes)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What this package said; asyncio tells of slow steps beside it."""
    return [record.getMessage() for record in caplog.records if record.name == "octoffm_async"]


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "HTTPS://API.example:443/v2/"},
        {"client_secret": "another"},
        {"seller_id": "2"},
        {"token_url": "https://AUTH.example:443/token"},
    ],
)
def test_these_are_the_same_environment(changes: dict[str, str]) -> None:
    assert environment_of(settings(**changes)) == environment_of(settings())


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "https://staging.example/v2"},
        {"base_url": "https://api.example:8443/v2"},
        {"base_url": "https://api.example/staging/v2"},
        {"client_id": "you"},
        {"token_url": "https://auth.example/staging/token"},
    ],
)
def test_these_are_another_one(changes: dict[str, str]) -> None:
    assert environment_of(settings(**changes)) != environment_of(settings())


def test_no_credential_is_kept() -> None:
    kept = environment_of(settings(base_url="https://[2001:db8::1]:8443/v2", client_id="my-client"))
    assert kept.api == "https://[2001:db8::1]:8443/v2"
    assert not any(secret in repr(kept) for secret in ("my-client", "hush-hush"))


def test_another_api_and_another_account_are_distinguished() -> None:
    with pytest.raises(OtherEnvironmentError) as caught:
        check_same("orders.sqlite", "S1", STAGING, PRODUCTION)
    assert (caught.value.known, caught.value.given) == (STAGING.api, PRODUCTION.api)
    message = str(caught.value)
    for word in ("orders.sqlite", "S1", STAGING.api, PRODUCTION.api, "nothing was sent", "octoffm jobs rebind"):
        assert word in message
    with pytest.raises(OtherEnvironmentError, match="account 0b0b, and this client's account there is 0c0c"):
        check_same("orders.sqlite", "S1", PRODUCTION, Environment(PRODUCTION.api, "0c0c"))


async def test_another_environment_is_refused_until_the_journal_is_rebound(kind: Kind) -> None:
    names = {"seller": "S1", "operation": "outbound.create"}
    async with kind.open() as journal:
        journal_run = await journal.begin_run(**names, environment=STAGING)
        await journal_run.mark_sent([OutgoingItem("A", payload_hash(b"a"), b"a")])
    async with kind.open() as journal:
        for operation in ("outbound.create", "inbound.create"):
            with pytest.raises(OtherEnvironmentError):
                await journal.begin_run(seller="S1", operation=operation, environment=PRODUCTION)
        with pytest.raises(OtherEnvironmentError):
            await journal.begin_run(**names, run=journal_run.run, environment=PRODUCTION)
        other = await journal.begin_run(seller="S2", operation="outbound.create", environment=PRODUCTION)
        again = await journal.begin_run(**names, environment=STAGING)
        assert [entry and entry.key for entry in await again.look_up(["A"])] == ["A"]
        assert {record.id: record.api for record in await journal.runs()} == {
            journal_run.run: STAGING.api,
            other.run: PRODUCTION.api,
            again.run: STAGING.api,
        }
        assert await journal.rebind(seller="S1", environment=PRODUCTION) == STAGING
        moved = await journal.begin_run(**names, environment=PRODUCTION)
        assert [entry and entry.key for entry in await moved.look_up(["A"])] == ["A"]
        with pytest.raises(OtherEnvironmentError):
            await journal.begin_run(**names, environment=STAGING)


async def test_a_refused_use_leaves_no_run_and_no_key(kind: Kind) -> None:
    async with kind.open() as journal:
        await journal.begin_run(seller="S1", operation="o", environment=STAGING)
        before = await journal.runs()
        with pytest.raises(OtherEnvironmentError):
            await journal.begin_run(seller="S1", operation="o", environment=PRODUCTION)
        assert await journal.runs() == before


async def test_orders_of_an_unknown_environment_get_the_one_of_their_first_use_which_the_log_says_once(
    kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="octoffm_async")
    async with kind.open() as journal:
        await journal.begin_run(seller="S1", operation="o")
        await journal.begin_run(seller="S2", operation="o", environment=PRODUCTION)  # new: nothing to tell
        assert warnings_of(caplog) == []
        for _ in range(2):
            await journal.begin_run(seller="S1", operation="o", environment=STAGING)
        (message,) = warnings_of(caplog)
        assert STAGING.api in message
        assert "S1" in message
        with pytest.raises(OtherEnvironmentError):
            await journal.begin_run(seller="S1", operation="o", environment=PRODUCTION)


async def test_a_reader_and_one_who_names_no_environment_are_never_refused(kind: Kind) -> None:
    async with kind.open() as journal:
        await journal.begin_run(seller="S1", operation="o", environment=STAGING)
        await journal.begin_run(seller="S1", operation="o")
    async with kind.open(read_only=True) as journal:
        assert len(await journal.runs()) == 2
        with pytest.raises(JournalError, match="for reading only"):
            await journal.rebind(seller="S1", environment=PRODUCTION)


async def test_a_seller_whose_runs_are_all_forgotten_belongs_to_no_environment(tmp_path: Path) -> None:
    async with Journal.open(tmp_path / "orders.sqlite") as journal:
        journal_runs = [
            await journal.begin_run(seller="S1", operation=name, environment=STAGING) for name in ("o", "p")
        ]
        for journal_run in journal_runs:
            with pytest.raises(OtherEnvironmentError):
                await journal.begin_run(seller="S1", operation="o", environment=PRODUCTION)
            await journal_run.finish()
            await journal.forget(journal_run.run)
        await journal.begin_run(seller="S1", operation="o", environment=PRODUCTION)


async def test_a_file_of_version_2_is_brought_up_to_date(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "orders.sqlite"
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S1", operation="o")
        await journal_run.mark_sent([OutgoingItem("A", payload_hash(b"a"), b"a")])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP TABLE writers; ALTER TABLE runs DROP COLUMN writer_id;"
            "ALTER TABLE entries DROP COLUMN holder; ALTER TABLE entries DROP COLUMN left_by;"
            "DROP TABLE environments; DROP TABLE standing; ALTER TABLE batches DROP COLUMN api_at;"
            "ALTER TABLE entries DROP COLUMN api_at; ALTER TABLE entries DROP COLUMN absences; PRAGMA user_version = 2"
        )
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S1", operation="o", environment=STAGING)
        assert [entry.key for entry in await journal_run.undecided()] == ["A"]
    assert len(warnings_of(caplog)) == 1


async def test_tables_of_version_1_in_postgresql_are_brought_up_to_date(postgres: str) -> None:
    async with Journal.open(postgres) as journal:
        await journal.begin_run(seller="S1", operation="o")
    async with Database(postgres) as database, database.connection() as connection:
        await connection.execute("DROP TABLE octoffm_journal_environments")
        await connection.execute("UPDATE octoffm_schema SET version = 1 WHERE part = 'journal'")
    async with Journal.open(postgres) as journal:
        await journal.begin_run(seller="S1", operation="o", environment=STAGING)
        assert [record.api for record in await journal.runs()] == [STAGING.api] * 2
