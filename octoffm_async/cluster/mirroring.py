"""Mirrors as periodic jobs of the queue: one job each interval, which queues a job for each seller of the fleet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from procrastinate import exceptions

from ..errors import CallError, ConfigurationError
from .engine import QUEUE
from .mirror import mirror_changes, mirror_stocks

if TYPE_CHECKING:
    from procrastinate import App

    from ..client import FulfillmentClient
    from .database import Database

ROUND: Final = "octoffm.mirror"
SELLER: Final = "octoffm.mirror_seller"
_SELLERS = "SELECT DISTINCT seller FROM octoffm_lanes ORDER BY seller"
logger = logging.getLogger("octoffm_async")


def cron_of(minutes: int) -> str:
    """Return the cron expression of an interval in minutes.

    Raises:
        ConfigurationError: the interval divides neither an hour nor a day.
    """
    if 0 < minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes} * * * *"
    hours, rest = divmod(minutes, 60)
    if not rest and 0 < hours <= 24 and 24 % hours == 0:
        return "0 0 * * *" if hours == 24 else f"0 */{hours} * * *"
    raise ConfigurationError(f"no schedule for every {minutes} min: it must divide an hour or, in whole hours, a day")


def schedule_mirrors(app: App, database: Database, client: FulfillmentClient, *, minutes: int) -> None:
    """Register the tasks that mirror the stocks and changes of every seller that ever had a job."""

    async def mirror_seller(*, seller: str) -> None:
        view = client.seller(seller).with_options(lane="bulk")
        try:
            stocks = await mirror_stocks(database, view)
            changes = await mirror_changes(database, view)
        except CallError as error:  # the next round continues at the watermark
            logger.warning("the mirror of seller %s is not up to date: %s", seller, error)
        else:
            logger.info("mirrored seller %s: %d stocks and %d changes", seller, stocks.changed, changes.changed)

    async def mirror(timestamp: int) -> None:
        del timestamp
        async with database.connection() as connection:
            sellers = await (await connection.execute(_SELLERS)).fetchall()
        for (seller,) in sellers:
            lock = f"octoffm:mirror:{seller}"
            try:
                await app.configure_task(SELLER, queue=QUEUE, lock=lock, queueing_lock=lock).defer_async(seller=seller)
            except exceptions.AlreadyEnqueued:
                pass

    app.task(name=SELLER, queue=QUEUE)(mirror_seller)
    app.periodic(cron=cron_of(minutes))(app.task(name=ROUND, queue=QUEUE, queueing_lock=ROUND)(mirror))
