"""The scan before an order counts as absent: what it must have seen, because "it is not there" leads to a second one.

A first look reads only what changed since the sending. That is enough to find an order and too little to exclude one:

- *Time.* Stamps may lag behind the API's own clock, or be of another zone, and ours may have been wrong when the order
  was sent. So this scan goes a day back from the earlier of both clocks, and looks once more without the filter.
- *Completeness.* A list may end too early and not show it: a proxy takes the link to the next page away, a page is cut.
  So the count over the same window must equal the ids that were seen. Where it is another number,
  absence is not proven. Where the API has no count, a list with a proven end is enough if it shows an order of ours
  that is known to exist. A full page without a link is no end: its window is halved until no page is full.
- *Control.* A list of something else, or of an account that may not see its orders, is empty and agrees with its count.
  So where the run knows orders that exist, reconciliation asks for them too: the list must show one of them.
- *Movement.* Orders that others make meanwhile change both numbers: list and count are read again, a few times.

What is missing is told in words, and the item stays unknown. Nothing of this is done for what was found before, so a
run without lost answers never comes here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..contract.inbound import InboundShipment
from ..contract.outbound import OutboundShipment
from ..errors import BadRequestError, CallError, UnusableAnswerError
from ..resources.inbound import Inbound
from ..resources.outbound import Outbound
from ..session.scope import Scope
from .changes import FINEST
from .gathering import not_shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..session.paging import Page, Pager

DAY = timedelta(days=1)
"""How much earlier than its sending a creation may be stamped: no zone is farther from another but for two hours."""
TRIES = 3
"""How often a window is read and counted while others change it."""
NEWEST = 3000
"""Rows that are read without a filter. An API that tells the newest first shows a lost order among them."""
FRUITLESS_MOST = 50
"""Windows without a new row that are read one after another. A day is halved 17 times until it is a second, so the way
to a burst, back, and to the next one has fewer."""
LIMIT = 1000

Order: TypeAlias = OutboundShipment | InboundShipment


class AbsenceScan:
    """One scan of the orders of a kind: of what changed since then, or of all that there are if ``since`` is ``None``.

    ``take`` is given each row, and tells its id.
    """

    def __init__(
        self,
        scope: Scope,
        kind: Literal["outbound", "inbound"],
        *,
        since: datetime | None,
        take: Callable[[Any], str | None],
    ) -> None:
        bulk = Scope(scope.session, scope.seller_id, scope.options.for_bulk(scope.session.config))
        self._orders = Outbound(bulk) if kind == "outbound" else Inbound(bulk)
        self._since = since
        self._take = take
        self.uncounted = ""
        """Why nothing but the list's own end tells that it is whole, where the API has no count."""

    async def read(self) -> str:
        """Read the window to its end; return why what it does not show may exist all the same, or nothing.

        Raises:
            CallError: the list could not be read.
        """
        doubt = ""
        for _ in range(TRIES):
            seen, end = await self._seen()
            try:
                counted = await self._count()
            except CallError as error:
                told = not_shown(f"whether it shows all cannot be known: their count was not to be had ({error})")
                if end or not _is_not_offered(error):
                    return f"{told} ({end})" if end else told
                self.uncounted = told
                return ""
            if counted == len(seen):
                return ""
            doubt = not_shown(f"it shows {len(seen)} of {counted} orders{f', and {end}' if end else ''}")
        return doubt

    async def read_newest(self) -> None:
        """Read rows without a filter on times, up to ``NEWEST`` or until they are older than the window.

        Raises:
            CallError: the list could not be read.
        """
        if self._since is None:
            return  # all was read without a filter
        try:
            async for page in self._orders.list(limit=LIMIT, max_items=NEWEST).pages():
                self._take_all(page)
                if self._is_past(page):
                    return
        except BadRequestError:
            return  # an API that lists nothing without a filter

    async def _seen(self) -> tuple[set[str | None], str]:
        """The ids of the window, and what speaks against its end."""
        if self._since is not None:
            try:
                return await self._by_windows(self._since)
            except BadRequestError as error:
                if error.status != 400:
                    raise
                self._since = None  # the filter is refused
        return await self._by_cursor(self._orders.list(limit=LIMIT))

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
        end = ""
        async for page in pages.pages():
            seen.update(self._take_all(page))
            end = unproven_end(page, LIMIT)
        return seen, end

    def _take_all(self, page: Page[Any]) -> list[str | None]:
        return [self._take(row) for row in page.items]

    def _pages(self, low: datetime, high: datetime | None) -> Pager[Any]:
        if isinstance(self._orders, Outbound):
            return self._orders.list(status_updated_at_min=low, status_updated_at_max=high, limit=LIMIT)
        return self._orders.list(updated_at_min=low, updated_at_max=high, limit=LIMIT)

    async def _count(self) -> int:
        if isinstance(self._orders, Outbound):
            return await self._orders.count(status_updated_at_min=self._since)
        return await self._orders.count(updated_at_min=self._since)

    def _is_past(self, page: Page[Any]) -> bool:
        """Whether rows come newest first and the rest is older than the window."""
        times = [at for row in page.items if (at := _changed_at(row)) is not None]
        return bool(times) and self._since is not None and times[0] > times[-1] < self._since


def _is_not_offered(error: CallError) -> bool:
    """Whether an API that was asked for a count has none: it knows no address for it, or tells no number."""
    return isinstance(error, UnusableAnswerError) or getattr(error, "status", None) in (400, 403, 404, 405, 422, 501)


def unproven_end(page: Page[Any], limit: int) -> str:
    """Why the list may go on behind a page, or nothing. Of a page with a next one it says nothing."""
    if page.end == "empty_cursor":
        return "its last page names an empty cursor"
    if page.end == "no_link" and len(page.items) >= limit:
        return "its last page is full and names no next one"
    return ""


def _changed_at(row: Order) -> datetime | None:
    return row.status_updated_at if isinstance(row, OutboundShipment) else row.updated_at
