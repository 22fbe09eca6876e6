"""Joining stocks to references: by ``stockId`` where the reference list has it, else by ``productId``.

Decisions only: rows of stocks go in, outcomes come out. The look-up reads them (:mod:`.lookup`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ...errors import UnusableAnswerError
from ..outcomes import Failed, Found, Missing
from .filter import MOST_STOCKS
from .references import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...contract.stocks import Stock
    from .references import References

Joined: TypeAlias = Found | Missing | Failed


class _Sought:
    """A reference whose stocks are looked up."""

    __slots__ = ("candidates", "error", "pending", "products", "reference", "stocks")

    def __init__(self, reference: str, ids: list[str], products: list[str]) -> None:
        self.reference = reference
        self.stocks: dict[str, Stock | None] = dict.fromkeys(ids)
        self.pending = len(self.stocks)
        self.products = products
        """Products all of whose stocks must be read; empty afterwards."""
        self.candidates: dict[str, Stock] = {}
        self.error: Exception | None = None


class Join:
    """The stocks of some references."""

    def __init__(self, known: References) -> None:
        self._known = known
        self._by_id: dict[str, list[_Sought]] = {}
        self._by_product: dict[str, list[_Sought]] = {}
        self._nameless = 0

    def seek(self, reference: str) -> Joined | None:
        """Add a reference to the look-up; return its outcome if that is known already."""
        rows = self._known.of(reference)
        if not rows:
            if unreadable := self._known.unreadable:
                return _undecided(
                    reference,
                    f"at least {unreadable} of the seller's references could not be read: it may be one of them",
                )
            return Missing(key=reference, reason="the seller has no such reference")
        if len(rows) > MOST_ROWS:
            return _undecided(reference, f"it has more than {MOST_ROWS} rows in the seller's references")
        if any(row.stock_id is None and row.product_id is None for row in rows):
            return _undecided(
                reference,
                "the seller's references have neither a stockId nor a productId for it: its stocks cannot be found",
            )
        ids = [row.stock_id for row in rows if row.stock_id is not None]
        products = [row.product_id for row in rows if row.stock_id is None and row.product_id is not None]
        sought = _Sought(reference, ids, list(dict.fromkeys(products)))
        for stock_id in sought.stocks:
            self._by_id.setdefault(stock_id, []).append(sought)
        for product_id in sought.products:
            self._by_product.setdefault(product_id, []).append(sought)
        return None

    @property
    def needs_all(self) -> bool:
        """True if some references can be decided only by reading all stocks."""
        return bool(self._by_product)

    @property
    def ids(self) -> list[str]:
        """Ids of stocks that were not read yet."""
        return list(self._by_id)

    @property
    def done(self) -> bool:
        """True if all references are decided."""
        return not self._by_id and not self._by_product

    def saw(self, stock: Stock) -> Iterator[Joined]:
        """Add a stock of the list; yield the outcomes of references that it completes."""
        yield from self.got(stock.id, stock)
        if not self._by_product:
            return
        if stock.product_id is None:
            self._nameless += not self._known.of_stock(stock.id)
        elif (seeking := self._by_product.get(stock.product_id)) and not self._known.of_stock(stock.id):
            for sought in seeking:
                sought.candidates[stock.id] = stock
                if len(sought.candidates) > MOST_STOCKS:
                    sought.error = UnusableAnswerError(f"product {stock.product_id} has more than {MOST_STOCKS} stocks")
                    sought.candidates.clear()

    def got(self, stock_id: str, stock: Stock) -> Iterator[Joined]:
        """Add the stock with that id; yield outcomes."""
        for sought in self._by_id.pop(stock_id, ()):
            sought.stocks[stock_id] = stock
            yield from self._one_less(sought)

    def gone(self, stock_id: str) -> Iterator[Joined]:
        """Note that the stock does not exist any more; yield outcomes."""
        for sought in self._by_id.pop(stock_id, ()):
            yield from self._one_less(sought)

    def failed(self, stock_id: str, error: Exception) -> Iterator[Joined]:
        """Note that a stock could not be read; yield outcomes."""
        for sought in self._by_id.pop(stock_id, ()):
            sought.error = error
            yield from self._one_less(sought)

    def passed_over(self) -> None:
        """Note that a stock of an unknown product could not be read."""
        self._nameless += 1

    def saw_all(self) -> Iterator[Joined]:
        """Decide the remaining references after all stocks were read to a proven end; yield outcomes."""
        seeking = {sought.reference: sought for each in self._by_product.values() for sought in each}
        self._by_product.clear()
        for sought in seeking.values():
            for stock in sought.candidates.values():
                owned = self._known.owns(sought.reference, stock)
                if owned:
                    sought.stocks[stock.id] = stock
                elif owned is None:
                    sought.error = UnusableAnswerError(
                        f"stock {stock.id} is of its product {stock.product_id}, but neither a stockId nor a "
                        "productCondition shows to which reference of the product the stock belongs"
                    )
            if self._nameless:
                sought.error = UnusableAnswerError(
                    f"at least {self._nameless} stocks have no productId or cannot be read: some may be its own"
                )
            sought.products = []
            yield from self._settled(sought)

    def _one_less(self, sought: _Sought) -> Iterator[Joined]:
        sought.pending -= 1
        yield from self._settled(sought)

    def _settled(self, sought: _Sought) -> Iterator[Joined]:
        if sought.pending or sought.products:
            return
        stocks = [stock for stock in sought.stocks.values() if stock is not None]
        if sought.error is not None:
            yield Failed(key=sought.reference, error=sought.error)
        elif stocks:
            yield Found(key=sought.reference, stocks=stocks)
        else:
            yield Missing(key=sought.reference, reason="no stock belongs to this reference")


def _undecided(reference: str, reason: str) -> Failed:
    return Failed(key=reference, error=UnusableAnswerError(reason))
