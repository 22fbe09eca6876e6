"""Five minutes without an API in the middle of a bulk run at its limit.

*Extra* is the requests sent in vain, as a part of those that would have been sent meanwhile. *First 10 s* is the
requests that arrived in the first ten seconds after the API came back, as a part of what the limit allows; *peak* the
most in any second of them, likewise. *Full after* is when a second first carried 90 % of the limit again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from octoffm_async import DeliveryAddress, FulfillmentClient, Limit, OutboundShipmentRequest, ShipmentLine

from .api import Latency, SimulatedApi, config, sliding
from .clock import simulate

if TYPE_CHECKING:
    from octoffm_async.bulk.run import Run

BEFORE, OUTAGE, AFTER = 60.0, 300.0, 60.0
FIRST = 10.0
Work = Literal["orders", "look-ups"]
Way = Literal["refused", "503", "refused, token too", "503, token too"]
WAYS: tuple[Way, ...] = ("refused", "503", "refused, token too", "503, token too")
TOKEN_LIFE = 120.0


class Outage(NamedTuple):
    """The work at ``rate`` per second, and the way in which the API fails."""

    work: Work
    way: Way
    rate: int = 20
    seed: int = 1
    interactive: bool = False

    @property
    def name(self) -> str:
        """The name for tables."""
        return f"{self.work} at {self.rate}/s, {self.way}"


class Figures(NamedTuple):
    """The figures of the module's docstring; ``history`` is the arrived requests, by second."""

    extra: float
    tokens: int
    first: float
    peak: float
    full_after: float | None
    done: int
    failed: int
    unknown: int
    items: int
    twice: int
    seconds: float
    history: list[tuple[float, float]]


def measure(outage: Outage) -> Figures:
    """Run one outage."""
    return simulate(_run(outage))


def order(number: int) -> OutboundShipmentRequest:
    """Return the order of this number."""
    return OutboundShipmentRequest(
        reference=f"ORDER-{number:06d}",
        storage_country="FR",
        delivery_mode="TrackedHomeDelivery",
        delivery_address=DeliveryAddress(
            first_name="Ada",
            last_name="Byron",
            address_line1="1 rue A",
            postal_code="33000",
            city="B",
            country_code="FR",
        ),
        lines=[ShipmentLine(seller_product_reference="SKU-1", quantity=1)],
    )


async def _run(outage: Outage) -> Figures:
    api = SimulatedApi(Latency(0.03, 0.06, random.Random(outage.seed)), token_life=TOKEN_LIFE)
    api.quota = sliding(outage.rate, 1.0)
    loop = asyncio.get_running_loop()
    items = round(outage.rate * (BEFORE + AFTER))
    api.references = [f"R-{number}" for number in range(items)]
    settings = config(limit=Limit(outage.rate, per=1.0))
    began = loop.time()
    outcomes = Counter[str]()
    async with FulfillmentClient(settings, transport=api, logging=False) as client:
        breaking = asyncio.create_task(_break(api, outage.way))
        run: Run[Any, Any]
        if outage.work == "orders":
            run = client.bulk.create_outbound(order(number) for number in range(items))
        else:
            run = client.bulk.lookup_stocks(api.references, how="get")
        async with run:
            async for outcome in run:
                outcomes[type(outcome).__name__] += 1
        ended = loop.time()
        await breaking
    return _figures(api, outage, outcomes, began=began, ended=ended)


async def _break(api: SimulatedApi, way: Way) -> None:
    await asyncio.sleep(BEFORE)
    _set(api, way, down=True)
    await asyncio.sleep(OUTAGE)
    _set(api, way, down=False)


def _set(api: SimulatedApi, way: Way, *, down: bool) -> None:
    api.refuses_connections = down and way.startswith("refused")
    api.fails = down and way.startswith("503")
    api.tokens_fail = down and way.endswith("token too")


def _figures(api: SimulatedApi, outage: Outage, outcomes: Counter[str], *, began: float, ended: float) -> Figures:
    down, up = began + BEFORE, began + BEFORE + OUTAGE
    history = Counter(int(at - began) for at in api.arrived_at)
    tokens = sum(down <= at < up for at in api.token_calls)
    back = int(BEFORE + OUTAGE)
    seconds = range(back, int(ended - began))
    return Figures(
        extra=(api.count(down, up) + tokens) / (outage.rate * OUTAGE),
        tokens=tokens,
        first=api.count(up, up + FIRST) / (outage.rate * FIRST),
        peak=max(api.count(up + step / 10, up + step / 10 + 1) for step in range(int(FIRST * 10))) / outage.rate,
        full_after=next((float(second - back) for second in seconds if history[second] >= 0.9 * outage.rate), None),
        done=outcomes["Created"] + outcomes["Found"],
        failed=outcomes["Failed"],
        unknown=outcomes["Unknown"],
        items=outcomes.total(),
        twice=sum(count > 1 for count in api.created.values()),
        seconds=ended - began,
        history=[(float(second), float(history[second])) for second in range(int(ended - began))],
    )
