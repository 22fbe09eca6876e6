"""Proof that the API obeys the filter of stocks by the seller's reference, before any conclusion from it.

One program in production uses the filter (seen), and another route of this API is known to ignore a parameter of that
name without an error. If the filter were trusted, an API that ignores it would give each reference all stocks, and an
API that returns nothing for every filter would show the whole shop as sold out. Therefore:

- A reference that cannot exist must give no row, while the list without a filter gives some: then the filter is
  *obeyed*.
- An empty response means "no stock" only after the filter gave a row for some other reference: then it is *shown*.
- Rows of several products, or of another product than the reference's, contradict it: the filter is not used again.

A proof is valid for one session and seller.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, NamedTuple

from ...errors import BadRequestError, CallError, NotFoundError, UnprocessableError, UnusableAnswerError
from ...resources.stocks import Stocks
from ..job import RUN_ENDING
from .references import UNKNOWN_FOR

if TYPE_CHECKING:
    from ...contract.stocks import Stock
    from ...session.seller_session import SellerSession

logger: logging.Logger = logging.getLogger("octoffm_async")

NOT_TAKEN = (BadRequestError, NotFoundError, UnprocessableError)
"""Errors that show that the API does not accept the filter, or not this reference."""
MOST_STOCKS = 1000
"""Maximum number of stocks of one reference. Each counts a product in all countries, so even a few are many."""


class FilterProof(NamedTuple):
    """Result of testing the filter, with its reason."""

    obeyed: bool
    reason: str


class ContradictedError(Exception):
    """Contradiction of the filter: it gave stocks that do not belong to the reference."""


class StockFilter:
    """State of the filter in a session, for one seller."""

    def __init__(self) -> None:
        self.shown: bool = False
        """True once it gave a stock for some reference, so that an empty response means something."""
        self._proof: FilterProof | None = None
        self._until: float | None = None
        self._proving = asyncio.Lock()

    @classmethod
    def of(cls, scope: SellerSession) -> StockFilter:
        """Return the filter of the scope's seller."""
        found = scope.session.seller_cache.setdefault(("stock filter", scope.seller_id), cls())
        assert isinstance(found, cls)  # noqa: S101  (nobody else uses this name)
        return found

    @property
    def distrusted(self) -> bool:
        """True if the API is known not to obey the filter."""
        return self._proof is not None and not self._proof.obeyed

    async def prove(self, scope: SellerSession) -> FilterProof:
        """Test the filter, with at most two calls, unless the result is known.

        Raises:
            CallError: the API could not be asked; nothing is known then.
        """
        scope.session.affinity.check()
        now = asyncio.get_running_loop().time
        async with self._proving:
            if self._proof is None or (self._until is not None and self._until <= now()):
                self._until = None
                self._proof = await self._ask(Stocks(scope))
                if self._proof is NOTHING_TO_SHOW:
                    self._until = now() + UNKNOWN_FOR
                elif not self._proof.obeyed:
                    self._log_unused(scope.seller_id)
            return self._proof

    async def stocks_of(self, reference: str, scope: SellerSession) -> list[Stock]:
        """Return all stocks that the API gives for a reference.

        Raises:
            ContradictedError: they are of several products, and a reference stands for one.
            CallError: they could not be read, or have no end.
        """
        stocks: dict[str, Stock] = {}
        async for page in Stocks(scope).list(seller_product_reference=reference).pages():
            stocks |= {stock.id: stock for stock in page.items}
            products = {stock.product_id for stock in stocks.values()} - {None}
            if len(products) > 1:
                raise ContradictedError("it gave stocks of several products for one reference")
            if len(stocks) > MOST_STOCKS:
                raise UnusableAnswerError(f"the API gives more than {MOST_STOCKS} stocks for one reference")
        if stocks:
            self.shown = True
        return list(stocks.values())

    def distrust(self, reason: str, seller_id: str) -> None:
        """Never use the filter again, because of a response."""
        if not self.distrusted:
            self._proof, self._until = FilterProof(obeyed=False, reason=reason), None
            self._log_unused(seller_id)

    async def _ask(self, stocks: Stocks) -> FilterProof:
        nobodys = f"zz-octoffm-no-such-{secrets.token_hex(8)}"
        try:
            page = await stocks.list(seller_product_reference=nobodys, limit=1)
        except RUN_ENDING:
            raise
        except NOT_TAKEN as error:
            return FilterProof(obeyed=False, reason=f"the API does not take it (status {error.status})")
        if page.items:
            return IGNORED
        if page.next_cursor is not None:
            return FilterProof(obeyed=False, reason="the API gave an empty page with a link to another one")
        page = await stocks.list(limit=1)
        return OBEYED if page.items else NOTHING_TO_SHOW

    def _log_unused(self, seller_id: str) -> None:
        reason = "" if self._proof is None else self._proof.reason
        text = "the client does not use the filter of stocks by sellerProductReference for seller %s: %s"
        logger.warning(text, seller_id, reason)


OBEYED = FilterProof(obeyed=True, reason="a reference that cannot exist gave no stock")
IGNORED = FilterProof(obeyed=False, reason="the API ignores it: a reference that cannot exist gave a stock")
NOTHING_TO_SHOW = FilterProof(
    obeyed=False, reason="the seller has no stock yet, so the API cannot show that it obeys the filter"
)


async def proof_at_hand(stock_filter: StockFilter, scope: SellerSession) -> FilterProof:
    """Test the filter as :meth:`StockFilter.prove`; an API that could not be asked is no proof.

    Raises:
        CallError: the error concerns all calls alike.
    """
    try:
        return await stock_filter.prove(scope)
    except RUN_ENDING:
        raise
    except CallError as error:
        return FilterProof(obeyed=False, reason=f"the API could not be asked: {error}")
