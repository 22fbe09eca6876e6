"""Stock look-up by the seller's references.

There are two methods. The client may ask the API for the stocks of each reference, by a filter that must be proven
first (:mod:`.filter`). Else it reads the seller's references once, a thousand per page (:mod:`.references`), and
joins them to stocks (:mod:`.join`), which it reads one by one or all in one scan, whichever is cheaper.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import anyio

from ...contract.requests.filters import filter_problems
from ...contract.stocks import StockFilters
from ...errors import (
    BadRowError,
    CallError,
    ConfigurationError,
    NotFoundError,
    UnusableAnswerError,
    ValidationError,
    check_type,
)
from ...resources.stocks import Stocks
from ..job import RUN_ENDING, Job
from ..outcomes import Failed, Found, Missing
from .filter import NOT_TAKEN, ContradictedError, StockFilter, proof_at_hand
from .join import Join
from .references import PAGE_ROWS, ReferenceIndex, taking_bad_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from ...session.seller_session import SellerSession
    from ..job import Deliver
    from ..outcomes import Outcome

StockLookupMethod: TypeAlias = Literal["auto", "get", "scan", "filter"]

WINDOW = 20_000
"""Number of references handled together.

They share one scan, so few windows are fast; their keys are held in memory.
"""
PAGE_COST = 4
"""Cost of a full page, in single GETs: a thousand times the bytes, but one call of the limit."""
CANARIES = 32
"""Number of empty responses of a filter that never showed a stock, after which the look-up uses the other method."""


def scan_is_cheaper(*, requested: int, rows: int) -> bool:
    """Return True if reading all ``rows`` costs less than asking for each of ``requested``."""
    return ceil(rows / PAGE_ROWS) * PAGE_COST < requested


class LookupStocks(Job[str]):
    """The job of ``client.bulk.lookup_stocks``."""

    batch = WINDOW
    reads_only = True

    def __init__(self, scope: SellerSession, *, workers: int, how: StockLookupMethod) -> None:
        self._scope = taking_bad_rows(scope, "raise")  # a skipped stock would be missing in a sum
        self._stocks = Stocks(self._scope)
        self._workers = workers
        if workers < 1:
            raise ConfigurationError(f"concurrency must be at least 1, not {workers}")
        if how not in get_args(StockLookupMethod):
            raise ConfigurationError(f"how must be one of {', '.join(get_args(StockLookupMethod))}, not {how!r}")
        self._how = how

    def key(self, item: str) -> str:
        return item

    def check(self, item: str) -> None:
        check_type("look-up", item, str)
        problems = filter_problems(StockFilters(seller_product_reference=item))
        if problems:
            raise ValidationError("look-up", item, [problem._replace(field="reference") for problem in problems])

    async def handle(self, items: Sequence[str], deliver: Deliver) -> None:
        left = dict.fromkeys(items)
        empty = set[str]()
        stock_filter = StockFilter.of(self._scope)

        async def decide(outcome: Outcome) -> None:
            del left[outcome.key]
            if outcome.key in empty and isinstance(outcome, Found):
                stock_filter.distrust("it gave no stock for a reference that has one", self._scope.seller_id)
            await deliver(outcome)

        try:
            if await self._takes_filter(len(items)):
                empty = await self._filter(items, decide)
            if left:
                await self._join(list(left), decide)
        except RUN_ENDING:
            raise
        except CallError as error:  # no references or no scan: this concerns all remaining references
            for reference in left:
                await deliver(Failed(key=reference, error=error))

    async def _takes_filter(self, requested: int) -> bool:
        """Return True if the filter is to be asked for each reference.

        While the number of stocks is not known, the references are read as long as reading them and a scan of as many
        stocks costs less than the filter: at worst, half of its cost is wasted.

        Raises:
            UnusableAnswerError: the filter is required, and is not proven to be obeyed.
        """
        if self._how in ("get", "scan"):
            return False
        if self._how == "filter":
            proof = await StockFilter.of(self._scope).prove(self._scope)
            if not proof.obeyed:
                raise UnusableAnswerError(f"how='filter' cannot be used, use 'auto': {proof.reason}")
            return True
        if not (await proof_at_hand(StockFilter.of(self._scope), self._scope)).obeyed:
            return False
        index = ReferenceIndex.of(self._scope)
        try:
            await index.size_up(self._scope, pages=requested // (2 * PAGE_COST))
        except RUN_ENDING:
            raise
        except CallError:  # the filter does not need them
            return True
        return index.known is None or not scan_is_cheaper(requested=requested, rows=index.known.rows)

    async def _filter(self, references: Sequence[str], deliver: Deliver) -> set[str]:
        """Look up references by the filter, leaving inconclusive ones; return those without a stock."""
        stock_filter = StockFilter.of(self._scope)
        known = ReferenceIndex.of(self._scope).known
        empty: list[str] = []

        async def ask(reference: str) -> None:
            if stock_filter.distrusted or (len(empty) >= CANARIES and not stock_filter.shown):
                return
            try:
                stocks = await stock_filter.stocks_of(reference, self._scope)
            except ContradictedError as reason:
                stock_filter.distrust(str(reason), self._scope.seller_id)
            except RUN_ENDING:
                raise
            except NOT_TAKEN:
                pass  # the other method may find it
            except CallError as error:
                await deliver(Failed(key=reference, error=error))
            else:
                rows = [] if known is None else known.of(reference)
                products = {row.product_id for row in rows}
                if not stocks:
                    empty.append(reference)
                elif (
                    products
                    and None not in products
                    and not {stock.product_id for stock in stocks} <= {*products, None}
                ):
                    stock_filter.distrust(
                        "it gave stocks of another product than the reference's", self._scope.seller_id
                    )
                else:
                    await deliver(Found(key=reference, stocks=stocks))

        await self._each(references, ask)
        for reference in empty if stock_filter.shown and not stock_filter.distrusted else ():
            if known is None or all(row.stock_id is None for row in known.of(reference)):
                await deliver(Missing(key=reference, reason="the API gives no stock for this reference"))
        return set(empty)

    async def _join(self, references: Sequence[str], deliver: Deliver) -> None:
        """Find the stocks of references by joining the seller's references with stocks."""
        known = await ReferenceIndex.of(self._scope).search(references, self._scope)
        join = Join(known)

        async def deliver_all(outcomes: Iterable[Outcome]) -> None:
            for outcome in outcomes:
                await deliver(outcome)

        for reference in references:
            if (outcome := join.seek(reference)) is not None:
                await deliver(outcome)
        requested = len(join.ids)
        scan = self._how == "scan" or (self._how != "get" and scan_is_cheaper(requested=requested, rows=known.rows))
        if join.needs_all or (scan and requested):
            await self._scan(join, deliver_all)

        async def get(stock_id: str) -> None:
            try:
                stock = await self._stocks.get(stock_id)
            except NotFoundError:
                await deliver_all(join.gone(stock_id))
            except RUN_ENDING:
                raise
            except CallError as error:
                await deliver_all(join.failed(stock_id, error))
            else:
                await deliver_all(join.got(stock_id, stock))

        await self._each(join.ids, get)  # a stock that the scan did not show may have moved between its pages

    async def _scan(self, join: Join, deliver_all: Callable[[Iterable[Outcome]], Awaitable[None]]) -> None:
        """Take the wanted stocks out of all stocks."""

        async def read(stocks: Stocks) -> None:
            async for page in stocks.list().pages():
                for stock in page.items:
                    await deliver_all(join.saw(stock))
                if join.done:
                    return
            await deliver_all(join.saw_all())

        try:
            await read(self._stocks)
        except BadRowError:  # the other rows still contain the stocks with known ids
            join.passed_over()
            await read(Stocks(taking_bad_rows(self._scope, "skip")))

    async def _each(self, items: Sequence[str], do: Callable[[str], Awaitable[None]]) -> None:
        """Call ``do`` for each item, several at a time. An error that concerns all items alike ends it."""
        rows: Iterator[str] = iter(items)
        ended: list[Exception] = []

        async def work() -> None:
            for item in rows:
                if ended:
                    return
                try:
                    await do(item)
                except RUN_ENDING as error:
                    ended.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(min(self._workers, len(items))):
                group.start_soon(work)
        if ended:
            raise ended[0]
