"""Lists: cursor pages, one after another, as pages or as items.

:mod:`..transport.headers` parses the ``Link`` header, which names the next page.

The address of the next page is in the headers, so the client sends its request as soon as they are received: while it
reads, decodes and uses the body of one page, the next one is on its way. It never requests more than one page ahead.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, cast

import msgspec

from ..contract.requests.checks import FieldProblem
from ..errors import PagingError, ValidationError
from ..settings.values import is_whole
from ..tabular.flat_rows import as_rows
from ..transport.headers import http_date, next_query
from .seller_session import checked_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator, Mapping

    from ..contract.base import Query
    from ..contract.operations import Operation
    from ..tabular.flat_rows import Rows
    from ..transport.response import Response
    from .seller_session import SellerSession

T = TypeVar("T")
End = Literal["no_link", "empty_cursor"]

EMPTY_PAGES_MOST = 100
"""Pages without a row that are read one after another: a filter that the API applies after paging causes a few."""


def paginate(
    scope: SellerSession, operation: Operation[list[T]], filters: Query, *, max_items: int | None = None
) -> Pager[T]:
    """Return a list call of one seller, of at most ``max_items`` items.

    Raises:
        ValidationError: The filters exclude each other, or are out of range.
    """
    return Pager(scope, operation, checked_query(operation, filters), max_items=max_items)


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page: its items, the cursor of its request, and the cursor of the next page (None on the last page).

    ``served_at`` is the API's own time of the response (its ``Date`` header), if it gives one. ``end`` says how the
    list ended with this page: without a link to a next one, or with a link whose cursor is empty; None if there is a
    next. ``len(page)`` counts the items and ``for item in page`` iterates over them; an empty page is true.
    """

    items: list[T]
    cursor: str | None
    next_cursor: str | None
    served_at: datetime | None = None
    end: End | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __bool__(self) -> bool:
        return True


class Pager(Generic[T]):
    """A list call. Await it for the first page, iterate over it for all items, or over :meth:`pages` for all pages.

    :meth:`collect` reads all items into a list, :meth:`rows` into flat rows for a data frame. Nothing is requested
    before one of these.

    Each await and each iteration starts anew, and workers may share one iterator. To continue later, keep a page's
    ``next_cursor`` and pass it as ``resume_from``. With ``max_items``, the items end there; pages are never cut, so
    that no item is lost between them: the last page is the one in which the number is reached.

    Raises (when awaited or iterated):
        PagingError: The next page cannot be read out of the ``Link`` header, is on another origin, or was already read;
            or a hundred pages in a row were empty.
        CallError: The request for a page failed.
    """

    def __init__(
        self,
        scope: SellerSession,
        operation: Operation[list[T]],
        query: Mapping[str, str],
        *,
        max_items: int | None = None,
    ) -> None:
        if max_items is not None and (not is_whole(max_items) or max_items < 1):
            problem = FieldProblem("max_items", max_items, "is not a whole number from 1 on")
            raise ValidationError(operation.name, problems=[problem])
        self._scope = scope
        self._operation = operation
        self._query = dict(query)
        self._max_items = max_items
        if max_items is not None and max_items < int(self._query["limit"]):
            self._query["limit"] = str(max_items)

    def __await__(self) -> Generator[object, None, Page[T]]:
        return self._pages(ahead=False).__anext__().__await__()

    def __aiter__(self) -> AsyncIterator[T]:
        return _Items(self._pages(), self._max_items)

    def __repr__(self) -> str:
        query = ", ".join(f"{name}={value!r}" for name, value in self._query.items())
        most = "" if self._max_items is None else f", max_items={self._max_items}"
        return f"<Pager {self._operation.name}({query}{most}), seller {self._scope.seller_id}>"

    def pages(self) -> AsyncIterator[Page[T]]:
        """Return an iterator over the pages, in order."""
        return self._pages()

    async def collect(self) -> list[T]:
        """Return all items; with ``max_items``, so many at most.

        Raises:
            PagingError, CallError: See the class.
        """
        return [item async for item in self]

    async def rows(self) -> Rows:
        """Return all items as flat rows, which ``polars.DataFrame`` and ``pandas.DataFrame`` take as they are.

        Raises:
            PagingError, CallError: See the class.
        """
        return as_rows(cast("list[Any]", await self.collect()), kind=self._operation.row)

    def _pages(self, *, ahead: bool = True) -> _Pages[T]:
        return _Pages(self._scope, self._operation, self._query, self._max_items, ahead=ahead)


class _Next(NamedTuple):
    """The information of a page's headers about the next one: its query, or how the list ended."""

    query: dict[str, str] | None = None
    end: End | None = None


class _Fetched(NamedTuple, Generic[T]):
    items: list[T]
    following: dict[str, str] | None
    end: End | None
    served_at: datetime | None


class _Coming(NamedTuple, Generic[T]):
    query: dict[str, str]
    task: asyncio.Task[_Fetched[T]]


class _Pages(Generic[T]):
    """An iterator over pages. The next step after a failure requests the same page again."""

    def __init__(
        self,
        scope: SellerSession,
        operation: Operation[list[T]],
        query: dict[str, str],
        most: int | None,
        *,
        ahead: bool,
    ) -> None:
        self._scope = scope
        self._operation = operation
        self._first = query
        self._query: dict[str, str] | None = query
        self._left = most
        self._ahead = ahead
        self._limit = int(query["limit"])
        self._page_lock = asyncio.Lock()
        self._awaited = False
        self._coming: _Coming[T] | None = None
        self._seen: set[str | None] = set()
        self._empty = 0
        self._last: Response | None = None

    def __aiter__(self) -> _Pages[T]:
        return self

    async def __anext__(self) -> Page[T]:
        self._scope.session.affinity.check()
        async with self._page_lock:
            if self._query is None:
                raise StopAsyncIteration
            self._awaited = True
            try:
                return self._deliver(self._query, await self._arrival(self._query))
            except BaseException:
                await self.aclose()
                raise
            finally:
                self._awaited = False

    async def _arrival(self, query: dict[str, str]) -> _Fetched[T]:
        coming, self._coming = self._coming, None
        if coming is None or coming.task.cancelled():  # closing a client cancels requests that are not awaited
            return await self._fetch(query)
        self._scope.session.background.adopt(coming.task)
        return await coming.task

    async def aclose(self) -> None:
        """Cancel the request for the next page; a further step sends it again."""
        if self._coming is not None:
            self._scope.session.affinity.check_home()
        self._last = None
        self._let_go()

    def _let_go(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            self._seen.discard(coming.query.get("cursor"))
            coming.task.cancel()

    def _deliver(self, query: dict[str, str], fetched: _Fetched[T]) -> Page[T]:
        items, following, end, served_at = fetched
        self._empty = 0 if items else self._empty + 1
        if self._empty >= EMPTY_PAGES_MOST and following is not None:
            raise self._with_context(PagingError(f"{self._empty} pages in a row were empty: the list may never end"))
        if self._left is not None:
            self._left -= len(items)
        enough = self._left is not None and self._left <= 0
        self._query = None if enough else following
        if self._query is not None and self._coming is None and self._ahead:
            self._send_for(self._query)
        next_cursor = None if following is None else following.get("cursor")
        return Page(items=items, cursor=query.get("cursor"), next_cursor=next_cursor, served_at=served_at, end=end)

    def _send_for(self, query: dict[str, str]) -> None:
        task = self._scope.session.background.start(self._fetch(query), name="octoffm_async next page")
        self._coming = _Coming(query, task)

    async def _fetch(self, query: dict[str, str]) -> _Fetched[T]:
        self._seen.add(query.get("cursor"))
        following: dict[str, str] | None = None
        end: End | None = None
        wrong: PagingError | None = None

        def look(head: Response) -> None:
            nonlocal following, end, wrong
            if following is not None and self._coming is not None and self._coming.query == following:
                self._let_go()  # an earlier attempt received its headers, but failed after that
            following, end, wrong = None, None, None
            try:
                following, end = self._next(head)
            except PagingError as error:
                wrong = error
            enough = self._left is not None and self._left <= self._limit
            # Only when this page is awaited: else the iterator would be two pages ahead of its reader.
            if following is not None and self._ahead and self._awaited and self._coming is None and not enough:
                self._send_for(following)

        items, response = await self._scope.call(self._operation, query=query, peek=look)
        if wrong is not None:
            raise wrong
        # Kept until the next body is received: if no object lay above it, malloc would return the memory of each to
        # the system and fault it in again, which costs a fifth of the page.
        self._last = response
        return _Fetched(items, following, end, http_date(response.headers.get("Date")))

    def _next(self, response: Response) -> _Next:
        link = ", ".join(response.headers.getall("Link", []))
        try:
            linked = next_query(link, requested=response.url)
        except PagingError as error:
            raise self._with_context(error) from None
        if linked is None:
            return _Next(end="no_link")
        linked = self._scope.session.translation.query_from_wire(self._operation, linked)
        cursor = linked.get("cursor")
        if cursor is None:
            raise self._with_context(PagingError("the link to the next page names no cursor: not followed"))
        if not cursor.strip():
            return _Next(end="empty_cursor")
        if cursor in self._seen:
            raise self._with_context(PagingError("the next page was already read: the list would never end"))
        return _Next(self._first | linked)

    def _with_context(self, error: PagingError) -> PagingError:
        error.operation, error.seller_id = self._operation.name, self._scope.seller_id
        return error


class _Items(Generic[T]):
    """An iterator over the items of pages, without a generator's cost per item."""

    __slots__ = ("__weakref__", "_items", "_left", "_page_lock", "_pages")

    def __init__(self, pages: _Pages[T], most: int | None) -> None:
        self._pages = pages
        self._left = most
        self._items: Iterator[T] = iter(())
        self._page_lock = asyncio.Lock()

    def __aiter__(self) -> _Items[T]:
        return self

    async def __anext__(self) -> T:
        for item in self._items:
            return item
        return await self._first_of_next()

    async def _first_of_next(self) -> T:
        async with self._page_lock:  # of the workers that share this iterator, one requests the page
            while True:
                for item in self._items:
                    return item
                self._items = iter(self._cut((await anext(self._pages)).items))

    def _cut(self, items: list[T]) -> list[T]:
        if self._left is not None:
            items = items[: self._left]
            self._left -= len(items)
        return items

    async def aclose(self) -> None:
        """Cancel the request for the next page."""
        await self._pages.aclose()
