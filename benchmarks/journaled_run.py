"""The cost of the journal in a bulk run, over HTTP on loopback: orders per second with none, ``process`` and ``power``.

    python -m benchmarks.journaled_run                     three rounds, interleaved, 50 in flight
    python -m benchmarks.journaled_run --resume 1000000    a run that was killed at its end: time and CPU until the
                                                           first new order is sent, and peak memory

With ``--store postgresql`` the journal is in PostgreSQL, which is started for it.

The sandbox is a process of its own; whole runs are compared, sandbox included, as a ratio within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from octoffm_async import DeliveryAddress, FulfillmentClient, Journal, OutboundShipmentRequest, ShipmentLine
from octoffm_async.cli.runtime import run_async
from octoffm_async.journal import OutgoingItem, State, payload_hash
from octoffm_async.sandbox import SandboxProcess

from .servers import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = DeliveryAddress(
    first_name="Ada", last_name="Lovelace", address_line1="1 rue", postal_code="75002", city="Paris", country_code="FR"
)
KINDS = ("none", "process", "power")


def orders(first: int, count: int) -> Iterator[OutboundShipmentRequest]:
    for number in range(first, first + count):
        yield OutboundShipmentRequest(
            reference=f"ORDER-{number:08d}",
            lines=[ShipmentLine(quantity=1, seller_product_reference="REF")],
            delivery_address=ADDRESS,
            delivery_mode="TrackedHomeDelivery",
            storage_country="FR",
        )


async def one_run(client: FulfillmentClient, folder: Path, kind: str, first: int, count: int) -> float:
    async with AsyncExitStack() as stack:
        journal = None
        if kind != "none":
            journal = await stack.enter_async_context(Journal.open(folder / f"{kind}.sqlite", durability=kind))  # type: ignore[arg-type]
        began = time.perf_counter()
        async with client.bulk.create_outbound(orders(first, count), concurrency=50, journal=journal) as run:
            await run.wait()
        seconds = time.perf_counter() - began
    if run.summary.created != count:
        raise RuntimeError(f"not all orders were created: {run.summary}")
    return count / seconds


async def compare(rounds: int, count: int) -> None:
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        async with SandboxProcess(seed=1) as sandbox, FulfillmentClient(sandbox.config()) as client:
            await one_run(client, Path(name), "none", 0, 500)
            first = 1000
            for _ in range(rounds):
                for kind in KINDS:
                    rates[kind].append(await one_run(client, Path(name), kind, first, count))
                    first += count
    for kind in KINDS:
        share = statistics.median(rate / none for rate, none in zip(rates[kind], rates["none"], strict=True))
        print(f"{kind:8} {statistics.median(rates[kind]):8.0f} orders/s   {100 * share:5.1f} % of none")


async def prepare(address: str, count: int) -> None:
    encode = msgspec.json.Encoder().encode
    async with Journal.open(address) as journal:
        journal_run = await journal.begin_run(seller="12345", operation="outbound.create")
        chunk: list[OutgoingItem] = []
        for order in orders(0, count):
            payload = encode(order)
            chunk.append(OutgoingItem(order.reference, payload_hash(payload), payload))
            if len(chunk) == 1000 or len(chunk) == count:
                await journal_run.mark_sent(chunk)
                for outgoing in chunk:
                    journal_run.record_outcome(
                        outgoing.key, State.CREATED, remote_id=f"00000000-0000-4000-a000-{outgoing.key[6:]:>12}"
                    )
                chunk.clear()
        await journal_run.flush()


async def resume(count: int, store: str) -> None:
    with ExitStack() as stack:
        if store == "sqlite":
            address = f"{stack.enter_context(tempfile.TemporaryDirectory())}/orders.sqlite"
        else:
            address = stack.enter_context(PostgresServer()).address("orders")
        await prepare(address, count)
        async with SandboxProcess(seed=1) as sandbox, FulfillmentClient(sandbox.config()) as client:
            await client.check()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began, began_cpu = time.perf_counter(), time.process_time()
            sent = asyncio.Event()
            view = client.with_options(on_response=lambda _: sent.set())
            async with view.bulk.create_outbound(orders(0, count + 1), concurrency=50, journal=address) as run:
                waiting = asyncio.create_task(run.wait())
                await sent.wait()
                seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
                await waiting
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"first new order after {seconds:.1f} s, {cpu:.1f} s of CPU ({1e6 * cpu / count:.1f} µs an order)")
    print(f"peak memory {after / 1024:.0f} MiB, {max(0, after - before) / 1024:.0f} MiB of it by the resumed run")
    print(run.summary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--orders", type=int, default=3000)
    parser.add_argument("--resume", type=int, metavar="ORDERS")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    work = resume(options.resume, options.store) if options.resume else compare(options.rounds, options.orders)
    run_async(work)


if __name__ == "__main__":
    main()
