"""Stocks: how many of each product lie in the warehouses (API.md, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.operations import GET_STOCK, LIST_STOCKS
from ..contract.stocks import StockFilters
from ..session.paging import paginate

if TYPE_CHECKING:
    from datetime import datetime

    from ..contract.stocks import Stock
    from ..session.paging import Pager
    from ..session.scope import Scope


class Stocks:
    """``client.stocks``."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def get(self, stock_id: str) -> Stock:
        """One stock by its id (**D**).

        Raises:
            ValidationError: the id cannot be part of an address; nothing was sent.
            NotFoundError: this seller has no such stock.
            CallError: the call did not succeed.
        """
        stock, _ = await self._scope.call(GET_STOCK, path={"stockId": stock_id})
        return stock

    def list(
        self,
        *,
        seller_product_reference: str | None = None,
        storage_country: str | None = None,
        delivery_country: str | None = None,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
        sort: str | None = None,
        order: str | None = None,
        limit: int = 1000,
        resume_from: str | None = None,
        max_items: int | None = None,
    ) -> Pager[Stock]:
        """Stocks that pass the filters, ``limit`` a page (1 to 1000) (**D**).

        ``sort`` is a :class:`QuantityType`, ``order`` ``Asc`` or ``Desc``; times need a zone. ``delivery_country``
        goes with none of ``storage_country``, times, ``sort`` and ``order``. ``resume_from`` is the cursor to start at,
        ``max_items`` ends the list early.

        ``seller_product_reference`` gives all stocks of one reference, often one, none if it is unknown (**S**). An API
        that ignores this filter gives all stocks, without a word: :meth:`Bulk.prove_stock_filter
        <octoffm_async.bulk.bulk.Bulk.prove_stock_filter>` tells, and ``client.bulk.lookup_stocks`` finds the stocks in
        both cases. Rows do not carry the seller's reference.

        Raises:
            ValidationError: the filters cannot be asked for together, or are out of range.
        """
        filters = StockFilters(
            seller_product_reference=seller_product_reference,
            storage_country=storage_country,
            delivery_country=delivery_country,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
            sort=sort,
            order=order,
            limit=limit,
            cursor=resume_from,
        )
        return paginate(self._scope, LIST_STOCKS, filters, max_items=max_items)
