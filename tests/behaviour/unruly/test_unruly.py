"""Calls and orders over an unruly wire: none doubled, none lost, no wrong number, Unknown only where it is true."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from octoffm_async import (
    CallError,
    Created,
    Failed,
    FulfillmentClient,
    RateLimitedError,
    Skipped,
    Unknown,
    is_outcome_unknown,
)
from tests.behaviour.adversary.campaign import config_of, order

from .server import Unruly

CONCURRENCY = 8
HANG = 600.0
PAUSE = 0.05
"""Seconds that a refused call waits at most, whatever the API states."""
RUNS = 8


def client_of(server: Unruly) -> FulfillmentClient:
    settings = config_of(server.origin).with_(
        read_timeout=2.0,
        max_retry_after=PAUSE,
        retry_budget=1_000_000,
        max_attempts=8,
        deadline=30.0,
        bulk_deadline=30.0,
    )
    return FulfillmentClient(settings, hooks=())


async def read(client: FulfillmentClient, server: Unruly, calls: int, told: Counter[str]) -> None:
    """Read numbers, lists and single orders; each is right, or an error says so."""
    for number in range(calls):
        before = len(server.orders)
        try:
            if number % 3 == 0:
                count = await client.outbound.count()
                assert before <= count - server.background <= len(server.orders)
            elif number % 3 == 1 or not server.orders:
                page = await client.outbound.list(limit=5)
                assert len(page) == min(5, len(server.orders) + server.background)
            else:
                one = server.rng.choice(server.orders)
                assert (await client.outbound.get(one.id)).reference == one.reference
            told["read: right"] += 1
        except CallError as error:
            told[f"read: {type(error).__name__}"] += 1
            if isinstance(error, RateLimitedError):  # else a pause would refuse as many calls as the processor can make
                await asyncio.sleep(min(error.retry_after or 0.0, PAUSE))


async def create_alone(client: FulfillmentClient, server: Unruly, references: list[str], told: Counter[str]) -> None:
    """Create each order by a call of its own, without a journal; judge what is told."""
    while references:
        reference = references.pop()
        error: CallError | None = None
        try:
            made = await client.outbound.create(order(reference))
        except CallError as raised:
            error = raised
        if error is None:
            assert server.truth[reference] == [made]
            told["alone: Created"] += 1
        elif is_outcome_unknown(error):
            # True: the server broke its answer, or never saw it, because it had just closed the connection.
            assert server.told.get(reference) != "whole"
            told["alone: Unknown" if reference in server.told else "alone: Unknown, never arrived"] += 1
        else:
            assert reference not in server.truth, f"{reference} exists: {error}"
            told[f"alone: {type(error).__name__}"] += 1


async def create_by_runs(
    client: FulfillmentClient, server: Unruly, references: list[str], journal: Path, told: Counter[str]
) -> None:
    """Create the orders by runs with one journal, until none is undecided that can be decided."""
    for _ in range(RUNS):
        last = Counter[str]()
        orders = [order(each) for each in references]
        async with client.bulk.create_outbound(orders, journal=journal, patience=0.2, concurrency=CONCURRENCY) as run:
            async for outcome in run:
                made = outcome.earlier if isinstance(outcome, Skipped) else outcome
                last[type(made).__name__] += 1
                if isinstance(made, Created):
                    assert server.truth[outcome.key] == [made.id]
                elif isinstance(outcome, Unknown):
                    assert server.told.get(outcome.key) != "whole"
                else:
                    assert isinstance(outcome, Failed), outcome
                    assert outcome.key not in server.truth
        told.update({f"run: {kind}": number for kind, number in last.items() if kind != "Created"})
        told["runs"] += 1
        if last["Created"] == len(references):
            return
    # Those are left that the journal no longer sends by itself, because their sending was lost twice.
    assert last["Created"] + last["Unknown"] == len(references)
    assert last["Unknown"] <= max(2, len(references) // 50)
    told["run: left Unknown"] = last["Unknown"]


async def campaign(seed: int, folder: Path, *, calls: int, orders: int) -> tuple[Counter[str], Counter[str]]:
    """Read and create at the same time; return what the client told, and what the server did."""
    told = Counter[str]()
    alone = [f"ALONE-{number}" for number in range(orders // 2)]
    together = [f"RUN-{number}" for number in range(orders - len(alone))]
    async with Unruly(seed) as server, asyncio.timeout(HANG), client_of(server) as client:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(read(client, server, calls // CONCURRENCY, told))
            for _ in range(4):
                group.create_task(create_alone(client, server, alone, told))
            group.create_task(create_by_runs(client, server, together, folder / "orders.sqlite", told))
        assert server.broken is None
        doubled = {reference: ids for reference, ids in server.truth.items() if len(ids) > 1}
        assert not doubled
        assert len(set(together) - server.truth.keys()) <= told["run: left Unknown"]
        return told, server.happened


@pytest.mark.parametrize("seed", [1])
async def test_an_unruly_wire_doubles_nothing_and_loses_nothing(seed: int, tmp_path: Path) -> None:
    told, happened = await campaign(seed, tmp_path, calls=240, orders=60)
    assert told["alone: Created"] > told["alone: Unknown"] + told["alone: Unknown, never arrived"]
    assert told["read: right"] > 0.9 * 240
    assert len(happened) > 15


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_an_unruly_wire_over_ten_thousand_calls_and_a_thousand_orders(tmp_path: Path) -> None:
    seed = int(os.environ.get("UNRULY_SEED", random.randrange(10**6)))
    told, happened = await campaign(seed, tmp_path, calls=10_000, orders=1000)
    print(f"\nseed {seed}\n{dict(sorted(told.items()))}\n{dict(happened.most_common())}")
    assert told["alone: Unknown, never arrived"] < 50
    assert told["read: right"] > 0.95 * 10_000
