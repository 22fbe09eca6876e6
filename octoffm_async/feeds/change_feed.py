"""An incremental feed of changes: outbound and inbound shipments, stocks and returns, by update time.

The API has no webhooks, so the feed polls for changes. **Invariant**: a consumer that applies every change ends with
the state of the API, whatever changes while a scan runs. Method:

- *Snapshots.* A list of several pages may skip rows when others change meanwhile (a row that changes moves to the end,
  and the rows behind it move up). One page is one response, so a scan halves its time window until each part fits on a
  page. Only a part of a second that holds more than a page is read by cursor, or the remaining list where the filter
  turns out to have no effect: until a reading shows no new row.
- *Watermark.* The next scan begins where this one began by the API's own clock (its ``Date`` header), never later than
  the last change seen: a change behind a scan's back carries a later time than the scan's start.
- *Overlap.* Each scan looks back a little further, for rows that become visible late and for clocks that differ.
- *De-duplication.* A row that was emitted already, unchanged, is not emitted again.

A feed emits each state that it saw, not each state that existed: a row that changes twice between two scans appears
once. Within a process each state is emitted once; a feed that is created from a saved watermark repeats the overlap.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast, get_args

import msgspec

from ..contract.forms.times import plain_time
from ..contract.inbound import InboundFilters, InboundShipment
from ..contract.operations import LIST_INBOUND, LIST_OUTBOUND, LIST_RETURNS, LIST_STOCKS, Operation
from ..contract.outbound import OutboundFilters, OutboundShipment
from ..contract.requests.checks import FieldProblem, time_problems
from ..contract.returns import Return, ReturnFilters
from ..contract.stocks import Stock, StockFilters
from ..errors import ValidationError
from ..session.pagination import paginate
from ..session.seller_session import SellerSession
from ..settings.values import is_above_zero

if TYPE_CHECKING:
    from ..contract.base import Query
    from ..session.pagination import Page, Pager

ChangeKind = Literal["outbound", "inbound", "stocks", "returns"]
Changed: TypeAlias = OutboundShipment | InboundShipment | Stock | Return

KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
OVERLAP = 60.0
"""Overlap in seconds: more than the clocks of one site differ and than a read replica lags; it costs a page at most."""
FINEST = timedelta(seconds=1)
"""Minimum length of a window that is halved: the API's times may have no finer resolution."""


FRUITLESS_MOST = 40
"""Maximum number of consecutive windows of more than a page that show no new row; a scan of ten years has 29."""
WALKS = 3
"""Maximum number of times that a list is read by cursor until it shows nothing new."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A row in its current state. ``at`` is the API's time of the change; for outbound shipments, of the status."""

    kind: ChangeKind
    id: str
    item: Changed
    at: datetime | None


class _Kind(NamedTuple):
    operation: Operation[list[Any]]
    filters: type[Any]
    bound: str
    id: str
    time: str


_KINDS: Mapping[ChangeKind, _Kind] = {
    "outbound": _Kind(LIST_OUTBOUND, OutboundFilters, "status_updated_at", "outbound_shipment_id", "status_updated_at"),
    "inbound": _Kind(LIST_INBOUND, InboundFilters, "updated_at", "inbound_shipment_id", "updated_at"),
    "stocks": _Kind(LIST_STOCKS, StockFilters, "updated_at", "id", "updated_at"),
    "returns": _Kind(LIST_RETURNS, ReturnFilters, "updated_at", "return_id", "updated_at"),
}


class _Given(NamedTuple):
    mark: int
    at: datetime


class ChangeFeed:
    """Async iterable of changes.

    Without ``every``, each iteration is one scan of each kind, starting where the last ended.

    Raises (while iterated):
        CallError: a list could not be read. The feed keeps its position and can be iterated again.
    """

    def __init__(
        self,
        scope: SellerSession,
        since: datetime | Mapping[ChangeKind, datetime],
        *,
        kinds: Iterable[ChangeKind] = KINDS,
        overlap: float = OVERLAP,
        every: float | None = None,
        limit: int = 1000,
    ) -> None:
        kinds_to_read = tuple(kinds)
        _check(since, kinds_to_read, overlap, every)
        starts = since if isinstance(since, Mapping) else dict.fromkeys(kinds_to_read, since)
        own = SellerSession(scope.session, scope.seller_id, scope.options.for_bulk(scope.session.config))
        self._every = every
        self._feeds = [
            _KindFeed(own, kind, starts[kind], overlap=timedelta(seconds=overlap), limit=limit)
            for kind in kinds_to_read
        ]

    @property
    def watermark(self) -> dict[ChangeKind, datetime]:
        """The time up to which each kind was read completely; save it, and pass it as ``since`` to continue later.

        It moves when a scan of a kind has been iterated to its end, so a consumer that dies on the way loses nothing.
        """
        return {feed.kind: feed.watermark for feed in self._feeds}

    async def __aiter__(self) -> AsyncIterator[Change]:
        while True:
            for feed in self._feeds:
                async for change in feed.scan():
                    yield change
            if self._every is None:
                return
            await asyncio.sleep(self._every)


class _KindFeed:
    """The feed of one kind."""

    def __init__(
        self, scope: SellerSession, kind: ChangeKind, since: datetime, *, overlap: timedelta, limit: int
    ) -> None:
        self.kind: ChangeKind = kind
        self.watermark: datetime = plain_time(since)
        self._scope = scope
        self._kind = _KINDS[kind]
        self._overlap = overlap
        self._limit = limit
        self._given: dict[str, _Given] = {}
        self._pages(since, None)  # raises for a wrong limit

    async def scan(self) -> AsyncIterator[Change]:
        """Yield rows that changed since the watermark and were not emitted yet."""
        scan = _Scan()
        async for row in self._rows(scan):
            at: datetime | None = getattr(row, self._kind.time)
            scan.saw(at)
            key = getattr(row, self._kind.id)
            mark = hash(msgspec.json.encode(row.to_dict(wire=True)))  # independent of the JSON's formatting
            known = self._given.get(key)
            if known is not None and (known.mark == mark or (at is not None and at < known.at)):
                continue  # emitted already, or an older state from a replica that lags
            yield Change(kind=self.kind, id=key, item=row, at=at)
            self._given[key] = _Given(mark, at or scan.began or self.watermark)
        self.watermark = max(self.watermark, scan.watermark or self.watermark)
        kept = _earlier(self.watermark, self._overlap)
        self._given = {key: given for key, given in self._given.items() if given.at >= kept}

    async def _rows(self, scan: _Scan) -> AsyncIterator[Any]:
        windows: list[tuple[datetime, datetime | None]] = [(_earlier(self.watermark, self._overlap), None)]
        while windows:
            low, high = windows.pop()
            pages = self._pages(low, high)
            page = await pages
            scan.asked(page.served_at, (getattr(row, self._kind.time) for row in page.items))
            until = high or scan.began or datetime.now(UTC)
            is_wide = self._is_wide(page, low, high, scan)
            if page.next_cursor is None:
                for row in page.items:
                    yield row
            elif is_wide:
                async for row in self._walked(low, scan):
                    yield row
                return  # the remaining windows lie behind this one
            elif until - low > FINEST:
                middle = low + (until - low) / 2
                windows += [(middle, high), (low, middle)]
            else:
                async for row in pages:
                    yield row

    async def _walked(self, low: datetime, scan: _Scan) -> AsyncIterator[Any]:
        for _ in range(WALKS):
            known = len(scan.seen)
            async for row in self._pages(low, None):
                scan.seen.add(getattr(row, self._kind.id))
                yield row
            if len(scan.seen) == known:
                return

    def _is_wide(self, page: Page[Any], low: datetime, high: datetime | None, scan: _Scan) -> bool:
        """Return True if the filter of a window of more than a page has no effect, as its rows show."""
        known = len(scan.seen)
        scan.seen.update(getattr(row, self._kind.id) for row in page.items)
        if page.next_cursor is None:
            return False
        scan.fruitless = 0 if len(scan.seen) > known else scan.fruitless + 1
        times: list[datetime] = [at for row in page.items if (at := getattr(row, self._kind.time)) is not None]
        until = datetime.max.replace(tzinfo=UTC) if high is None else high + FINEST
        is_outside = bool(times) and not any(_earlier(low, FINEST) <= at <= until for at in times)
        return is_outside or scan.fruitless >= FRUITLESS_MOST

    def _pages(self, low: datetime, high: datetime | None) -> Pager[Any]:
        bounds = {f"{self._kind.bound}_min": low, f"{self._kind.bound}_max": high}
        filters: Query = self._kind.filters(limit=self._limit, **bounds)
        return paginate(self._scope, self._kind.operation, filters)


class _Scan:
    """Times and ids that one scan has seen."""

    def __init__(self) -> None:
        self.began: datetime | None = None
        self.seen: set[str] = set()
        """Ids of all rows."""
        self.fruitless = 0
        """Number of consecutive windows of more than a page that showed no new row."""
        self._first = True
        self._last_change: datetime | None = None

    def asked(self, served_at: datetime | None, times: Iterable[datetime | None]) -> None:
        """Note the start of the scan at its first response: by the API's clock, else no later than its newest row."""
        if self._first:
            self._first = False
            self.began = served_at or max((at for at in times if at is not None), default=None)

    def saw(self, at: datetime | None) -> None:
        """Note a row that changed at this time."""
        if at is not None and (self._last_change is None or at > self._last_change):
            self._last_change = at

    @property
    def watermark(self) -> datetime | None:
        """The time at which the next scan may begin."""
        if self.began is None or self._last_change is None:
            return None
        return min(self.began, self._last_change)


def _earlier(moment: datetime, by: timedelta) -> datetime:
    return moment - by if moment - datetime.min.replace(tzinfo=UTC) > by else moment


def _check(since: Any, kinds: tuple[Any, ...], overlap: Any, every: Any) -> None:
    problems: list[FieldProblem] = []
    if not kinds or any(kind not in KINDS for kind in kinds):
        problems.append(FieldProblem("kinds", kinds, f"are not some of {', '.join(KINDS)}"))
    elif isinstance(since, Mapping):
        for kind in kinds:
            problems += time_problems(f"since[{kind!r}]", cast("Mapping[str, Any]", since).get(kind))
    else:
        problems += time_problems("since", since)
    if not is_above_zero(overlap) and overlap != 0:
        problems.append(FieldProblem("overlap", overlap, "is not a number of seconds from 0 on"))
    if every is not None and not is_above_zero(every):
        problems.append(FieldProblem("every", every, "is not a number of seconds above zero"))
    if problems:
        raise ValidationError("changes", problems=problems)
