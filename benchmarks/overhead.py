"""What a call through the client costs above a bare, tuned aiohttp call: CPU per GET, in interleaved rounds.

``python benchmarks/overhead.py`` starts the sandbox as a process of its own and prints medians and their ratio. Token,
limit (set too high to bind), retries, deadline and the logging hook are on. Absolute figures drift with the machine;
the ratio within one run holds.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from yarl import URL

from octoffm_async import FulfillmentClient, FulfillmentProduct, Limit, Stock
from octoffm_async.sandbox import SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

CALLS, IN_FLIGHT, ROUNDS = 3000, 50, 7
GTIN = "2000000000008"


async def spread(call: Callable[[], Awaitable[object]]) -> float:
    """CPU seconds of this process for ``CALLS`` calls, ``IN_FLIGHT`` at a time."""
    turns: Iterator[int] = iter(range(CALLS))

    async def work() -> None:
        for _ in turns:
            await call()

    before = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())
    return time.process_time() - before


async def main() -> None:
    async with SandboxProcess() as sandbox:
        settings = sandbox.config(limit=Limit(1_000_000, per=1.0))
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with FulfillmentClient(settings) as client, aiohttp.ClientSession(connector=connector) as bare:
            await client.products.create([FulfillmentProduct(gtin=GTIN, seller_product_reference="R", title="t")])
            reference = await anext(aiter(client.products.references()))
            stock_id = reference.stock_id or ""
            token = (await client._scope.session.tokens.get()).secret.reveal()  # noqa: SLF001  (the same token for both)
            headers = {"Authorization": f"Bearer {token}", "SellerId": settings.seller_id, "Accept": "application/json"}
            url = URL(f"{settings.base_url}/stocks/{stock_id}", encoded=True)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)
            decoder = msgspec.json.Decoder(Stock)

            async def tuned() -> None:
                async with bare.get(url, headers=headers, timeout=timeout) as response:
                    decoder.decode(await response.read())

            async def ours() -> None:
                await client.stocks.get(stock_id)

            spent: dict[str, list[float]] = {"tuned aiohttp": [], "octoffm_async": []}
            for _ in range(ROUNDS):
                spent["tuned aiohttp"].append(await spread(tuned))
                spent["octoffm_async"].append(await spread(ours))
    medians = {name: statistics.median(rounds) for name, rounds in spent.items()}
    for name, median in medians.items():
        print(f"{name:14} {median / CALLS * 1e6:6.0f} µs CPU per GET")
    print(f"ratio          {medians['octoffm_async'] / medians['tuned aiohttp']:6.2f}")


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
