"""The scan that proves an order absent: the evidence it must have seen, because an absent order is sent again.

The first request of an order is never delayed by these proofs. A second request needs all of them together; a missing
proof is named in the reason, and the item stays unknown. An item that was found before never comes here, so a run
without lost responses costs nothing, and an honest API costs one more count per look-up.

- *Control.* A list of something else, of an account that may not see its orders, or of an hour ago is empty or old and
  agrees with its count. Therefore the list must show, by its reference, an order of ours that is known to exist: the
  orders next to the lost one, before and after it, that the journal has known for longer than the patience. A control
  that the list does not show is named in the doubt. Where the journal has younger orders only, the scan waits until
  they are old enough, by a clock that no user can set. Where it has none from around that day, any order of ours in the
  list is enough. Where none is shown, all orders are read without a filter, and must agree with their count.
- *One first.* Where no order of ours is known, nothing distinguishes a new account from a list that hides its orders.
  All orders are then read without a filter, after twice the patience, and if they agree with their count, a single one
  is sent again: the one whose request was the least likely to have been sent. It is the control of the others, which
  wait until the list shows it. If it is lost too, no run sends anything else again on such evidence: the others wait
  until any order has been created through the same journal. An empty list therefore leads to one duplicate at most.
- *Completeness.* A list may end too early and hide the order: a proxy removes the link to the next page, a page is
  truncated. Therefore the count over the same window must equal the number of ids seen. List and count may both end
  after the same page; therefore the list must have at least as many orders as the journal knows to have been created
  since the first lost one. Where the API has no count, a list with a proven end is enough if it shows an order of ours.
  A full page without a link is no proven end: its window is halved until no page is full. A list that had to be read by
  cursor may lose rows that move between its pages: it is read twice, with equal results. Orders that others create
  meanwhile change both numbers: list and count are read again, a few times at once, and then for another patience.
- *Freshness.* Each of these calls tells caches to ask the API. A response with an ``Age``, or with a ``Date`` before
  the request, proves nothing; a missing ``Date`` is not held against an API.
- *Time.* The local clock may have been wrong when the order was sent, or may be wrong now. The patience is therefore
  measured by clocks that no user can set, where there is one, and else by the clock that has seen the least of it: the
  local one, or the API's, whose time before each request the journal stores. The window begins a day before the earlier
  of both, because time stamps may lag behind the API's own clock or be of another zone; a control shows the lag, and a
  greater lag makes the window longer. A control that belongs into the window and is not in it leads to reading all
  orders. The newest rows are read once without a filter. An order sent at an unknown time (:mod:`.verification`) is
  looked for among all orders.
- *Identity.* Rows with an unreadable reference, and rows that resemble the lost order, leave a doubt: see
  :mod:`.lookup_findings` and :mod:`.reference_matching`.
- *Brake.* Of two requests, one should have arrived. An order that was absent, sent again and absent again is not sent a
  third time automatically, whichever run finds it; see :func:`...journal.states.absences_after`. A person's decision
  starts the count again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ...contract.inbound import InboundShipment
from ...contract.outbound import OutboundShipment
from ...errors import BadRequestError, CallError, UnusableAnswerError
from ...feeds.time_windows import FINEST
from ...resources.inbound import Inbound
from ...resources.outbound import Outbound
from ...session.seller_session import SellerSession
from .lookup_findings import not_shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...session.pagination import Page, Pager

DAY = timedelta(days=1)
"""Maximum time by which a creation's stamp may precede its request: time zones differ by a day, plus two hours."""
TRIES = 3
"""Maximum number of times that a window is read and counted while others change it."""
NEWEST = 3000
"""Rows that are read without a filter. An API that lists the newest first shows a lost order among them."""
FRUITLESS_MOST = 50
"""Maximum number of consecutive windows without a new row.

A day is halved 17 times until it is a second, so the way to a burst, back, and to the next one takes fewer.
"""
LIMIT = 1000
WHOLE_MOST = 100_000
"""Maximum number of orders that are read without a filter: a hundred pages, twice to see that they do not change."""

OrderRow: TypeAlias = OutboundShipment | InboundShipment


class AbsenceScan:
    """One scan of the orders of a kind: those changed since ``since``, or all orders if it is ``None``.

    ``take`` is called with each row, and returns its id.
    """

    def __init__(
        self,
        scope: SellerSession,
        kind: Literal["outbound", "inbound"],
        *,
        since: datetime | None,
        take: Callable[[Any], str | None],
    ) -> None:
        bulk = SellerSession(scope.session, scope.seller_id, scope.options.for_bulk(scope.session.config))
        self._orders = Outbound(bulk) if kind == "outbound" else Inbound(bulk)
        self.since = since
        """Start of the window; ``None`` once all orders are read."""
        self.ids: set[str | None] = set()
        """Ids in the window at the last reading."""
        self._take = take
        self._most: int | None = None
        self._walked = self._cut = False
        self.uncounted: str = ""
        """Doubt where the API has no count, so that only the list's own end shows that it is complete."""
        self.passing: bool = False
        """True if the last doubt may be gone when the list is read again later."""

    async def read(self) -> str:
        """Read the window to its end; return the reason why an order that it does not show may exist, or "".

        Raises:
            CallError: the list could not be read.
        """
        doubt = ""
        self.passing = False
        for _ in range(TRIES):
            self._walked = self._cut = False
            self.ids, end = await self._seen()
            if self._cut:
                return not_shown(f"it holds more than the {WHOLE_MOST} orders that are read without a filter")
            if self._walked and self.ids != (await self._seen())[0]:
                doubt = not_shown("its orders move between its pages: read twice, it showed different ones")
                continue
            try:
                counted = await self._count()
            except CallError as error:
                unproven = not_shown(f"whether it shows all cannot be known: their count was not to be had ({error})")
                if end or not _is_not_offered(error):
                    self.passing = not end
                    return f"{unproven} ({end})" if end else unproven
                self.uncounted = unproven
                return ""
            if counted == len(self.ids):
                return ""
            doubt = not_shown(f"it shows {len(self.ids)} of {counted} orders{f', and {end}' if end else ''}")
        self.passing = True
        return doubt

    async def read_whole(self) -> str:
        """Read without a filter: all orders, up to ``WHOLE_MOST``; return as :meth:`read`.

        Raises:
            CallError: the list could not be read.
        """
        since, self.since, self._most = self.since, None, WHOLE_MOST
        try:
            return await self.read()
        except BadRequestError as error:
            self.since = since
            return not_shown(f"the API lists nothing without a filter ({error})")
        finally:
            self._most = None

    async def read_newest(self) -> None:
        """Read rows without a time filter, up to ``NEWEST`` or until they are older than the window.

        Raises:
            CallError: the list could not be read.
        """
        if self.since is None:
            return  # all was read without a filter
        try:
            async for page in self._orders.list(limit=LIMIT, max_items=NEWEST).pages():
                self._take_all(page)
                if self._is_past(page):
                    return
        except BadRequestError:
            return  # an API that lists nothing without a filter

    async def _seen(self) -> tuple[set[str | None], str]:
        """Return the ids in the window, and a doubt about its end."""
        if self.since is not None:
            try:
                return await self._by_windows(self.since)
            except BadRequestError as error:
                if error.status != 400:
                    raise
                self.since = None  # the API refuses the filter
        return await self._by_cursor(self._orders.list(limit=LIMIT, max_items=self._most))

    async def _by_windows(self, since: datetime) -> tuple[set[str | None], str]:
        seen: set[str | None] = set()
        ends = ""
        began: datetime | None = None
        fruitless = 0
        windows: list[tuple[datetime, datetime | None]] = [(since, None)]
        while windows:
            low, high = windows.pop()
            page = await self._pages(low, high)
            began = began or page.served_at or datetime.now(UTC)
            known = len(seen)
            seen.update(self._take_all(page))
            fruitless = 0 if len(seen) > known else fruitless + 1
            if page.next_cursor is None and not unproven_end(page, LIMIT):
                continue
            until = high or began
            if fruitless >= FRUITLESS_MOST:
                low, high, windows = since, None, []  # the filter changes nothing
            elif page.end != "empty_cursor" and until - low > FINEST:
                middle = low + (until - low) / 2
                windows += [(middle, high), (low, middle)]
                continue
            more, end = await self._by_cursor(self._pages(low, high))
            seen |= more
            ends = end or ends
        return seen, ends

    async def _by_cursor(self, pages: Pager[Any]) -> tuple[set[str | None], str]:
        seen: set[str | None] = set()
        end, count, following = "", 0, None
        async for page in pages.pages():
            seen.update(self._take_all(page))
            end, count, following = unproven_end(page, LIMIT), count + 1, page.next_cursor
        self._walked |= count > 1
        self._cut |= following is not None
        return seen, end

    def _take_all(self, page: Page[Any]) -> list[str | None]:
        return [self._take(row) for row in page.items]

    def _pages(self, low: datetime, high: datetime | None) -> Pager[Any]:
        if isinstance(self._orders, Outbound):
            return self._orders.list(status_updated_at_min=low, status_updated_at_max=high, limit=LIMIT)
        return self._orders.list(updated_at_min=low, updated_at_max=high, limit=LIMIT)

    async def _count(self) -> int:
        if isinstance(self._orders, Outbound):
            return await self._orders.count(status_updated_at_min=self.since)
        return await self._orders.count(updated_at_min=self.since)

    def _is_past(self, page: Page[Any]) -> bool:
        """Return True if rows come newest first and the rest is older than the window."""
        times = [at for row in page.items if (at := changed_at(row)) is not None]
        return bool(times) and self.since is not None and times[0] > times[-1] < self.since


def _is_not_offered(error: CallError) -> bool:
    """Return True if an error of a count shows that the API has none: no such address, or not for this caller.

    A page or another body without a number shows nothing of the kind: a proxy may answer so for an API that counts.
    """
    statuses = (400, 403, 404, 405, 422, 501)
    return not isinstance(error, UnusableAnswerError) and getattr(error, "status", None) in statuses


def unproven_end(page: Page[Any], limit: int) -> str:
    """Return the reason why the list may continue after a page, or ""; a page with a next cursor gives none."""
    if page.end == "empty_cursor":
        return "its last page names an empty cursor"
    if page.end == "no_link" and len(page.items) >= limit:
        return "its last page is full and names no next one"
    return ""


def changed_at(row: OrderRow) -> datetime | None:
    """Return the time by which the list's filter selects a row."""
    return row.status_updated_at if isinstance(row, OutboundShipment) else row.updated_at
