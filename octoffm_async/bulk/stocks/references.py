"""Cache of the seller's references as the API lists them, read once per session and seller, and kept on disk.

A row of the list has a reference and its product (seen), and perhaps its stock (assumed). A reference may have several
rows, and several references may stand for one product in different conditions. A row with an unreadable reference shows
that the list holds more than was read, so no reference can be declared absent from it.
"""

from __future__ import annotations

import asyncio
import weakref
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...disk.disk_index import temporary_database
from ...errors import BadRowError, CallError
from ...resources.products import Products
from ...session.seller_session import SellerSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...contract.products import SellerReference
    from ...contract.stocks import Stock

UNKNOWN_FOR = 60.0
"""Seconds in which a missing reference is not searched again: a mistyped one must not use up the limit."""
UNKNOWN_MOST = 10_000
PAGE_ROWS = 1000
MOST_ROWS = 100
"""Maximum number of rows of one reference, and of references of one product: more are not one thing."""

AT_ONCE = 10_000
"""Maximum number of rows that are sorted on the event loop; more would block it for too long."""

_SCHEMA = "CREATE TABLE learned (reference TEXT, stock TEXT, product TEXT, condition TEXT)"
_INDEXES = """
    CREATE INDEX by_reference ON learned (reference);
    CREATE INDEX by_stock ON learned (stock) WHERE stock IS NOT NULL;
    CREATE INDEX by_product ON learned (product) WHERE product IS NOT NULL;
"""


class ReferenceRow(NamedTuple):
    """One row of the list. ``condition`` is case-folded; an empty ``reference`` could not be read."""

    reference: str
    stock_id: str | None
    product_id: str | None
    condition: str | None


class References:
    """The rows of one reading of the list. Call :meth:`sort` after all were added, and before the queries."""

    def __init__(self, *, skipped: int = 0) -> None:
        self._database = temporary_database(_SCHEMA)
        self._database.execute("BEGIN")
        self._close = weakref.finalize(self, self._database.close)
        self.rows: int = 0
        self.unreadable: int = skipped
        """Minimum number of rows whose reference could not be read."""
        self.detached: int = skipped
        """Minimum number of rows that name neither a stock nor a product."""

    def add(self, known: Iterable[SellerReference]) -> None:
        """Add rows."""
        rows = [
            ReferenceRow(
                one.seller_product_reference or "", one.stock_id, one.product_id, folded(one.product_condition)
            )
            for one in known
        ]
        self._database.executemany("INSERT INTO learned VALUES (?, ?, ?, ?)", rows)
        self.rows += len(rows)
        self.unreadable += sum(not row.reference for row in rows)
        self.detached += sum(row.stock_id is None and row.product_id is None for row in rows)

    def sort(self) -> None:
        """Build the indexes. Sorting once takes a fifth of the time that keeping all rows in order does."""
        self._database.executescript(_INDEXES)

    def of(self, reference: str) -> list[ReferenceRow]:
        """Return the rows of a reference."""
        return self._select("reference", reference)

    def of_stock(self, stock_id: str) -> list[ReferenceRow]:
        """Return the rows that name a stock."""
        return self._select("stock", stock_id)

    def of_product(self, product_id: str) -> list[ReferenceRow]:
        """Return the rows that name a product."""
        return self._select("product", product_id)

    def reference_of(self, stock: Stock) -> str | None:
        """Return the reference to which a stock certainly belongs: the one that names it, else the only that fits."""
        if named := {row.reference for row in self.of_stock(stock.id)}:
            return min(named) or None
        if stock.product_id is None:
            return None
        owners = {row.reference for row in self.of_product(stock.product_id) if row.stock_id is None}
        owned = [reference for reference in owners if reference and self.owns(reference, stock)]
        return owned[0] if len(owned) == 1 else None

    def owns(self, reference: str, stock: Stock) -> bool | None:
        """Return True if a stock that no row names belongs to this reference of its product; ``None`` if unknown.

        The condition decides if both sides name one, because a product has one reference in each condition
        (documented). ``product_state`` describes it in other words, so it is never compared. Without conditions, the
        product must have no other reference.
        """
        rows = self.of_product(stock.product_id or "")
        if len(rows) > MOST_ROWS:
            return None
        own = {row.condition for row in rows if row.reference == reference}
        others = [row.condition for row in rows if row.reference != reference]
        condition = folded(stock.product_condition)
        if condition is not None and None not in own:
            if condition in own:
                return None if condition in others else True
            return False if condition in others else None
        return None if others or self.detached else True

    def close(self) -> None:
        """Delete all rows."""
        self._close()

    def _select(self, column: str, value: str) -> list[ReferenceRow]:
        statement = f"SELECT reference, stock, product, condition FROM learned WHERE {column} = ? LIMIT {MOST_ROWS + 1}"  # noqa: S608  (names of ours)
        return [ReferenceRow(*row) for row in self._database.execute(statement, (value,))]


def taking_bad_rows(scope: SellerSession, on_bad_row: Literal["raise", "skip"]) -> SellerSession:
    """Return the same scope, where a list's row without identity is an error, or is skipped."""
    return SellerSession(scope.session, scope.seller_id, scope.options.changed(on_bad_row=on_bad_row))


def folded(condition: str | None) -> str | None:
    """Case-fold a condition for comparison."""
    return None if condition is None else str(condition).casefold()


class _Learning:
    """A running reading of the list, and the number of callers that wait for it."""

    __slots__ = ("number", "task", "waiting")

    def __init__(self, number: int, task: asyncio.Task[bool]) -> None:
        self.number = number
        self.task = task
        self.waiting = 0


class ReferenceIndex:
    """The references of one seller, for all look-ups of a session.

    Concurrent callers share one reading.

    A reading continues while any caller waits for it, whoever began it; a caller whose shared reading fails tries again
    itself.
    """

    def __init__(self) -> None:
        self.known: References | None = None
        self.at_least: int = 0
        """Minimum number of rows that the list is known to have."""
        self._under_way: _Learning | None = None
        self._begun = 0
        self._unknown: dict[str, float] = {}

    @classmethod
    def of(cls, scope: SellerSession) -> ReferenceIndex:
        """Return the index of the scope's seller."""
        found = scope.session.seller_cache.setdefault(("references", scope.seller_id), cls())
        assert isinstance(found, cls)  # noqa: S101  (nobody else uses this name)
        return found

    async def search(self, references: Sequence[str], scope: SellerSession) -> References:
        """Read the list again if any of ``references`` may have been added since; return its rows.

        Raises:
            CallError: the list could not be read to its end.
        """
        before = self._begun
        while self.known is None or self._lacks(references):
            number = await self._learn_together(scope)
            if number > before:  # the reading began after this call
                self._note_unknown(references)
                break
        assert self.known is not None  # noqa: S101  (a reading without a limit ended, or it was there)
        return self.known

    async def size_up(self, scope: SellerSession, *, pages: int) -> None:
        """Read the list, unless it is longer than ``pages``: then only that is recorded.

        Raises:
            CallError: the list could not be read.
        """
        while self.known is None and self.at_least < pages * PAGE_ROWS:
            await self._learn_together(scope, pages)

    async def _learn_together(self, scope: SellerSession, pages: int | None = None) -> int:
        """Read the list, or wait for a running reading; return its number, or 0 if it did not reach the end."""
        while True:
            under_way = self._under_way
            own = under_way is None
            if under_way is None:
                self._begun += 1
                task = asyncio.create_task(self._learn(scope, pages), name="octoffm: references")
                task.add_done_callback(_look_at)
                under_way = self._under_way = _Learning(self._begun, task)
            under_way.waiting += 1
            try:
                await asyncio.wait((under_way.task,))
            finally:
                under_way.waiting -= 1
                if self._under_way is under_way and (not under_way.waiting or under_way.task.done()):
                    under_way.task.cancel()  # no caller waits for it any more, or it is done
                    self._under_way = None
            try:
                return under_way.number if under_way.task.result() else 0
            except CallError:
                if own:
                    raise

    async def _learn(self, scope: SellerSession, pages: int | None) -> bool:
        """Read the list to its end, or ``pages`` pages of it; return True if it ended."""
        try:
            return await self._read(taking_bad_rows(scope, "raise"), pages, References())
        except BadRowError:  # read without the rows that have no reference, but count them
            return await self._read(taking_bad_rows(scope, "skip"), pages, References(skipped=1))

    async def _read(self, scope: SellerSession, pages: int | None, learned: References) -> bool:
        more = False
        references = Products(scope).references(max_items=None if pages is None else pages * PAGE_ROWS)
        async for page in references.pages():
            learned.add(page.items)
            more = page.next_cursor is not None
        self.at_least = max(self.at_least, learned.rows)
        if more:
            self.at_least = max(self.at_least, (pages or 0) * PAGE_ROWS)
            return False
        if learned.rows <= AT_ONCE:
            learned.sort()
        else:
            await asyncio.to_thread(learned.sort)
        self.known = learned  # callers that use the older one keep it
        self.at_least = learned.rows
        return True

    def _lacks(self, references: Iterable[str]) -> bool:
        """Return True if any reference is neither known nor was searched in vain a short while ago."""
        now = asyncio.get_running_loop().time()
        return any(
            self._unknown.get(reference, 0.0) <= now for reference in references if not self._is_known(reference)
        )

    def _note_unknown(self, references: Iterable[str]) -> None:
        """Record the references that were searched in vain."""
        now = asyncio.get_running_loop().time()
        remembered = {reference: until for reference, until in self._unknown.items() if until > now}
        missing = (reference for reference in references if not self._is_known(reference))
        fresh = dict.fromkeys(islice(missing, UNKNOWN_MOST), now + UNKNOWN_FOR)
        self._unknown = dict(islice((fresh | remembered).items(), UNKNOWN_MOST))

    def _is_known(self, reference: str) -> bool:
        rows = () if self.known is None else self.known.of(reference)
        return any(row.stock_id is not None or row.product_id is not None for row in rows)


def _look_at(task: asyncio.Task[bool]) -> None:
    """Retrieve an error that no caller waited for: the next caller meets it again."""
    if not task.cancelled():
        task.exception()
