"""A process that runs one bulk creation with a journal, and kills itself at the instant it was told, or is killed.

:func:`work` has a :class:`Plan` in JSON as its argument. If it lives to the end, it prints a :class:`Report`.
Whatever happens, it appends to ``tally`` one letter for each key that reconciliation found (``F``) or missed (``A``).
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from octoffm_async import (
    Config,
    DeliveryAddress,
    FulfillmentClient,
    FulfillmentProduct,
    InboundShipmentRequest,
    Limit,
    OutboundShipmentRequest,
    ShipmentLine,
    Skipped,
    Unknown,
)
from octoffm_async.bulk.durable import job as durable_job
from octoffm_async.bulk.durable import pending_items
from octoffm_async.bulk.reconciliation.reconcile import Decision
from octoffm_async.bulk.run import Run
from octoffm_async.contract.requests.validation import gtin_check_digit
from octoffm_async.transport.aiohttp_transport import AiohttpTransport
from octoffm_async.transport.response import Response

BEGUN = b"begun\n"
"""What the process says when the first creation is about to leave."""
PACE = 250
"""Calls per second: so slow that an instant can be hit."""

Kind = Literal["outbound", "inbound", "products"]
Instant = Literal["post", "reconcile", "absent", "finish", "never"]


class Plan(msgspec.Struct, kw_only=True):
    """What to do. ``after`` counts posts, or decided keys, before the end; ``delay`` seconds lie between."""

    kind: Kind
    count: int
    prefix: str
    journal: str
    tally: str
    addresses: dict[str, str]
    patience: float
    read_timeout: float = 0.3
    instant: Instant = "never"
    after: int = 1
    delay: float = 0.0


class Report(msgspec.Struct, kw_only=True):
    """The outcomes by type and, for skipped ones, by the type of the earlier outcome; and the keys of the unknown."""

    total: int
    outcomes: dict[str, int]
    undecided: list[str]
    error: str = ""


ADDRESS = DeliveryAddress(
    first_name="Ada",
    last_name="Lovelace",
    address_line1="1 rue de la Paix",
    postal_code="75002",
    city="Paris",
    country_code="FR",
)


def items(plan: Plan) -> Iterator[Any]:
    lines = [ShipmentLine(quantity=1, seller_product_reference="SKU-000001")]
    for number in range(plan.count):
        key = f"{plan.prefix}-{number}"
        if plan.kind == "outbound":
            yield OutboundShipmentRequest(
                reference=key,
                lines=lines,
                delivery_address=ADDRESS,
                delivery_mode="TrackedHomeDelivery",
                storage_country="FR",
            )
        elif plan.kind == "inbound":
            yield InboundShipmentRequest(
                reference=key,
                storage_country="FR",
                lines=lines,
                expected_delivery_date=datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
            )
        else:
            gtin = f"3{number:011d}"
            yield FulfillmentProduct(
                gtin=f"{gtin}{gtin_check_digit(gtin)}", seller_product_reference=key, title="A thing"
            )


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingTransport(AiohttpTransport):
    """Kills the process some time after a creation began to leave; at once means that it does not leave."""

    def __init__(self, config: Config, plan: Plan) -> None:
        super().__init__(config)
        self._plan = plan
        self._posts = 0

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, read_timeout: float = 30.0
    ) -> Response:
        if method == "POST" and not url.endswith("/token"):
            self._posts += 1
            if self._posts == 1:
                os.write(1, BEGUN)
            if self._plan.instant == "post" and self._posts == self._plan.after:
                if not self._plan.delay:
                    die()
                asyncio.get_running_loop().call_later(self._plan.delay, die)
        return await super().send(method, url, headers, body, read_timeout)


def watch_reconciliation(plan: Plan) -> None:
    """Count what reconciliation finds, and die in the middle of it if that is the plan."""
    tally = os.open(plan.tally, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    real = pending_items.reconcile

    async def watched(*args: Any, **options: Any) -> AsyncIterator[Decision]:
        decided = {True: 0, False: 0}
        async for decision in real(*args, **options):
            os.write(tally, b"F" if decision.matches else b"A")
            decided[bool(decision.matches)] += 1
            fatal = {"reconcile": decided[True] + decided[False], "absent": decided[False]}.get(plan.instant)
            if fatal == plan.after:
                asyncio.get_running_loop().call_later(plan.delay, die)
            yield decision

    pending_items.reconcile = watched  # type: ignore[assignment]


class DyingJob(durable_job.JournaledJob[Any]):
    """Dies when it has nothing more to do but to write that."""

    plan: Plan

    async def close(self) -> None:
        if self.plan.instant == "finish":
            asyncio.get_running_loop().call_later(self.plan.delay, die)
        await super().close()


def started(client: FulfillmentClient, plan: Plan) -> Run[Any, Any]:
    options: dict[str, Any] = {"journal": plan.journal, "patience": plan.patience, "concurrency": 8}
    if plan.kind == "outbound":
        return client.bulk.create_outbound(items(plan), **options)
    if plan.kind == "inbound":
        return client.bulk.create_inbound(items(plan), **options)
    return client.bulk.create_products(items(plan), **options | {"concurrency": 2})


async def main(plan: Plan) -> Report:
    watch_reconciliation(plan)
    DyingJob.plan = plan
    bulk: Any = importlib.import_module("octoffm_async.bulk.bulk")
    assert issubclass(DyingJob, bulk.JournaledJob)
    bulk.JournaledJob = DyingJob
    limit = Limit(PACE, burst=8) if plan.kind == "outbound" else None
    config = Config(**plan.addresses, limit=limit, read_timeout=plan.read_timeout, backoff_base=0.01, backoff_cap=0.1)
    outcomes: Counter[str] = Counter()
    undecided: list[str] = []
    error = ""
    async with FulfillmentClient(config, transport=DyingTransport(config, plan), hooks=()) as client:
        run = started(client, plan)
        try:
            async with run:
                async for outcome in run:
                    name = type(outcome).__name__
                    if isinstance(outcome, Skipped):
                        name += f" {type(outcome.earlier).__name__}"
                    if isinstance(outcome, Unknown):
                        undecided.append(outcome.key)
                    outcomes[name] += 1
        except Exception as raised:  # noqa: BLE001  (the parent is who judges it)
            error = repr(raised)
    return Report(total=run.summary.total, outcomes=dict(outcomes), undecided=undecided, error=error)


def work() -> int:
    report = asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0
