"""A fleet whose workers are killed and frozen and whose database crashes: exactly one shipment for each reference."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from benchmarks.servers import PostgresServer
from octoffm_async.cluster import Cluster
from octoffm_async.sandbox import SandboxProcess

from .campaign import Campaign

KILLS = 25


@pytest.mark.one_loop
@pytest.mark.timeout(300)
async def test_killed_workers_and_a_crashed_database_leave_exactly_one_of_each(
    postgres_server: PostgresServer, postgres: str, tmp_path: Path
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    sellers = [f"S{number}" for number in range(4)]
    async with SandboxProcess(seed=seed, sellers=sellers) as sandbox, Cluster(postgres) as cluster:
        campaign = Campaign(postgres_server, postgres, sandbox, tmp_path, sellers=sellers, rng=rng, lease=1.5, rate=60)
        try:
            await campaign.begin(cluster, count=400, chunk=25)
            for _ in range(2):
                await campaign.hire()
            await campaign.reach(cluster, 0.1, within=60)
            await campaign.kill()
            await campaign.crash_database()
            await campaign.reach(cluster, 1.0, within=150)
            await campaign.check(cluster)
            await campaign.dismiss()
        finally:
            await campaign.close()
        print(campaign.summary())


@pytest.mark.soak
@pytest.mark.one_loop
@pytest.mark.timeout(1500)
async def test_twenty_thousand_orders_of_twenty_sellers_through_twenty_kills(
    postgres_server: PostgresServer, postgres: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    sellers = [f"S{number}" for number in range(20)]
    async with SandboxProcess(seed=seed, sellers=sellers) as sandbox, Cluster(postgres) as cluster:
        campaign = Campaign(
            postgres_server, postgres, sandbox, tmp_path, sellers=sellers, rng=rng, rate=12, patience=4.0
        )
        try:
            await campaign.begin(cluster, count=20_000, chunk=100)
            for _ in range(4):
                await campaign.hire()
            freezing: asyncio.Task[None] | None = None
            while campaign.counts["kills"] < KILLS or campaign.counts["restarts"] < 2:
                share = await campaign.share_done(cluster)
                assert share < 1.0, "all was done before enough was killed"
                await asyncio.sleep(rng.uniform(1.0, 3.5))
                await campaign.kill()
                if share > 0.05 and freezing is None:
                    freezing = asyncio.create_task(campaign.freeze())
                if campaign.counts["restarts"] < 2 and share > (0.1, 0.2)[campaign.counts["restarts"]]:
                    await campaign.crash_database()
                with capsys.disabled():
                    print(f"{share:7.1%} done, {campaign.counts['kills']} kills", end="\r", flush=True)
            assert freezing is not None
            await freezing
            await campaign.reach(cluster, 1.0, within=600)
            await campaign.check(cluster)
            await campaign.dismiss()
        finally:
            await campaign.close()
            with capsys.disabled():
                print(f"\nseed {seed}: {campaign.summary()}")
        assert campaign.counts["kills"] >= KILLS
        assert campaign.counts["sessions begun anew"] >= 1  # the one that was frozen
        assert (campaign.counts["restarts"], campaign.counts["freezes"]) == (2, 1)
