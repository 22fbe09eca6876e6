"""Stocks: the lists and the single stock. :mod:`..world.stock_movements` changes them."""

from collections.abc import Callable
from heapq import nsmallest
from operator import itemgetter
from typing import Any

from octoffm_async.contract.operation import Operation
from octoffm_async.contract.stocks import GET_STOCK, LIST_STOCKS, QuantityType, SortOrder, Stock, StockFilters

from ..http.call import Handler, IncomingRequest, list_response, page_response, read_filters, resource_response, within
from ..http.paging import Cursor, decode_cursor
from ..http.responses import HttpReply, validation_problem
from ..world.stock_movements import country_code

_QUANTITY_FIELDS = {
    QuantityType.AVAILABLE: "available",
    QuantityType.ALLOCATED: "allocated",
    QuantityType.BLOCKED: "blocked",
    QuantityType.LITIGATION: "litigation",
    QuantityType.REMOVAL: "removal",
    QuantityType.RETURN: "return_",
    QuantityType.LOGISTIC_OPERATIONS: "logistic_operations",
}


def list_stocks(call: IncomingRequest) -> HttpReply:
    """List the seller's stocks in order of creation, of change (with ``updatedAtMin``), or of a quantity.

    ``sellerProductReference`` selects the stock of one reference; an unknown reference gives an empty page, no error.
    ``deliveryCountry`` is accepted, alone or with it, and selects every stock: the sandbox delivers everywhere.
    """
    filters = read_filters(call, StockFilters)
    keep = _predicate(filters)
    if filters.seller_product_reference is not None and call.style.reference_filter == "applied":
        return _page_of_reference(call, filters, filters.seller_product_reference, keep)
    if filters.sort is not None or filters.order is not None:
        return _sorted_page(call, filters, keep)
    low, high = filters.updated_at_min, filters.updated_at_max
    return list_response(call, call.account.stocks, filters, keep=keep, since=low, until=high)


def get_stock(call: IncomingRequest) -> HttpReply:
    """Return one stock by its id."""
    return resource_response(call.account.stocks.get(call.resource_id), "Stock", call.resource_id)


def _predicate(filters: StockFilters) -> Callable[[Stock], bool] | None:
    low, high = filters.updated_at_min, filters.updated_at_max
    country = None if filters.storage_country is None else country_code(filters.storage_country)
    if low is None and high is None and country is None:
        return None

    def keep(stock: Stock) -> bool:
        return within(stock.updated_at, low, high) and (
            country is None or any(part.storage_country == country for part in stock.localizations)
        )

    return keep


def _page_of_reference(
    call: IncomingRequest, filters: StockFilters, reference: str, keep: Callable[[Stock], bool] | None
) -> HttpReply:
    """Return the one page with the stock of a seller reference, if it is visible and the other filters accept it."""
    if filters.cursor is not None:
        raise validation_problem({"cursor": ["The cursor is not valid."]})
    if filters.sort is not None or filters.order is not None:
        _sorting(filters)
    stocks = call.account.stocks
    row = call.account.references.get(reference)
    stock = None if row is None or row.stock_id is None else stocks.get(row.stock_id)
    seen = stock is not None and not stocks.hides(stock.id) and (keep is None or keep(stock))
    return page_response(call, [stock] if seen else [], filters.limit, None)


def _sorted_page(call: IncomingRequest, filters: StockFilters, keep: Callable[[Stock], bool] | None) -> HttpReply:
    """Return a page in order of quantity, then of creation; the cursor is the sort key of its last row."""
    field, sign = _sorting(filters)
    after = decode_cursor(filters.cursor, "sorted", numbers=2)
    keyed = (
        ((sign * getattr(stock.quantities, field), place), stock)
        for place, stock in call.account.stocks.placed()
        if keep is None or keep(stock)
    )
    rest = keyed if after is None else (entry for entry in keyed if entry[0] > after)
    page = nsmallest(filters.limit + 1, rest, key=itemgetter(0))
    shown = page[: filters.limit]
    following = Cursor("sorted", shown[-1][0]) if len(page) > len(shown) else None
    return page_response(call, [stock for _, stock in shown], filters.limit, following)


def _sorting(filters: StockFilters) -> tuple[str, int]:
    kind = QuantityType(filters.sort or QuantityType.AVAILABLE)
    order = SortOrder(filters.order or SortOrder.ASC)
    if not kind.known:
        raise validation_problem({"sort": [f"The value '{kind}' is not valid."]})
    if not order.known:
        raise validation_problem({"order": [f"The value '{order}' is not valid."]})
    return _QUANTITY_FIELDS[kind], -1 if order is SortOrder.DESC else 1


HANDLERS: dict[Operation[Any], Handler] = {LIST_STOCKS: list_stocks, GET_STOCK: get_stock}
