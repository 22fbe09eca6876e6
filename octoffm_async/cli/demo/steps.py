"""The steps of the demo, in order: register, stock, look up, ship, follow. Each does what a nightly job would do."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import msgspec

from ...bulk.outcomes import Created, Failed, Refused, Skipped, Summary, Unknown
from ...disk.seen_keys import SeenKeys
from ..progress import StepResult
from .input import Sample, is_wrong, made_up_orders

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ...bulk.outcomes import Outcome
    from ...client import FulfillmentClient
    from ...contract.outbound import OutboundShipment
    from ...sandbox import SandboxProcess
    from ..progress import Display
    from .input import DemoInput

SAMPLE = 500
"""Registered references kept for the orders, at any number of products."""
STRIDE = 6.0
"""Sandbox seconds between two scans: short enough to see shipments in each status."""
OVERLAP = timedelta(seconds=5)
"""The overlap of a scan with the newest change that was seen: changes need not become visible in order."""
MAX_SCANS = 40
DRAIN = 1.0
"""Seconds that Ctrl-C waits for calls in flight: what they would create is lost with the sandbox anyway."""
_OUTCOMES = ("created", "refused", "failed", "unknown", "skipped", "found", "missing")


class Demo:
    """The steps of the demo, run one by one; ``results`` holds the result of each."""

    def __init__(
        self,
        client: FulfillmentClient,
        sandbox: SandboxProcess,
        source: DemoInput,
        show: Display,
        *,
        orders: int,
        seed: int,
    ) -> None:
        self.results: list[StepResult] = []
        self._client = client
        self._sandbox = sandbox
        self._source = source
        self._show = show
        self._rng = Random(seed)
        self._sample = Sample(SAMPLE, self._rng)
        self._orders = orders

    @property
    def registered(self) -> int:
        """Products that exist now."""
        return self._count("register", "created")

    async def run(self) -> None:
        """Run all steps."""
        await self.register()
        await self.put_stock()
        await self.look_up()
        await self.ship()
        await self.follow()

    async def register(self) -> None:
        """Register the products of the source; refused ones go to the rejects file."""
        async with self._step("register") as counts:
            source = self._source

            def progress(summary: Summary) -> None:
                self._show.progress(source.share, counts_of(summary, rejected=source.rejected))

            async with self._client.bulk.create_products(source.products(), on_progress=progress, drain=DRAIN) as run:
                async for outcome in run:
                    self._take(outcome)
            counts.update(counts_of(run.summary, rejected=source.rejected))

    async def put_stock(self) -> None:
        """Fill the warehouse, enough for any orders."""
        async with self._step("stock") as counts:
            await self._sandbox.add_stock(quantity=1000 + 10 * self._orders)
            counts["stocked"] = self.registered

    async def look_up(self) -> None:
        """Look up the stock of every product, by the seller's reference."""
        async with self._step("lookup") as counts:
            total = max(1, self.registered)

            def progress(summary: Summary) -> None:
                self._show.progress(min(1.0, summary.total / total), counts_of(summary))

            async with self._client.bulk.lookup_stocks(
                self._source.references(), on_progress=progress, drain=DRAIN
            ) as run:
                await run.wait()
            counts.update(counts_of(run.summary))

    async def ship(self) -> None:
        """Order shipments of registered products, a few deliberately wrong."""
        if not self._sample.keys:
            self._orders = 0
        async with self._step("ship") as counts:
            orders = made_up_orders(self._orders, self._sample.keys, self._rng)

            def progress(summary: Summary) -> None:
                self._show.progress(summary.total / max(1, self._orders), counts_of(summary))

            async with self._client.bulk.create_outbound(orders, on_progress=progress, drain=DRAIN) as run:
                await run.wait()
            counts.update(counts_of(run.summary))

    async def follow(self) -> None:
        """Scan for changed shipments until all are in a final status, while the sandbox's clock is advanced."""
        async with self._step("follow") as counts:
            expected = self._count("ship", "created")
            with closing(SeenKeys()) as final:
                watermark: datetime | None = None
                for _ in range(MAX_SCANS):
                    if counts.total() >= expected:
                        return
                    await self._sandbox.advance(STRIDE)
                    async for shipment in self._client.outbound.list(status_updated_at_min=watermark):
                        _count_final(shipment, final, counts)
                        watermark = _later(watermark, shipment.status_updated_at)
                    watermark = watermark and watermark - OVERLAP
                    self._show.progress(counts.total() / max(1, expected), counts)
            if left := expected - counts.total():
                counts["open"] = left

    def wrong_orders(self) -> int:
        """Return the number of deliberately wrong orders."""
        return sum(is_wrong(number, self._orders) for number in range(1, self._orders + 1))

    def _take(self, outcome: Outcome) -> None:
        reason = ""
        match outcome:
            case Created():
                self._sample.add(outcome.key)
            case Refused():
                reason = f"refused: {outcome.message or outcome.code}"
            case Failed():
                reason = f"failed: {outcome.error}"
            case Unknown() | Skipped():
                reason = f"{type(outcome).__name__.lower()}: {outcome.reason}"
            case _:
                pass
        self._source.settle(outcome.key, reason)

    def _count(self, step: str, outcome: str) -> int:
        return sum(result.counts.get(outcome, 0) for result in self.results if result.step == step)

    @asynccontextmanager
    async def _step(self, name: str) -> AsyncGenerator[Counter[str]]:
        """Show a step and measure it; the block fills in its counts."""
        counts: Counter[str] = Counter()
        self._show.begin(name)
        before, started = self._client.stats(), time.perf_counter()
        yield counts
        seconds, after = time.perf_counter() - started, self._client.stats()
        result = StepResult(
            step=name,
            counts=dict(counts),
            calls=after.calls - before.calls,
            throttled=after.throttled - before.throttled,
            retries=after.retries - before.retries,
            seconds=round(seconds, 3),
        )
        self.results.append(result)
        self._show.end(result)


def counts_of(summary: Summary, **more: int) -> Mapping[str, int]:
    """Return the outcomes of a run that occurred, with their counts."""
    counts = msgspec.structs.asdict(summary)
    return {name: counts[name] for name in _OUTCOMES if counts[name]} | {name: n for name, n in more.items() if n}


def _count_final(shipment: OutboundShipment, final: SeenKeys, counts: Counter[str]) -> None:
    status = shipment.status
    if status is not None and status.final and final.add(shipment.outbound_shipment_id):
        counts[status.value.casefold()] += 1


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)
