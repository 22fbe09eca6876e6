"""Mirrors in the fleet's database, for periodic jobs: the current stocks, and the changes of shipments and returns.

``octoffm_stocks`` has a row for each stock of each seller. ``octoffm_changes`` has a row for each shipment, stock and
return that changed, in its latest state, with a number that grows with each change: a reader remembers the largest
number that it saw and selects ``number > … ORDER BY number``. Numbers grow in the order of commits, so a reader misses
none; it reads a row once that changed twice between two reads.

Each call continues at the watermark that the call before wrote to the database (:class:`octoffm_async.ChangeFeed`
has the theory). It writes a batch of rows in a transaction, and the watermark with the last batch. A call that is
killed loses nothing, and two calls at once, or a call that resumes late, do no harm: an older state never replaces a
newer one. A stock that disappears from the API's list stays in the mirror, for the API does not report it. A quantity
that the API left out is NULL, never 0. ``item`` uses the names of the contract, however the API spells them, and has
the fields that the package does not model under the API's own names. A first mirror costs about 270 µs and, until it
ends, 300 bytes of memory for each row; a row of ``octoffm_stocks`` takes about 1 kB with its index.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, LiteralString, NamedTuple

import msgspec
from procrastinate import exceptions

from ..contract.base import Answer, modelled_fields
from ..contract.stocks import Quantities, Stock
from ..errors import CallError, ConfigurationError
from ..feeds.change_feed import KINDS, Change
from .queue import QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from procrastinate import App

    from ..client import FulfillmentClient, SellerClient
    from ..feeds.change_feed import ChangeKind
    from ..stores.database import Database

__all__ = ["EARLIEST", "TABLES", "VERSION", "MirrorResult", "mirror_changes", "mirror_stocks", "prepare_mirrors"]

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""The default start of a first mirror."""
BATCH: Final = 1000
"""Rows of a page and of a transaction."""
VERSION: Final = 2
TABLES: Final[tuple[LiteralString, ...]] = (
    """
    CREATE TABLE IF NOT EXISTS octoffm_stocks (
        seller text NOT NULL,
        id text NOT NULL,
        product_id text,
        product_condition text,
        product_state text,
        gtin text,
        updated_at timestamptz,
        available bigint,
        allocated bigint,
        blocked bigint,
        litigation bigint,
        removal bigint,
        return bigint,
        logistic_operations bigint,
        item jsonb NOT NULL,
        PRIMARY KEY (seller, id)
    )
    """,
    """
    ALTER TABLE octoffm_stocks
        ALTER COLUMN available DROP NOT NULL, ALTER COLUMN allocated DROP NOT NULL,
        ALTER COLUMN blocked DROP NOT NULL, ALTER COLUMN litigation DROP NOT NULL,
        ALTER COLUMN removal DROP NOT NULL, ALTER COLUMN return DROP NOT NULL,
        ALTER COLUMN logistic_operations DROP NOT NULL
    """,
    """
    CREATE TABLE IF NOT EXISTS octoffm_changes (
        seller text NOT NULL,
        kind text NOT NULL,
        id text NOT NULL,
        number bigint NOT NULL,
        at timestamptz,
        seen_at timestamptz NOT NULL,
        item jsonb NOT NULL,
        PRIMARY KEY (seller, kind, id)
    )
    """,
    "CREATE UNIQUE INDEX IF NOT EXISTS octoffm_changes_number ON octoffm_changes (number)",
    "CREATE SEQUENCE IF NOT EXISTS octoffm_changes_numbers",
    """
    CREATE TABLE IF NOT EXISTS octoffm_watermarks (
        seller text NOT NULL,
        mirror text NOT NULL,
        kind text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (seller, mirror, kind)
    )
    """,
)
_WRITE_STOCKS: Final = """
    INSERT INTO octoffm_stocks
    SELECT %(seller)s, * FROM unnest(
        %(id)s::text[], %(product_id)s::text[], %(product_condition)s::text[], %(product_state)s::text[],
        %(gtin)s::text[], %(updated_at)s::timestamptz[], %(available)s::bigint[], %(allocated)s::bigint[],
        %(blocked)s::bigint[], %(litigation)s::bigint[], %(removal)s::bigint[], %(return_)s::bigint[],
        %(logistic_operations)s::bigint[], %(item)s::jsonb[]
    )
    ON CONFLICT (seller, id) DO UPDATE SET
        product_id = excluded.product_id, product_condition = excluded.product_condition,
        product_state = excluded.product_state, gtin = excluded.gtin, updated_at = excluded.updated_at,
        available = excluded.available, allocated = excluded.allocated, blocked = excluded.blocked,
        litigation = excluded.litigation, removal = excluded.removal, return = excluded.return,
        logistic_operations = excluded.logistic_operations, item = excluded.item
    WHERE octoffm_stocks.item <> excluded.item AND (excluded.updated_at < octoffm_stocks.updated_at) IS NOT TRUE
"""
_ORDER_OF_COMMITS: Final = "SELECT pg_advisory_xact_lock(hashtextextended('octoffm_changes', 0))"
_WRITE_CHANGES: Final = """
    INSERT INTO octoffm_changes
    SELECT %(seller)s, %(kind)s, id, nextval('octoffm_changes_numbers'), at, clock_timestamp(), item
    FROM unnest(%(id)s::text[], %(at)s::timestamptz[], %(item)s::jsonb[]) AS changed (id, at, item)
    ON CONFLICT (seller, kind, id) DO UPDATE SET
        number = excluded.number, at = excluded.at, seen_at = excluded.seen_at, item = excluded.item
    WHERE octoffm_changes.item <> excluded.item AND (excluded.at < octoffm_changes.at) IS NOT TRUE
"""
_READ_MARK: Final = "SELECT at FROM octoffm_watermarks WHERE seller = %s AND mirror = %s AND kind = %s"
_WRITE_MARK: Final = """
    INSERT INTO octoffm_watermarks VALUES (%s, %s, %s, %s)
    ON CONFLICT (seller, mirror, kind) DO UPDATE SET at = greatest(octoffm_watermarks.at, excluded.at)
"""


_ESCAPED_ZERO: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class MirrorResult(NamedTuple):
    """The number of rows that the API listed, and of those that changed the mirror."""

    listed: int = 0
    changed: int = 0


async def prepare_mirrors(database: Database) -> None:
    """Create the tables of the mirrors, if they do not exist."""
    await database.prepare("mirrors", VERSION, TABLES)


async def mirror_stocks(database: Database, client: SellerClient, *, since: datetime = EARLIEST) -> MirrorResult:
    """Update the seller's rows of ``octoffm_stocks``. ``since`` is the start of the first call only.

    Raises:
        CallError: the list could not be read; the rows read before are written.
        StoreError: the database is unreachable.
    """
    return await _mirror(_Mark(client.seller_id, "stocks", "stocks"), database, client, since)


async def mirror_changes(
    database: Database, client: SellerClient, *, kinds: Iterable[ChangeKind] = KINDS, since: datetime = EARLIEST
) -> MirrorResult:
    """Update the seller's rows of ``octoffm_changes``. ``since`` is the start of the first call for a kind only.

    Raises:
        CallError: a list could not be read; the rows read before are written.
        StoreError: the database is unreachable.
    """
    done = [await _mirror(_Mark(client.seller_id, "changes", kind), database, client, since) for kind in kinds]
    return MirrorResult(sum(each.listed for each in done), sum(each.changed for each in done))


class _Mark(NamedTuple):
    """The key of a watermark."""

    seller: str
    mirror: Literal["stocks", "changes"]
    kind: ChangeKind


async def _mirror(mark: _Mark, database: Database, client: SellerClient, since: datetime) -> MirrorResult:
    async with database.connection() as connection:
        known = await (await connection.execute(_READ_MARK, mark)).fetchone()
    feed = client.changes(since if known is None else known[0], kinds=[mark.kind], limit=BATCH)
    listed, changed, batch = 0, 0, dict[str, Change]()
    async for change in feed:
        listed += 1
        batch[change.id] = change  # a row that changed while it was listed comes twice
        if len(batch) == BATCH:
            changed += await _write(mark, database, batch.values(), None)
            batch = {}
    changed += await _write(mark, database, batch.values(), feed.watermark[mark.kind])
    return MirrorResult(listed, changed)


async def _write(mark: _Mark, database: Database, batch: Iterable[Change], watermark: datetime | None) -> int:
    """Write a batch, and the watermark with the last one; return the number of rows that changed."""
    changes = sorted(batch, key=lambda change: change.id)  # one order of locks everywhere, so no deadlock
    async with database.connection() as connection, connection.transaction():
        if not changes:
            written = 0
        elif mark.mirror == "stocks":
            written = (await connection.execute(_WRITE_STOCKS, _stocks(mark.seller, changes))).rowcount
        else:
            await connection.execute(_ORDER_OF_COMMITS)  # readers rely on it: see the module docstring
            written = (await connection.execute(_WRITE_CHANGES, _changes(mark, changes))).rowcount
        if watermark is not None:
            await connection.execute(_WRITE_MARK, (*mark, watermark))
    return written


def _stocks(seller: str, changes: Sequence[Change]) -> dict[str, object]:
    """Return stocks as columns."""
    stocks = [change.item for change in changes if isinstance(change.item, Stock)]
    quantities = [stock.quantities for stock in stocks]
    columns: dict[str, object] = {
        name: [getattr(each, name) for each in quantities] for name in modelled_fields(Quantities)
    }
    return columns | {
        "seller": seller,
        "id": [_text(stock.id) for stock in stocks],
        "product_id": [_text(stock.product_id) for stock in stocks],
        "product_condition": [_text(stock.product_condition) for stock in stocks],
        "product_state": [_text(stock.product_state) for stock in stocks],
        "gtin": [_text(stock.gtin) for stock in stocks],
        "updated_at": [stock.updated_at for stock in stocks],
        "item": [_json(stock) for stock in stocks],
    }


def _changes(mark: _Mark, changes: Sequence[Change]) -> dict[str, object]:
    """Return changes as columns."""
    return {
        "seller": mark.seller,
        "kind": mark.kind,
        "id": [_text(change.id) for change in changes],
        "at": [change.at for change in changes],
        "item": [_json(change.item) for change in changes],
    }


def _text(text: str | None) -> str | None:
    """Replace zero bytes, which PostgreSQL's text cannot hold."""
    return None if text is None else str(text).replace("\0", "\ufffd")


def _json(item: Answer) -> str:
    return _ESCAPED_ZERO.sub(r"\1\\ufffd", msgspec.json.encode(item.to_dict(wire=True)).decode())


ROUND: Final = "octoffm.mirror"
SELLER: Final = "octoffm.mirror_seller"
_SELLERS = "SELECT DISTINCT seller FROM octoffm_lanes ORDER BY seller"
logger: logging.Logger = logging.getLogger("octoffm_async")


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
