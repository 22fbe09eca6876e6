"""Looking stocks up by the seller's reference, which the API itself does not offer.

A stock row does not carry the reference, and no filter takes one (**D**). So the references are learned once, a
thousand a page, and kept; then the cheaper way is taken: one GET for each wanted stock, or one scan over all of them.
"""

from __future__ import annotations

import asyncio
import weakref
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import anyio

from ..contract.checks import FieldProblem
from ..errors import CallError, ConfigurationError, NotFoundError, ValidationError, check_type
from ..resources.products import Products
from ..resources.stocks import Stocks
from .job import RUN_ENDING, Job
from .outcomes import Failed, Found, Missing
from .seen import temporary_database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from ..session.scope import Scope
    from .job import Deliver
    from .outcomes import Outcome

How: TypeAlias = Literal["auto", "get", "scan"]

WINDOW = 20_000
"""References handled together. They share one scan, so few windows are fast; each one's keys are held in memory."""
UNKNOWN_FOR = 60.0
"""Seconds in which a reference that was not there is not searched again: a mistyped one must not burn the limit."""
UNKNOWN_MOST = 10_000
PAGE_ROWS = 1000
PAGE_COST = 4
"""What a full page costs, in single GETs: a thousand times the bytes, but one call of the limit."""


def scan_is_cheaper(*, wanted: int, rows: int) -> bool:
    """Whether reading all ``rows`` costs less than asking for each of ``wanted``."""
    return ceil(rows / PAGE_ROWS) * PAGE_COST < wanted


def _nothing() -> None:
    """Nothing was learned yet, so there is nothing to forget."""


class ReferenceIndex:
    """Which stock belongs to which of a seller's references; kept on disk, since a catalogue may have millions."""

    def __init__(self, scope: Scope) -> None:
        self._products = Products(scope)
        self._database: sqlite3.Connection | None = None
        self._forget: Callable[[], object] = _nothing
        self._unknown: dict[str, float] = {}
        self._learning = asyncio.Lock()
        self.rows = 0

    async def search(self, references: Sequence[str]) -> None:
        """Learn anew if any of ``references`` may have come since; runs that start together learn once."""
        async with self._learning:
            if self._lacks(references):
                await self._learn()
                self._note_unknown(references)

    async def _learn(self) -> None:
        learned = temporary_database("CREATE TABLE learned (reference TEXT PRIMARY KEY, stock_id TEXT) WITHOUT ROWID")
        learned.execute("BEGIN")
        try:
            async for page in self._products.references().pages():
                pairs = [(known.seller_product_reference, known.stock_id) for known in page.items if known.stock_id]
                learned.executemany("INSERT OR REPLACE INTO learned VALUES (?, ?)", pairs)
        except BaseException:
            learned.close()
            raise
        self._forget()
        self._forget = weakref.finalize(self, learned.close)
        self._database = learned
        self.rows = learned.execute("SELECT count(*) FROM learned").fetchone()[0]

    def _lacks(self, references: Iterable[str]) -> bool:
        """Whether any of them is neither learned nor was searched in vain a short while ago."""
        now = asyncio.get_running_loop().time()
        missing = (reference for reference in references if self.stock_id(reference) is None)
        return any(self._unknown.get(reference, 0.0) <= now for reference in missing)

    def _note_unknown(self, references: Iterable[str]) -> None:
        """Remember which of them were searched in vain."""
        now = asyncio.get_running_loop().time()
        remembered = {reference: until for reference, until in self._unknown.items() if until > now}
        missing = (reference for reference in references if self.stock_id(reference) is None)
        fresh = dict.fromkeys(islice(missing, UNKNOWN_MOST), now + UNKNOWN_FOR)
        self._unknown = dict(islice((fresh | remembered).items(), UNKNOWN_MOST))

    def stock_id(self, reference: str) -> str | None:
        """The stock of a reference, as far as it was learned."""
        if self._database is None:
            return None
        row = self._database.execute("SELECT stock_id FROM learned WHERE reference = ?", (reference,)).fetchone()
        return None if row is None else row[0]


class LookupStocks(Job[str]):
    """The job of ``client.bulk.lookup_stocks``."""

    batch = WINDOW

    def __init__(self, scope: Scope, index: ReferenceIndex, *, workers: int, how: How) -> None:
        self._stocks = Stocks(scope)
        self._index = index
        self._workers = workers
        if workers < 1:
            raise ConfigurationError(f"concurrency must be at least 1, not {workers}")
        if how not in get_args(How):
            raise ConfigurationError(f"how must be one of {', '.join(get_args(How))}, not {how!r}")
        self._how = how

    def key(self, item: str) -> str:
        return item

    def check(self, item: str) -> None:
        check_type("look-up", item, str)
        if not item.strip():
            raise ValidationError("look-up", item, [FieldProblem("reference", item, "is empty")])

    async def handle(self, items: Sequence[str], deliver: Deliver) -> None:
        left = dict.fromkeys(items)

        async def decide(outcome: Outcome) -> None:
            del left[outcome.key]
            await deliver(outcome)

        try:
            wanted = await self._locate(items, decide)
            if self._should_scan(len(wanted)):
                await self._scan(wanted, decide)
            await self._get_each(wanted, decide)
        except RUN_ENDING:
            raise
        except CallError as error:  # the references or the scan could not be had: the same for all that are left
            for reference in left:
                await deliver(Failed(key=reference, error=error))

    def _should_scan(self, wanted: int) -> bool:
        if self._how == "auto":
            return scan_is_cheaper(wanted=wanted, rows=self._index.rows)
        return self._how == "scan"

    async def _locate(self, references: Sequence[str], deliver: Deliver) -> dict[str, list[str]]:
        """The wanted references by stock id; those that the seller does not have are told to be missing."""
        await self._index.search(references)
        wanted: dict[str, list[str]] = {}
        for reference in references:
            stock_id = self._index.stock_id(reference)
            if stock_id is None:
                await deliver(Missing(key=reference, reason="the seller has no stock under this reference"))
            else:
                wanted.setdefault(stock_id, []).append(reference)
        return wanted

    async def _scan(self, wanted: dict[str, list[str]], deliver: Deliver) -> None:
        """Take what is wanted out of all stocks; what moved away during the scan stays wanted."""
        async for page in self._stocks.list().pages():
            for stock in page.items:
                for reference in wanted.pop(stock.id, ()):
                    await deliver(Found(key=reference, stock=stock))
            if not wanted:
                return

    async def _get_each(self, wanted: dict[str, list[str]], deliver: Deliver) -> None:
        rows = iter(wanted.items())
        ended: list[Exception] = []

        async def work() -> None:
            for stock_id, references in rows:
                if ended:
                    return
                try:
                    for reference in references:
                        await deliver(await self._get(stock_id, reference))
                except RUN_ENDING as error:
                    ended.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(min(self._workers, len(wanted))):
                group.start_soon(work)
        if ended:
            raise ended[0]

    async def _get(self, stock_id: str, reference: str) -> Outcome:
        try:
            return Found(key=reference, stock=await self._stocks.get(stock_id))
        except NotFoundError:
            return Missing(key=reference, reason=f"there is no stock {stock_id} any more")
        except RUN_ENDING:
            raise
        except CallError as error:
            return Failed(key=reference, error=error)
