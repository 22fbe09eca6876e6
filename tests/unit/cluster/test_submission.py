"""Loading jobs: chunks of whole items, nothing of what broke off, and bounded memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import ConfigurationError
from octoffm_async.cluster import submission as submitting
from octoffm_async.cluster.jobs import creation_type_of
from octoffm_async.cluster.submission import Numbered, pack, unpack

from .items import fleet, order, orders

HEADER = (
    "reference,delivery_mode,storage_country,delivery_address.first_name,delivery_address.last_name,"
    "delivery_address.address_line1,delivery_address.postal_code,delivery_address.city,delivery_address.country_code,"
    "lines.seller_product_reference,lines.quantity\n"
)


def row(key: str, *, quantity: object = 1) -> str:
    return f"{key},TrackedHomeDelivery,FR,Ada,Lovelace,1 rue de la Paix,75002,Paris,FR,SKU-000001,{quantity}\n"


async def chunks(all_of_it: Any, job: str) -> list[list[Numbered]]:
    async with all_of_it.database.connection() as connection:
        found = await connection.execute("SELECT payload FROM octoffm_chunks WHERE job = %s ORDER BY number", (job,))
        return [unpack(payload, creation_type_of("orders")) for (payload,) in await found.fetchall()]


async def test_a_file_becomes_chunks_and_what_is_faulty_is_told(postgres: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    rows = [row(f"O-{number}") for number in range(5)]
    rows[2] = row("O-2", quantity="many")
    path.write_text(HEADER + "".join(rows) + row("O-4b") + row("O-1"), encoding="utf-8")
    seen: list[tuple[int, float]] = []
    async with fleet(postgres) as all_of_it:
        record = await all_of_it.cluster.submit_file(
            "orders",
            path,
            seller="7",
            chunk=2,
            rejects=tmp_path / "rejects.csv",
            on_progress=lambda *reported: seen.append(reported),
        )
        assert (record.items, record.faulty, record.chunks, record.source) == (4, 3, 2, str(path))
        assert [[(one.line, one.item.reference) for one in chunk] for chunk in await chunks(all_of_it, record.job)] == [
            [(2, "O-0"), (5, "O-3")],
            [(6, "O-4"), (7, "O-4b")],
        ]
    rejects = (tmp_path / "rejects.csv").read_text(encoding="utf-8-sig")
    assert "many" in rejects
    assert rejects.count("comes back, on lines 3, 8") == 2


async def test_what_comes_twice_is_left_out(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        record = await all_of_it.cluster.submit("orders", [*orders(3), order("O-1"), order("O-9")], seller="7", chunk=2)
        assert (record.items, record.faulty) == (4, 1)
        keys = [one.item.reference for chunk in await chunks(all_of_it, record.job) for one in chunk]
        assert keys == ["O-0", "O-1", "O-2", "O-9"]


async def test_an_empty_input_is_a_job_that_is_done(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        record = await all_of_it.cluster.submit("orders", [], seller="7")
        assert (record.state, record.items, record.chunks) == ("done", 0, 0)
        assert record.ended_at is not None
        assert await all_of_it.fetch() is None


async def test_an_input_that_raises_leaves_nothing(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "AT_ONCE", 1)

    async def broken() -> AsyncIterator[Any]:
        for one in orders(5):
            yield one
        raise OSError("the disk is gone")

    async with fleet(postgres) as all_of_it:
        with pytest.raises(OSError, match="the disk is gone"):
            await all_of_it.cluster.submit("orders", broken(), seller="7", chunk=1)
        assert await all_of_it.one("SELECT count(*) FROM octoffm_jobs") == (0,)
        assert await all_of_it.one("SELECT count(*) FROM octoffm_chunks") == (0,)
        assert await all_of_it.fetch() is None


async def test_nothing_is_done_before_all_is_loaded_and_what_a_dead_loader_left_goes(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "AT_ONCE", 1)
    half, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[Any]:
        for number, one in enumerate(orders(4)):
            if number == 3:
                half.set()
                await go_on.wait()
            yield one

    async with fleet(postgres) as all_of_it:
        loading = asyncio.create_task(all_of_it.cluster.submit("orders", slow(), seller="7", chunk=1))
        await half.wait()
        status = await all_of_it.cluster.status()
        assert [record.state for record in status.jobs] == ["loading"]
        async with all_of_it.database.connection() as connection:  # as a loader that was killed leaves it
            await connection.execute(
                "INSERT INTO octoffm_jobs (job, lane, source, how) SELECT 'dead', lane, '', '{}' FROM octoffm_lanes"
            )
        assert await all_of_it.scheduler.queue_idle_partitions() == 0
        assert await all_of_it.fetch() is None
        other = await all_of_it.cluster.submit("orders", orders(1, "P"), seller="8")
        go_on.set()
        record = await loading
        states = {one.job: one.state for one in (await all_of_it.cluster.status()).jobs}
        assert states == {record.job: "waiting", other.job: "waiting"}  # neither the living one nor the dead one


@pytest.mark.one_loop
async def test_memory_does_not_grow_with_the_input(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        tracemalloc.start()
        try:
            small = await _peak(all_of_it, orders(2_000, "S"))
            large = await _peak(all_of_it, orders(20_000, "L"))
        finally:
            tracemalloc.stop()
        assert large < 2 * small + 4_000_000


async def _peak(all_of_it: Any, items: Iterator[Any]) -> int:
    tracemalloc.reset_peak()
    await all_of_it.cluster.submit("orders", items, seller="7", chunk=10)
    return tracemalloc.get_traced_memory()[1]


def test_a_chunk_is_kept_small_and_exact() -> None:
    items = [Numbered(number + 2, one) for number, one in enumerate(orders(500))]
    kept = pack(items)
    assert unpack(kept, creation_type_of("orders")) == items
    assert len(kept) < 500 * 30
    with pytest.raises(ConfigurationError, match="cannot be decoded"):
        unpack(kept[:-9], creation_type_of("orders"))
    with pytest.raises(ConfigurationError, match="cannot be decoded"):
        unpack(kept, creation_type_of("products"))


async def test_what_cannot_be_submitted(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        with pytest.raises(ConfigurationError, match="seller_id"):
            await all_of_it.cluster.submit("orders", orders(1), seller="no good")
        with pytest.raises(ConfigurationError, match="no job creates 'returns'"):
            await all_of_it.cluster.submit("returns", orders(1), seller="7")  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="at least 1 item"):
            await all_of_it.cluster.submit("orders", orders(1), seller="7", chunk=0)
        with pytest.raises(ConfigurationError, match="no job 'x': there are none"):
            await all_of_it.cluster.job("x")
