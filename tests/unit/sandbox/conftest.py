"""A sandbox whose clock stands still, and a logged-in raw client of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import aiohttp
import pytest

from octoffm_async.sandbox import Sandbox

from .api import Api


class Serve(Protocol):
    async def __call__(self, **settings: Any) -> Api: ...


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Any]]:
    """Start a sandbox with settings of the test's own; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Api:
            settings.setdefault("speed", 0)
            sandbox = await stack.enter_async_context(Sandbox(**settings))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return await Api(sandbox, http).login()

        yield start


@pytest.fixture
async def api(serve: Serve) -> Api:
    return await serve()
