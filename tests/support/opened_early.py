"""Applications that open a client, or a journal, while they are imported: before gunicorn's ``--preload`` forks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from octoffm_async import ClosedError, FulfillmentClient, Journal
from tests.support.items import order

MASTER = os.getpid()
early = asyncio.new_event_loop()
early_client = FulfillmentClient.from_env()
early_journal = Journal.open("orders.sqlite")
early.run_until_complete(early_client.open())
early.run_until_complete(early_journal.__aenter__())


def application(*, early_one: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with FulfillmentClient.from_env() as client, Journal.open("orders.sqlite") as journal:
            app.state.client = early_client if early_one == "client" else client
            app.state.journal = early_journal if early_one == "journal" else journal
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/")
    async def create() -> dict[str, str]:
        made = await app.state.client.outbound.create(order("EARLY", product="SKU-000001"), journal=app.state.journal)
        return {"id": made}

    @app.exception_handler(ClosedError)
    async def closed(_: Request, error: ClosedError) -> JSONResponse:
        return JSONResponse({"error": type(error).__name__, "message": str(error)}, 500)

    return app


client, journal = application(early_one="client"), application(early_one="journal")
