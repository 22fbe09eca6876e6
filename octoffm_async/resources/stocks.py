"""Stocks: the quantities of each product in the warehouses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.stocks import GET_STOCK, LIST_STOCKS, StockFilters
from ..session.pagination import paginate
from .raw_method import RawResource, raw

if TYPE_CHECKING:
    from datetime import datetime

    from ..contract.common import StorageCountry
    from ..contract.stocks import QuantityTypeName, SortOrderName, Stock
    from ..session.pagination import Pager
    from ..session.seller_session import SellerSession


class Stocks:
    """Stocks of a seller: ``client.stocks``.

    ::

        async for stock in client.stocks.list(storage_country="FR"):
            print(stock.id, stock.quantities.available)
    """

    def __init__(self, scope: SellerSession) -> None:
        self._scope = scope

    async def get(self, stock_id: str) -> Stock:
        """Return one stock by its id (documented).

        Raises:
            ValidationError: the id cannot be part of a URL; nothing was sent.
            NotFoundError: this seller has no such stock.
            CallError: the call did not succeed.
        """
        stock, _ = await self._scope.call(GET_STOCK, path={"stockId": stock_id})
        return stock

    def list(
        self,
        *,
        seller_product_reference: str | None = None,
        storage_country: StorageCountry | None = None,
        delivery_country: str | None = None,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
        sort: QuantityTypeName | None = None,
        order: SortOrderName | None = None,
        limit: int = 1000,
        resume_from: str | None = None,
        max_items: int | None = None,
    ) -> Pager[Stock]:
        """List the stocks that match the filters (documented).

        ``limit`` is the size of a page, 1 to 1000. ``sort`` is a :class:`QuantityType`, ``order`` is ``Asc`` or
        ``Desc``. Times need a time zone. ``delivery_country`` cannot be combined with ``storage_country``, times,
        ``sort`` or ``order``. ``resume_from`` is the cursor to start at; ``max_items`` ends the list early.

        ``seller_product_reference`` selects all stocks of one reference: often one, none if it is unknown (seen). An
        API that ignores this filter silently returns all stocks: ``client.bulk.prove_stock_filter`` detects that, and
        ``client.bulk.lookup_stocks`` finds the stocks in both cases. Rows do not carry the seller's reference.

        Raises:
            ValidationError: the filters cannot be combined, or are out of range.
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


class RawStocks(RawResource):
    """The calls of ``client.stocks``; a list gives its first page."""

    @raw(Stocks.get)
    def get(self) -> None: ...

    @raw(Stocks.list)
    def list(self) -> None: ...
