"""A process that orders through a journal that others share, and stops itself, or dies, at the instant it was told.

:func:`work` is run in a fork (:mod:`tests.support.forks`) with a :class:`Plan` in JSON. It tells when it is about to
stop; if it lives to the end, it prints a :class:`Report`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from octoffm_async import Config, FulfillmentClient, Limit, Skipped, Unknown
from octoffm_async.journal import Journal, SQLiteJournal
from octoffm_async.journal.commands import Command, CommandReply, MarkSent, RecordCreated
from octoffm_async.journal.lease import Lease
from octoffm_async.journal.postgres import writer as journal_writer
from octoffm_async.journal.postgres.journal import PostgresJournal
from octoffm_async.journal.sqlite.engine import Store
from octoffm_async.transport.connection import Http1Connection
from tests.support.items import order

STOPPING = b"stopping\n"

Instant = Literal["never", "before sent", "after sent", "before write", "after write", "before settle", "single"]
INSTANTS: tuple[Instant, ...] = ("before sent", "after sent", "before write", "after write", "before settle")


class Plan(msgspec.Struct, kw_only=True):
    """What to order, where, and when to stop. With ``single`` each order is a call of its own."""

    journal: str
    addresses: dict[str, str]
    keys: list[str]
    instant: Instant = "never"
    after: int = 5
    """The fifth time, for example, that the instant comes."""
    signal: int = signal.SIGSTOP
    lease: float = 1.0
    patience: float = 0.8
    pace: int = 200
    single: int = 0
    """So many calls at once for each of the keys, one by one, instead of a run."""


class Report(msgspec.Struct, kw_only=True):
    outcomes: dict[str, int]
    ids: dict[str, list[str]]
    error: str
    unknown: dict[str, str] = {}
    """Why items are unknown."""


def stops(plan: Plan) -> Callable[[], None]:
    """What is called at the instant, each time."""
    times = 0

    def stop() -> None:
        nonlocal times
        times += 1
        if times == plan.after:
            with transaction:
                os.write(1, STOPPING)
                os.kill(os.getpid(), plan.signal)

    return stop


transaction = threading.Lock()
"""Held by the thread of a journal in a file: who is stopped in a transaction would stop all others too."""


def arrange(plan: Plan) -> None:
    """Have it stop at the instant."""
    stop = stops(plan)
    check, write = Lease.check, Http1Connection.send

    def checked(self: Lease) -> None:
        if plan.instant == "before write":
            stop()
        check(self)

    def left(self: Http1Connection, *args: Any) -> None:
        write(self, *args)
        if plan.instant == "after write":
            stop()

    Lease.check, Http1Connection.send = checked, left  # type: ignore[method-assign,assignment]
    (arrange_postgres if "://" in plan.journal else arrange_file)(plan, stop)


def arrange_postgres(plan: Plan, stop: Callable[[], None]) -> None:
    changes: Any = journal_writer.changes
    send, settle = changes.send, changes.settle

    async def sent(*args: Any) -> None:
        if plan.instant == "before sent":
            stop()
        await send(*args)
        if plan.instant == "after sent":
            stop()

    async def settled(*args: Any) -> Any:
        if plan.instant == "before settle":
            stop()
        return await settle(*args)

    changes.send, changes.settle = sent, settled


def arrange_file(plan: Plan, stop_here: Callable[[], None]) -> None:
    """Have it stop in a step of the loop: in another thread, it could be between a request's fence and its writing."""
    process, loop = Store.process, asyncio.get_running_loop()

    def stop() -> None:
        stopped = threading.Event()
        loop.call_soon_threadsafe(lambda: (stop_here(), stopped.set()))
        transaction.release()
        stopped.wait()
        transaction.acquire()

    def processed(self: Store, commands: Sequence[Command]) -> list[CommandReply]:
        with transaction:
            sends = any(isinstance(command, MarkSent) for command in commands)
            if plan.instant == "before sent" and sends:
                stop()
            if plan.instant == "before settle" and any(isinstance(command, RecordCreated) for command in commands):
                stop()
            answers = process(self, commands)
            if plan.instant == "after sent" and sends:
                stop()
            return answers

    Store.process = processed  # type: ignore[method-assign]


def opened(plan: Plan) -> Journal:
    if "://" in plan.journal:
        return PostgresJournal(plan.journal, lease=plan.lease)
    return SQLiteJournal(plan.journal, lease=plan.lease)


async def run(client: FulfillmentClient, journal: Journal, plan: Plan, report: Report) -> None:
    outcomes: Counter[str] = Counter()
    try:
        items = (order(key, product="SKU-000001") for key in plan.keys)
        async with client.bulk.create_outbound(items, journal=journal, patience=plan.patience, concurrency=4) as run:
            async for outcome in run:
                earlier = f" {type(outcome.earlier).__name__}" if isinstance(outcome, Skipped) else ""
                outcomes[type(outcome).__name__ + earlier] += 1
                if isinstance(outcome, Unknown):
                    report.unknown[outcome.key] = outcome.reason
    finally:
        report.outcomes = dict(outcomes)


async def create(client: FulfillmentClient, journal: Journal, plan: Plan, report: Report) -> None:
    for key in plan.keys:
        calls = [
            client.outbound.create(order(key, product="SKU-000001"), journal=journal, patience=plan.patience)
            for _ in range(plan.single)
        ]
        report.ids[key] = sorted(set(await asyncio.gather(*calls)))


async def main(plan: Plan) -> Report:
    arrange(plan)
    report = Report(outcomes={}, ids={}, error="")
    config = Config(**plan.addresses, limit=Limit(plan.pace, burst=4), read_timeout=2.0)
    try:
        async with (
            FulfillmentClient(config, hooks=()) as client,
            opened(plan) as journal,
        ):
            await client.check()
            await (create if plan.single else run)(client, journal, plan, report)
    except Exception as error:  # noqa: BLE001  (the parent is who judges it)
        report.error = repr(error)
    return report


def work() -> int:
    """What is forked."""
    output = asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
    sys.stdout.buffer.write(msgspec.json.encode(output))
    return 0
