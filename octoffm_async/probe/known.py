"""Values of a probe's answers that later calls need: ids, one reference, a link. No file contains them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from ..contract.answers.names import folded
from ..errors import PagingError
from ..transport.headers import next_query
from .shapes import result_at, rows_at, rows_in, text_of, value_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..transport.response import Response
    from .records import CallRecord

Row = dict[str, Any]

_NOT_YET = ("created", "refused", "rejected", "cancelled", "canceled")
"""Statuses of a supply order that has no delivery note."""
_REFUSED = ("refused", "rejected")
_OF_STOCK = ("id", "stockId")


class ProbeValues:
    """The values of the answers so far. ``texts`` are the values of the table's placeholders."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {"random": str(uuid.uuid4())}
        self._stock: Row | None = None
        self._product = ""
        self._stocks_seen: set[str] = set()
        self._products_seen: set[str] = set()

    def learn(self, kept: CallRecord, response: Response, body: object) -> None:
        """Take the values that later calls need from an answer, and note the findings that need values."""
        if kept.name == "sellers" and kept.status == 404:
            self.texts["no_sellers"] = "yes"
        if not kept.good:
            return
        if kept.name.startswith(_LISTS) and not kept.name.endswith(_NO_LISTS):
            where = None if kept.shape is None else rows_at(kept.shape)
            if where is None and kept.body != "empty" and (kept.body != "json" or body is not None):
                return  # an answer without rows to be found is not an empty list
            rows = rows_in(body, where)
            kept.rows = len(rows)
            self._from_rows(kept, response, rows)
        elif kept.name == "stock":
            self._compare(kept, body)

    def _from_rows(self, kept: CallRecord, response: Response, rows: list[Row]) -> None:
        match kept.name:
            case "stocks" | "stocks.next":
                self._from_stocks(kept, response, rows)
            case "references.unlimited" | "references":
                self._from_references(rows)
            case "stocks.real":
                self._judge_products(kept, rows)
            case "inbound":
                self._first("inbound", rows, "inboundShipmentId")
                self._first("accepted_inbound", rows, "inboundShipmentId", lambda status: status not in _NOT_YET)
                self._first("early_inbound", rows, "inboundShipmentId", lambda status: status in _NOT_YET)
            case "outbound" | "outbound.unlimited":
                self._first("shipped", rows, "outboundShipmentId", lambda status: status == "shipped")
                self._first("refused", rows, "outboundShipmentId", lambda status: status in _REFUSED)
                self._first("outbound", rows, "outboundShipmentId", lambda status: status not in ("shipped", *_REFUSED))
            case "returns":
                self._from_returns(rows)
            case _:
                pass

    def _from_stocks(self, kept: CallRecord, response: Response, rows: list[Row]) -> None:
        ids = [text_of(row, *_OF_STOCK) for row in rows]
        again = sum(one in self._stocks_seen for one in ids if one)
        if kept.name == "stocks.next":
            kept.notes.append("repeats rows of the first page" if again else "no row of the first page again")
        self._stocks_seen.update(filter(None, ids))
        self._products_seen.update(filter(None, (text_of(row, "productId") for row in rows)))
        if kept.name == "stocks" and rows and ids[0]:
            self._stock, self.texts["stock"] = rows[0], ids[0]
        if kept.name == "stocks":
            try:
                query = next_query(response.headers.get("Link"), requested=response.url)
            except PagingError:
                kept.notes.append("the link leads to another origin or list: not followed")
                return
            if query is not None:
                self.texts["next_stocks"] = urlencode(query)

    @property
    def stocks_seen(self) -> int:
        """The number of different stocks that the answers showed."""
        return len(self._stocks_seen)

    def _from_references(self, rows: list[Row]) -> None:
        """Choose a reference, if possible of a product whose stock was seen, since others may have no stock."""
        named = [row for row in rows if text_of(row, "sellerProductReference")]
        stocked = [row for row in named if text_of(row, "productId") in self._products_seen]
        if named and (stocked or "reference" not in self.texts):
            row = (stocked or named)[0]
            self.texts["reference"] = text_of(row, "sellerProductReference")
            self._product = text_of(row, "productId")

    def _judge_products(self, kept: CallRecord, rows: list[Row]) -> None:
        products = [text_of(row, "productId") for row in rows]
        others = [one for one in products if one and self._product and one != self._product]
        if others:
            kept.notes.append(OTHER_PRODUCTS)

    def _first(self, place: str, rows: list[Row], of: str, fits: Callable[[str], bool] = lambda _status: True) -> None:
        for row in rows:
            key = text_of(row, of, "id", "shipmentId")
            status = text_of(row, "status", "shipmentStatus").casefold()
            if key and (status or place in _WITHOUT_STATUS) and fits(status):
                self.texts.setdefault(place, key)

    def _from_returns(self, rows: list[Row]) -> None:
        self._first("return", rows, "returnId")
        for row in rows:
            key = text_of(row, "returnId", "id")
            by_name = {folded(name): value for name, value in row.items()}
            labelled = by_name.get("haslabel") is True or bool(by_name.get("labelurl"))
            if key:
                self.texts.setdefault("labelled_return" if labelled else "other_return", key)

    def _compare(self, kept: CallRecord, body: object) -> None:
        """Note in the record if a stock that was read by its id equals its row in the list."""
        if kept.shape is None or self._stock is None:
            return
        alone = value_at(body, result_at(kept.shape, ("id", "productId", "quantities")))
        if not isinstance(alone, dict):
            return
        row, one = self._stock, cast("Row", alone)
        differing = sum(one.get(name) != row.get(name) for name in {*one, *row})
        kept.notes.append("equals its row in the list" if not differing else f"{differing} fields differ from its row")


OTHER_PRODUCTS = "rows of another product came"
_NO_LISTS = (".get", ".count", ".shipped", ".refused")
_LISTS = ("stocks", "references", "inbound", "outbound", "returns")
_WITHOUT_STATUS = ("inbound", "outbound", "return")
"""Placeholders that a row without a status may fill."""
