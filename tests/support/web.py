"""Applications of web frameworks, served over HTTP on loopback by uvicorn, on the loop of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import uvicorn


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose paths lead to the application."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = uvicorn.Config(app, ws="none", lifespan="auto", log_level="error", timeout_graceful_shutdown=5)
        server = uvicorn.Server(settings)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            async with aiohttp.ClientSession(base) as session:
                yield session
        finally:
            server.should_exit = True
            await running
