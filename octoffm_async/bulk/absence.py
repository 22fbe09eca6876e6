"""The scan before an order counts as absent: what it must have seen, because "it is not there" leads to a second one.

Nothing is held back that is sent for the first time. A second sending waits for all of these proofs together; what is
missing is told in words, and the item stays unknown. What was found before never comes here, so a run without lost
answers costs nothing, and an honest API costs one count more for each look-up.

- *Control.* A list of something else, of an account that may not see its orders, or of an hour ago is empty or old and
  agrees with its count. So the list must show, by its reference, an order of ours that is known to exist: those next to
  the lost one, before and after it, that the journal knows for longer than the patience. One of them that it does not
  show is named in the doubt. Where the journal knows younger ones only, it is waited until they are old enough, by a
  clock that nobody sets. Where it knows none from around that day, any order of ours in the list will do. Where none is
  shown, all orders are read without a filter, and must agree with their count.
- *One first.* Where no order of ours is known, nothing tells a new account from a list that shows nothing of it. All
  orders are read without a filter, after twice the patience, and if they agree with their count, one alone is sent
  again: the one that is the least likely to have left. It is the control of the others, which wait until the list shows
  it. If it is lost too, nothing else is sent again on such evidence, by any run: the others wait until any order has
  been created through the same journal. So a list of nothing leads to one order more at the most.
- *Completeness.* A list may end too early and not show it: a proxy takes the link to the next page away, a page is cut.
  So the count over the same window must equal the ids that were seen. Both may end behind the same page: so there must
  be as many as the journal knows to have been created since the first of the lost ones. Where the API has no count, a
  list with a proven end is enough if it shows an order of ours. A full page without a link is no end: its window is
  halved until no page is full. What had to be read by cursor may lose rows that move between its pages: it is read
  twice, and alike. Orders that others make meanwhile change both numbers: list and count are read again, a few times.
- *Freshness.* Each of these calls tells caches to ask the API. An answer with an ``Age``, or with a ``Date`` of before
  the sending, proves nothing; nor is a missing ``Date`` held against an API.
- *Time.* Our clock may have been wrong when the order was sent, or may be now. So the patience is measured by clocks
  that nobody sets where there is one, and else by the one that has seen the least of it: ours, or the API's, whose time
  before each sending the journal keeps. The window begins a day before the earlier of both, because stamps may lag
  behind the API's own clock or be of another zone; a control shows by how much, and where that is more, the window is
  made longer. A control that belongs into the window and is not in it leaves the reading of all orders. And once the
  newest rows are read without a filter. What was sent nobody knows when (:mod:`.verifying`) is looked for among all.
- *Identity.* Rows whose reference cannot be read, and those that look like the lost one, leave a doubt:
  see :mod:`.gathering` and :mod:`.likeness`.
- *Brake.* Of two sendings, one should have arrived. What was absent, sent again and absent again is not sent a third
  time by itself, whichever run finds it; see :func:`.journal.states.absences_after`. A person's word begins anew.
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
WHOLE_MOST = 100_000
"""Orders that are read without a filter, at the most: a hundred pages, and once more to see that they keep still."""

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
        self.since = since
        """Where the window begins; ``None`` once all is read."""
        self.ids: set[str | None] = set()
        """What the window held, when it was last read."""
        self._take = take
        self._most: int | None = None
        self._walked = self._cut = False
        self.uncounted = ""
        """Why nothing but the list's own end tells that it is whole, where the API has no count."""

    async def read(self) -> str:
        """Read the window to its end; return why what it does not show may exist all the same, or nothing.

        Raises:
            CallError: the list could not be read.
        """
        doubt = ""
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
                told = not_shown(f"whether it shows all cannot be known: their count was not to be had ({error})")
                if end or not _is_not_offered(error):
                    return f"{told} ({end})" if end else told
                self.uncounted = told
                return ""
            if counted == len(self.ids):
                return ""
            doubt = not_shown(f"it shows {len(self.ids)} of {counted} orders{f', and {end}' if end else ''}")
        return doubt

    async def read_whole(self) -> str:
        """The same without a filter: all orders that there are, up to ``WHOLE_MOST``.

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
        """Read rows without a filter on times, up to ``NEWEST`` or until they are older than the window.

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
        """The ids of the window, and what speaks against its end."""
        if self.since is not None:
            try:
                return await self._by_windows(self.since)
            except BadRequestError as error:
                if error.status != 400:
                    raise
                self.since = None  # the filter is refused
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
        """Whether rows come newest first and the rest is older than the window."""
        times = [at for row in page.items if (at := changed_at(row)) is not None]
        return bool(times) and self.since is not None and times[0] > times[-1] < self.since


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


def changed_at(row: Order) -> datetime | None:
    """The time by which the filter of the list selects a row."""
    return row.status_updated_at if isinstance(row, OutboundShipment) else row.updated_at
