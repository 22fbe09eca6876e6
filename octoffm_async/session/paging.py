"""Lists: cursor pages over the ``Link`` header, one after another, as pages or as items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from ..errors import CallError, PagingError
from .headers import next_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from ..contract.operations import Operation
    from .scope import Scope

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page: its items, the cursor it was asked for with, and the next one's (``None`` on the last page)."""

    items: list[T]
    cursor: str | None
    next_cursor: str | None


class Pager(Generic[T]):
    """A list call. Iterate it for items, or :meth:`pages` for pages; each iteration starts anew.

    Raises (while iterating):
        PagingError: the next page is on another origin, or was already read.
        CallError: a page could not be had.
    """

    def __init__(self, scope: Scope, operation: Operation[list[T]], query: Mapping[str, str]) -> None:
        self._scope = scope
        self._operation = operation
        self._query = dict(query)

    def __aiter__(self) -> AsyncIterator[T]:
        return _Items(self.pages())

    def pages(self) -> AsyncIterator[Page[T]]:
        """The pages, in order."""
        return _Pages(self._scope, self._operation, self._query)


class _Pages(Generic[T]):
    def __init__(self, scope: Scope, operation: Operation[list[T]], query: dict[str, str]) -> None:
        self._scope = scope
        self._operation = operation
        self._first = query
        self._query: dict[str, str] | None = query
        self._seen = {query.get("cursor")}

    def __aiter__(self) -> _Pages[T]:
        return self

    async def __anext__(self) -> Page[T]:
        query = self._query
        if query is None:
            raise StopAsyncIteration
        items, response = await self._scope.call(self._operation, query=query)
        try:
            self._query = self._next(", ".join(response.headers.getall("Link", [])), response.url)
        except CallError as error:
            error.operation, error.seller_id = self._operation.name, self._scope.seller_id
            raise
        next_cursor = None if self._query is None else self._query.get("cursor")
        return Page(items=items, cursor=query.get("cursor"), next_cursor=next_cursor)

    def _next(self, link: str | None, requested: str) -> dict[str, str] | None:
        linked = next_query(link, requested=requested)
        if linked is None:
            return None
        cursor = linked.get("cursor")
        if cursor in self._seen:
            raise PagingError("the next page was already read: the list would never end")
        self._seen.add(cursor)
        return self._first | linked


class _Items(Generic[T]):
    """Items of pages, without a generator's layer per item."""

    def __init__(self, pages: AsyncIterator[Page[T]]) -> None:
        self._pages = pages
        self._items: Iterator[T] = iter(())

    def __aiter__(self) -> _Items[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            self._items = iter((await anext(self._pages)).items)
