"""Load on the real pipeline: bulk workers that never rest, and interactive calls at random moments."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from octoffm_async.contract.operations import GET_STOCK
from octoffm_async.session.options import CallOptions
from octoffm_async.session.session import Session

from .api import BASE_URL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from octoffm_async import Config, LimitStore
    from octoffm_async.events import Hook

    from .api import SimulatedApi

URL = f"{BASE_URL}/stocks/00000000-0000-0000-0000-000000000001"
BULK = CallOptions(lane="bulk", deadline=900.0)


@asynccontextmanager
async def session_on(
    api: SimulatedApi, config: Config, *, seed: int, hooks: Sequence[Hook] = (), limits: LimitStore | None = None
) -> AsyncGenerator[Session]:
    """Open a session whose transport is ``api``."""
    session = Session(config, api, hooks, rng=random.Random(seed), limit_store=limits)
    session.open()
    try:
        yield session
    finally:
        await session.close(drain=0.0)


async def call(session: Session, seller: str = "12345", options: CallOptions = BULK) -> None:
    """Look up one stock."""
    await session.call(GET_STOCK, seller_id=seller, url=URL, options=options)


@asynccontextmanager
async def saturated(session: Session, workers: int, seller: str = "12345") -> AsyncGenerator[None]:
    """Run ``workers`` workers that make bulk calls without a rest."""

    async def work() -> None:
        while True:
            await call(session, seller)

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
