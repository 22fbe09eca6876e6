"""An incremental feed of changes: outbound and inbound shipments, stocks and returns, by update time.

The API has no webhooks, so the feed polls for changes. **Invariant**: a consumer that applies every change ends with
the state of the API, whatever changes while a scan runs. Method:

- *Snapshots.* A scan reads windows of time of a page each, several at a time, and the newest rows when those are done:
  :mod:`.window_reader`. The states of one row come in the order of their times.
- *Watermark.* The next scan begins where this one began by the API's own clock (its ``Date`` header), never later than
  the last change seen: a change behind a scan's back carries a later time than the scan's start.
- *Overlap.* Each scan looks back a little further, for rows that become visible late and for clocks that differ.
- *De-duplication.* A row that was emitted already, unchanged, is not emitted again. Only rows that the next scan will
  see again are remembered: those within the overlap of the newest, and rows without a readable time.

A feed emits each state that it saw, not each state that existed: a row that changes twice between two scans appears
once. Within a process each state is emitted once, but for a scan that had to begin anew after an error that no
repetition mends; a feed that is created from a saved watermark repeats the overlap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast, get_args

import msgspec

from ..contract.base import public_class
from ..contract.forms.times import plain_time
from ..contract.inbound import InboundFilters, InboundShipment
from ..contract.operations import LIST_INBOUND, LIST_OUTBOUND, LIST_RETURNS, LIST_STOCKS, Operation
from ..contract.outbound import OutboundFilters, OutboundShipment
from ..contract.requests.checks import FieldProblem, time_problems
from ..contract.returns import Return, ReturnFilters
from ..contract.stocks import Stock, StockFilters
from ..errors import CallError, ValidationError
from ..session.seller_session import SellerSession
from ..settings.values import is_above_zero
from .time_windows import earlier
from .window_reader import OVERLAP, TimedList, WindowReader

if TYPE_CHECKING:
    from .window_reader import PageRows

ChangeKind = Literal["outbound", "inbound", "stocks", "returns"]
Changed: TypeAlias = OutboundShipment | InboundShipment | Stock | Return

KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
_KEPT_AT_LEAST = 2000  # rows that are remembered before those without need are looked for


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row in its current state. ``at`` is the API's time of the change; for outbound shipments, of the status."""

    kind: ChangeKind
    id: str
    item: Changed
    at: datetime | None


_KINDS: Mapping[ChangeKind, tuple[Operation[list[Any]], type[Any], str, str, str]] = {
    "outbound": (LIST_OUTBOUND, OutboundFilters, "status_updated_at", "status_updated_at", "outbound_shipment_id"),
    "inbound": (LIST_INBOUND, InboundFilters, "updated_at", "updated_at", "inbound_shipment_id"),
    "stocks": (LIST_STOCKS, StockFilters, "updated_at", "updated_at", "id"),
    "returns": (LIST_RETURNS, ReturnFilters, "updated_at", "updated_at", "return_id"),
}
"""The operation, filters, bound, time and id of each kind's :class:`TimedList`."""


class _Given(NamedTuple):
    """A state that was emitted; ``scan`` is the number of the last scan that showed it as a loose row."""

    mark: int
    at: datetime | None
    scan: int

    def covers(self, mark: int, at: datetime | None) -> bool:
        """Return True for the same state, and for an older one from a replica that lags."""
        return self.mark == mark or (at is not None and self.at is not None and at < self.at)


class ChangeFeed:
    """Async iterable of changes.

    Without ``every``, each iteration is one scan of each kind, starting where the last ended. An iteration that was
    broken off, or that failed, is continued by the next one.

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
                unread = feed.unread
                try:
                    while unread or await feed.read_on():
                        change = unread[0]
                        yield change
                        if unread and unread[0] is change:  # it stays where a consumer stops at it
                            unread.popleft()
                finally:
                    feed.pause()
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
        self.unread: deque[Change] = deque()
        self._list = TimedList(scope, *_KINDS[kind], fixed={"limit": limit})
        self._id: Callable[[Changed], str] = attrgetter(self._list.id)
        self._overlap = overlap
        self._limit = limit
        self._reader: WindowReader[Changed] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scans = 0
        self._newest: datetime | None = None
        self._given: dict[str, _Given] = {}
        self._given_most = _KEPT_AT_LEAST
        self._list.pager(since, None)  # raises for a wrong limit

    async def read_on(self) -> bool:
        """Read until there are unread changes; return False at the end of the scan."""
        loop = asyncio.get_running_loop()
        if self._reader is None or self._loop is not loop:
            since = earlier(self.watermark, self._overlap)
            self._reader = WindowReader(
                self._list, since=since, overlap=self._overlap, limit=self._limit, walk_again=True
            )
            self._loop, self._newest = loop, None
            self._scans += 1
        reader = self._reader
        try:
            while not self.unread:
                self._take(await reader.next(), reader.began)
        except StopAsyncIteration:
            if self._reader is reader:
                self._reader, self.watermark = None, self._complete_to(reader.began)
                self._forget(self.watermark, self._scans)
            return False
        except CallError as error:
            if not error.retryable:  # such as a cursor that has expired: the next scan begins anew
                self._reader = None
            raise
        return True

    def pause(self) -> None:
        """End the calls under way; the next iteration makes them again."""
        if self._reader is not None:
            self._reader.pause()

    def _complete_to(self, began: datetime | None) -> datetime:
        """Return the watermark, were the scan to end now."""
        if began is None or self._newest is None:
            return self.watermark
        return max(self.watermark, min(began, self._newest))

    def _take(self, batch: PageRows[Changed], began: datetime | None) -> None:
        """Make changes of those rows that were not emitted yet."""
        kind, id_of, given = self.kind, self._id, self._given
        times = [at for rows in batch for _, at in rows if at is not None]
        if self._newest is not None:
            times.append(self._newest)
        self._newest = max(times, default=None)
        complete_to = self._complete_to(began)
        kept = earlier(complete_to, self._overlap)
        for rows in batch:
            scan = self._scans if rows is batch.loose else 0
            for row, at in rows:
                key = id_of(row)
                known = given.get(key)
                if known is not None or scan or at is None or at >= kept:
                    mark = _mark_of(row)
                    if known is not None and known.covers(mark, at):
                        if scan:
                            given[key] = known._replace(scan=scan)
                        continue
                    given[key] = _Given(mark, at, scan)
                self.unread.append(Change(kind=kind, id=key, item=row, at=at))
        if len(given) > self._given_most:
            self._forget(complete_to, 1)

    def _forget(self, complete_to: datetime, scan: int) -> None:
        """Forget rows that no scan from ``complete_to`` on will show, and loose rows last seen before ``scan``."""
        kept = earlier(complete_to, self._overlap)
        self._given = {
            key: given
            for key, given in self._given.items()
            if (given.scan >= scan if given.scan else given.at is None or given.at >= kept)
        }
        self._given_most = max(_KEPT_AT_LEAST, 2 * len(self._given))


def _mark_of(row: Changed) -> int:
    """Hash the content of a row, whatever its spelling and the formatting of its JSON."""
    usual = type(row) is public_class(type(row))
    return hash(msgspec.json.encode(row if usual else row.to_dict(wire=True)))


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
