"""One journal, two servers, over real HTTP: what one has created is not skipped on the other, but refused by name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import Created, Journal, OtherEnvironmentError
from octoffm_async.cli.app import run as command
from tests.support.items import order, orders, serving

pytestmark = pytest.mark.one_loop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


async def done(run: Any) -> list[Any]:
    async with run:
        return [outcome async for outcome in run]


async def test_staging_first_and_then_production(path: Path, tmp_path: Path) -> None:
    async with serving() as (staging, tester), serving() as (production, client):
        assert len(await done(tester.bulk.create_outbound(orders(5), journal=path))) == 5
        with pytest.raises(OtherEnvironmentError) as caught:
            await done(client.bulk.create_outbound(orders(5), journal=path))
        assert staging.config().base_url in str(caught.value)
        assert production.config().base_url in str(caught.value)
        assert production.effects.outbound == {}
        outcomes = await done(client.bulk.create_outbound(orders(5), journal=tmp_path / "production.sqlite"))
        assert [type(outcome) for outcome in outcomes] == [Created] * 5
        assert set(production.effects.outbound) == set(staging.effects.outbound)


async def test_a_run_is_not_resumed_elsewhere(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving() as (_, tester), serving() as (production, client):
        await done(tester.bulk.create_outbound(orders(3), journal=path))
        async with Journal.open(path) as journal:
            (record,) = await journal.runs()
        with pytest.raises(OtherEnvironmentError):
            await done(client.bulk.resume(path, record.id))
        for name, value in production.environment().items():
            monkeypatch.setenv(name, value)
        assert await asyncio.to_thread(command, ["jobs", "resume", record.id, "--journal", str(path)]) == 2
        assert "nothing was sent" in capsys.readouterr().err
        assert production.requests.count("outbound.create") == 0


async def test_two_clients_with_one_open_journal_are_distinguished(path: Path) -> None:
    async with serving() as (_, tester), serving() as (production, client), Journal.open(path) as journal:
        first = await tester.outbound.create(order("O-1"), journal=journal)
        for _ in range(2):
            with pytest.raises(OtherEnvironmentError):
                await client.outbound.create(order("O-1"), journal=journal)
        assert production.effects.outbound == {}
        assert await tester.outbound.create(order("O-1"), journal=journal) == first


async def test_an_api_that_moved_is_recorded_in_the_journal_by_the_command(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving() as (before, tester), serving(seed=8) as (after, client):
        await done(tester.bulk.create_outbound(orders(3), journal=path))
        for name, value in after.environment().items():
            monkeypatch.setenv(name, value)
        assert await asyncio.to_thread(command, ["jobs", "rebind", "--journal", str(path)]) == 2  # nobody to ask
        with monkeypatch.context() as context:
            context.setenv("OCTOFFM_SELLER_ID", "999")
            assert await asyncio.to_thread(command, ["jobs", "rebind", "--journal", str(path), "--yes"]) == 2
            assert "knows nothing of seller 999, but of 12345" in capsys.readouterr().err
        with pytest.raises(OtherEnvironmentError):
            await done(client.bulk.create_outbound(orders(3), journal=path))
        assert await asyncio.to_thread(command, ["jobs", "rebind", "--journal", str(path), "--yes"]) == 0
        printed = capsys.readouterr().out
        assert before.config().base_url in printed
        assert after.config().base_url in printed
        outcomes = await done(client.bulk.create_outbound(orders(4), journal=path))
        assert after.effects.outbound == {"O-3": 1}
        assert len(outcomes) == 4
        assert await asyncio.to_thread(command, ["jobs", "list", "--json", "--journal", str(path)]) == 0
        assert after.config().base_url in capsys.readouterr().out
