"""Trials: orders are sent through the library to an adversary, run after run, until nothing changes any more."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from octoffm_async import Config, FulfillmentClient, Journal, OutboundShipmentRequest, ShipmentLine
from octoffm_async.errors import CallError
from tests.support.fakes import SECRET
from tests.support.items import ADDRESS

from .judge import Finding, ReportedOutcome, judge_end, judge_reported
from .lies.lie import Lie
from .server import READ_TIMEOUT, SHARE_LOST, Adversary

ORDERS = 40
PATIENCE = 0.1
CONCURRENCY = 8
RUNS = 4
"""Runs with one journal, at the most."""
HANG = 45.0
"""Seconds after which a run counts as one that hangs."""

LINES = [ShipmentLine(quantity=1, seller_product_reference="SKU-000001")]
SHAPES = (
    "ORD-{n}",
    "shop-Ab-{n}",
    "000{n:05d}",
    "MARKETPLACE-2026-11-30-{n:05d}",
    "Stra\u00dfe-\u00e9t\u00e9-{n}",
    "e\u0301te\u0301-{n}",
    "o\ufb03ce-{n}",
    "zero\u200b-{n}",
    "two  blanks {n}",
    " around-{n} ",
)
"""References as shops make them; half of the orders have the plain first one."""
TWINS = {"TWIN-1": "twin-1", "42": "0042", "long-reference-number-1": "long-reference-number-11"}
"""Orders whose references are alike, and which are not the same. Of each two, one does not arrive at first."""


def references(count: int, rng: random.Random, *, plain: bool = False) -> list[str]:
    """References of all shapes, in random order; ``plain`` ones have no blanks around them, and no invisible sign."""
    found = [*TWINS, *TWINS.values()]
    found += [(SHAPES[n % len(SHAPES)] if n % 2 else SHAPES[0]).format(n=n) for n in range(count - len(found))]
    rng.shuffle(found)
    return [each.strip().replace("\u200b", "") for each in found] if plain else found


def order(reference: str) -> OutboundShipmentRequest:
    """An order of this reference."""
    return OutboundShipmentRequest(
        reference=reference,
        lines=LINES,
        delivery_address=ADDRESS,
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )


def config_of(origin: str) -> Config:
    """A client's settings for an adversary."""
    return Config(
        client_id="client",
        client_secret=SECRET,
        seller_id="12345",
        base_url=f"{origin}/seller/v2",
        token_url=f"{origin}/token",
        limit=None,
        read_timeout=READ_TIMEOUT,
        backoff_base=0.001,
        backoff_cap=0.01,
        throttle_base=0.01,
        bulk_deadline=5.0,
        deadline=5.0,
    )


@dataclass(frozen=True)
class Place:
    """Where a trial keeps its files, and the address of its journal, which may be in a database."""

    folder: Path
    journal: str


Way = Callable[[Adversary, Sequence[str], Place], Awaitable[dict[str, ReportedOutcome]]]
"""A way to send orders of these references with the journal of this place: what it told of each."""


async def by_bulk(server: Adversary, items: Sequence[str], place: Place) -> dict[str, ReportedOutcome]:
    """Send by a run of the library, in this process."""
    with our_clock(server):
        return await one_run(server.origin, items, place.journal, patience=PATIENCE)


async def one_run(
    origin: str, items: Sequence[str], journal: str | Journal, *, patience: float
) -> dict[str, ReportedOutcome]:
    """Send the orders by one run of the library; what it told of each."""
    reported: dict[str, ReportedOutcome] = {}
    async with FulfillmentClient(config_of(origin), hooks=()) as client:
        orders = [order(each) for each in items]
        run = client.bulk.create_outbound(orders, journal=journal, patience=patience, concurrency=CONCURRENCY)
        async with run:
            async for outcome in run:
                assert outcome.key not in reported, f"{outcome.key!r} has two outcomes"
                reported[outcome.key] = ReportedOutcome.of(outcome)
    return reported


async def by_calls(server: Adversary, items: Sequence[str], place: Place) -> dict[str, ReportedOutcome]:
    """Send each order by a call of its own, as a web backend does."""
    reported: dict[str, ReportedOutcome] = {}
    waiting = iter(items)

    async def work(client: FulfillmentClient, opened: Journal) -> None:
        for reference in waiting:
            try:
                made = await client.outbound.create(order(reference), journal=opened, patience=PATIENCE)
                reported[reference] = ReportedOutcome("Created", made)
            except CallError as error:
                reported[reference] = ReportedOutcome(
                    "Unknown" if error.outcome_unknown else "Failed", reason=str(error)
                )

    with our_clock(server):
        async with (
            FulfillmentClient(config_of(server.origin), hooks=()) as client,
            Journal.open(place.journal) as opened,
        ):
            async with asyncio.TaskGroup() as group:
                for _ in range(CONCURRENCY):
                    group.create_task(work(client, opened))
    return reported


async def campaign(
    lies: Sequence[Lie],
    folder: Path,
    *,
    seed: int,
    count: int = ORDERS,
    way: Way = by_bulk,
    before: Callable[[Adversary, Sequence[str], Place], Awaitable[None]] | None = None,
    journal: str = "",
    share_lost: float = SHARE_LOST,
    plain: bool = False,
) -> Finding:
    """Run, and run again with the same journal, until a run changes nothing; judge each run, and the end.

    ``before`` is done first, with the same orders and journal: runs that are killed. ``plain`` leaves out references
    that files cannot hold as they are. ``journal`` is its address, by default that of a file in the folder.
    """
    finding = Finding(lies, seed, was_killed=before is not None)
    items = references(count, random.Random(seed), plain=plain)
    place = Place(folder, journal or str(folder / "orders.sqlite"))
    reported: dict[str, ReportedOutcome] = {}
    async with Adversary(lies, seed=seed, share_lost=share_lost) as server:
        server.never_arrive = TWINS if share_lost else ()
        try:
            if before is not None:
                await before(server, items, place)
            for _ in range(RUNS):
                earlier, asked = reported, len(server.requests)
                async with asyncio.timeout(HANG):
                    reported = await way(server, items, place)
                finding.runs += 1
                server.runs += 1
                finding.requests.append(server.requests[asked:])
                judge_reported(finding, server, reported)
                if reported == earlier:
                    break
        except TimeoutError:
            finding.fault("hangs", f"a run did not end in {HANG:.0f} s")
        except Exception as error:  # noqa: BLE001  (judged)
            finding.fault("raises", repr(error))
        if server.broken is not None:
            raise server.broken
        judge_end(finding, server, items, reported)
        finding.untold = [each.name for each in lies if each.name not in server.used]
    return finding


# Our own clock


class _Datetimes(type):
    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, datetime)


@contextmanager
def our_clock(server: Adversary) -> Iterator[None]:
    """Let the wall clock that the package reads be as much ahead as the lies want."""
    if not any("ours" in lie.hooks for lie in server.lies):
        yield
        return
    real = time.time

    def now() -> float:
        return real() + server.our_clock_ahead

    with shifted_clock(now):
        yield


@contextmanager
def shifted_clock(now: Any) -> Iterator[None]:
    """Put ``now`` in place of the wall clock in every module of the package that reads it."""

    class Shifted(datetime, metaclass=_Datetimes):
        def __new__(cls, *given: Any, **named: Any) -> Any:
            return datetime(*given, **named)  # noqa: DTZ001  (the caller's affair)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(now(), tz)

    shifted_time = ModuleType("time")
    vars(shifted_time).update(vars(time), time=now)
    replaced: list[tuple[ModuleType, str, object]] = []
    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith("octoffm_async.") and not name.startswith("octoffm_async.contract")
    ]
    for module in modules:
        for name, thing in list(vars(module).items()):
            new = (
                Shifted if thing is datetime else shifted_time if thing is time else now if thing is time.time else None
            )
            if new is not None:
                replaced.append((module, name, thing))
                setattr(module, name, new)
    classes = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    defaults = [getattr(each.__init__, "__kwdefaults__", None) for each in classes]
    clocks = [(named, name) for named in defaults if named for name, thing in named.items() if thing is time.time]
    for named, name in clocks:
        named[name] = now
    try:
        yield
    finally:
        for module, name, thing in replaced:
            setattr(module, name, thing)
        for named, name in clocks:
            named[name] = time.time
