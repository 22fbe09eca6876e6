"""A shop's backend: orders and stocks over HTTP, one client for all requests and all sellers.

Orders are idempotent: the backend writes each to a journal before it sends it, so the same order requested again, after
a lost answer or a crash of this very backend, gives the same shipment and is never sent twice.

``python examples/web_backend.py`` serves on http://127.0.0.1:8000 (or the port given as argument) against a sandbox in
this process; with the ``OCTOFFM_…`` variables exported it works against the real API, and then orders are real. The
journal is ``orders.journal`` in the current folder::

    curl -s localhost:8000/stocks/LAMP-1
    curl -s localhost:8000/orders -H 'content-type: application/json' -d '{"reference": "ORDER-1", "lines":
      [{"product": "LAMP-1", "quantity": 1}], "address": {"first_name": "Jeanne", "last_name": "Martin",
      "address_line1": "12 quai de la Paix", "postal_code": "75011", "city": "Paris", "country_code": "FR"}}'

Several workers on one machine share the journal, and with ``OCTOFFM_STORE`` the limits and the token::

    octoffm sandbox --products 50  # in another terminal; export what it prints
    export OCTOFFM_STORE=state.sqlite
    uvicorn --app-dir examples web_backend:app --workers 4
    gunicorn --pythonpath examples web_backend:app --workers 4 --worker-class uvicorn_worker.UvicornWorker --preload

Client and journal are opened in the lifespan, which each worker enters for itself. What a master process opens before
it forks its workers (gunicorn's ``--preload``) belongs to the master: in a worker it raises ``ClosedError``.
"""

import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from octoffm_async import (
    ConfigurationError,
    DeliveryAddress,
    Failed,
    Found,
    FulfillmentClient,
    FulfillmentProduct,
    Journal,
    OctoffmError,
    OutboundShipmentRequest,
    SellerClient,
    ShipmentLine,
    http_answer,
)
from octoffm_async.sandbox import Sandbox

DEADLINE = 20.0  # seconds for one call, waits and retries included: a person is waiting
PATIENCE = 60.0  # seconds after which an order that the API does not list was never created, and is sent again


class Line(BaseModel):
    """A quantity of a product."""

    product: str
    quantity: int


class Address(BaseModel):
    """The address of the parcel."""

    first_name: str
    last_name: str
    address_line1: str
    postal_code: str
    city: str
    country_code: str
    email: str | None = None
    phone: str | None = None


class Order(BaseModel):
    """An order of the shop."""

    reference: str
    lines: list[Line]
    address: Address
    delivery_mode: str = "TrackedHomeDelivery"
    storage_country: str = "FR"


@asynccontextmanager
async def open_client() -> AsyncGenerator[tuple[FulfillmentClient, Path]]:
    """Open a client and its journal: of the real API when its variables are set, else of a sandbox with one lamp."""
    if any(name.startswith("OCTOFFM_") for name in os.environ):
        async with FulfillmentClient.from_env(deadline=DEADLINE) as client:
            yield client, Path("orders.journal")
    else:
        with tempfile.TemporaryDirectory() as folder:
            async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config(deadline=DEADLINE)) as client:
                lamp = FulfillmentProduct(gtin="2000000000015", seller_product_reference="LAMP-1", title="Desk lamp")
                await client.products.create([lamp])
                sandbox.add_stock("LAMP-1", quantity=100)
                yield client, Path(folder, "orders.journal")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Keep one client as long as the application lives: all requests share its connections, token and limits."""
    async with open_client() as (client, path), Journal.open(path) as journal:
        app.state.client = client
        app.state.sellers = {client.seller_id: client}
        app.state.journal = journal
        yield


def seller(request: Request, x_seller_id: Annotated[str | None, Header()] = None) -> SellerClient:
    """Return the view of the seller that the header names. Views are kept, since each learns its references once.

    A real backend takes the seller from its own session, never from the caller's word.
    """
    client: FulfillmentClient = request.app.state.client
    sellers: dict[str, SellerClient] = request.app.state.sellers
    seller_id = x_seller_id or client.seller_id
    if seller_id not in sellers:
        sellers[seller_id] = client.seller(seller_id)
    return sellers[seller_id]


def journal_of(request: Request) -> Journal:
    """Return the journal of all sellers' orders."""
    journal: Journal = request.app.state.journal
    return journal


Seller = Annotated[SellerClient, Depends(seller)]
Journaled = Annotated[Journal, Depends(journal_of)]
app = FastAPI(title="A shop's backend", lifespan=lifespan)


@app.post("/orders", status_code=201)
async def create_order(order: Order, client: Seller, journal: Journaled) -> dict[str, str]:
    """Have an order shipped, once. The same order again gives the same id; another one under its reference is a 409."""
    request = OutboundShipmentRequest(
        reference=order.reference,
        lines=[ShipmentLine(seller_product_reference=line.product, quantity=line.quantity) for line in order.lines],
        delivery_address=DeliveryAddress(**order.address.model_dump()),
        delivery_mode=order.delivery_mode,
        storage_country=order.storage_country,
    )
    shipment_id = await client.outbound.create(request, journal=journal, patience=PATIENCE)
    return {"reference": order.reference, "shipment_id": shipment_id}


@app.get("/stocks/{reference}")
async def get_stock(reference: str, client: Seller) -> JSONResponse:
    """Return the available quantity of a product, by the seller's reference."""
    async with client.bulk.lookup_stocks([reference]) as run:
        outcome = await anext(run)
    match outcome:
        case Found(quantities=quantities):  # of all its stocks; null if the API gives no quantity
            return JSONResponse({"reference": reference, "available": quantities.available})
        case Failed(error=error):
            raise error
        case _:
            return JSONResponse({"error": f"no stock of {reference}"}, 404)


@app.exception_handler(ConfigurationError)
async def misnamed_seller(_: Request, error: ConfigurationError) -> JSONResponse:
    """Answer a seller's id that cannot be a header's value."""
    return JSONResponse({"error": str(error)}, 400)


@app.exception_handler(OctoffmError)
async def not_done(_: Request, error: OctoffmError) -> Response:
    """Answer a call that did not succeed: a status, when to ask again, and a problem document without values."""
    status, headers, body = http_answer(error)
    return Response(body, status, headers)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
