"""The seller's references as the API lists them, learned once for a session and a seller, and kept on disk.

A row of the list tells a reference and the product it stands for (**S**), and perhaps its stock (**A**). A reference
may have several rows, and several references may stand for one product in different conditions. A row whose reference
cannot be read shows that the list holds more than what was learned, so nothing can be said to be absent from it.
"""

from __future__ import annotations

import asyncio
import weakref
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..disk.disk_index import temporary_database
from ..errors import BadRowError, CallError
from ..resources.products import Products
from ..session.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..contract.products import SellerReference
    from ..contract.stocks import Stock

UNKNOWN_FOR = 60.0
"""Seconds in which a reference that was not there is not searched again: a mistyped one must not burn the limit."""
UNKNOWN_MOST = 10_000
PAGE_ROWS = 1000
MOST_ROWS = 100
"""Rows of one reference, and references of one product, that are looked at: more of them are no longer one thing."""

AT_ONCE = 10_000
"""Rows that are sorted on the event loop; more would stop it for too long."""

_SCHEMA = "CREATE TABLE learned (reference TEXT, stock TEXT, product TEXT, condition TEXT)"
_INDEXES = """
    CREATE INDEX by_reference ON learned (reference);
    CREATE INDEX by_stock ON learned (stock) WHERE stock IS NOT NULL;
    CREATE INDEX by_product ON learned (product) WHERE product IS NOT NULL;
"""


class ReferenceRow(NamedTuple):
    """One row of the list. ``condition`` is folded; an empty ``reference`` could not be read."""

    reference: str
    stock_id: str | None
    product_id: str | None
    condition: str | None


class References:
    """The rows of one reading of the list; to be sorted after all were added, and before they are asked for."""

    def __init__(self, *, skipped: int = 0) -> None:
        self._database = temporary_database(_SCHEMA)
        self._database.execute("BEGIN")
        self._close = weakref.finalize(self, self._database.close)
        self.rows = 0
        self.unreadable = skipped
        """Rows whose reference could not be read, at least."""
        self.detached = skipped
        """Rows of which nothing tells a stock or a product, at least."""

    def add(self, known: Iterable[SellerReference]) -> None:
        """Take in some rows."""
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
        """Be ready to be asked. Sorting once takes a fifth of the time that keeping all in order does."""
        self._database.executescript(_INDEXES)

    def of(self, reference: str) -> list[ReferenceRow]:
        """The rows of a reference."""
        return self._select("reference", reference)

    def of_stock(self, stock_id: str) -> list[ReferenceRow]:
        """The rows that name a stock."""
        return self._select("stock", stock_id)

    def of_product(self, product_id: str) -> list[ReferenceRow]:
        """The rows that name a product."""
        return self._select("product", product_id)

    def reference_of(self, stock: Stock) -> str | None:
        """The reference that a stock surely belongs to: the one that names it, else the only one that it fits."""
        if named := {row.reference for row in self.of_stock(stock.id)}:
            return min(named) or None
        if stock.product_id is None:
            return None
        owners = {row.reference for row in self.of_product(stock.product_id) if row.stock_id is None}
        owned = [reference for reference in owners if reference and self.owns(reference, stock)]
        return owned[0] if len(owned) == 1 else None

    def owns(self, reference: str, stock: Stock) -> bool | None:
        """Whether a stock that no row names belongs to this reference of its product; ``None`` if nothing tells.

        The condition tells if both sides name one, because a product has one reference in each condition (**D**).
        ``product_state`` speaks of it in other words, so it is never compared. Without conditions, the product must
        have no other reference.
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
        """Forget all."""
        self._close()

    def _select(self, column: str, value: str) -> list[ReferenceRow]:
        statement = f"SELECT reference, stock, product, condition FROM learned WHERE {column} = ? LIMIT {MOST_ROWS + 1}"  # noqa: S608  (names of ours)
        return [ReferenceRow(*row) for row in self._database.execute(statement, (value,))]


def taking_bad_rows(scope: Scope, on_bad_row: Literal["raise", "skip"]) -> Scope:
    """The same scope, where a list's row without identity is an error, or is passed over."""
    return Scope(scope.session, scope.seller_id, scope.options.changed(on_bad_row=on_bad_row))


def folded(condition: str | None) -> str | None:
    """A condition as it is compared."""
    return None if condition is None else str(condition).casefold()


class _Learning:
    """A reading of the list that is under way, and how many wait for it."""

    __slots__ = ("number", "task", "waiting")

    def __init__(self, number: int, task: asyncio.Task[bool]) -> None:
        self.number = number
        self.task = task
        self.waiting = 0


class ReferenceIndex:
    """The references of one seller, for all look-ups of a session. Those that need them at once share one reading.

    A reading goes on as long as anybody waits for it, whoever began it; who waits for one that fails tries it himself.
    """

    def __init__(self) -> None:
        self.known: References | None = None
        self.at_least = 0
        """Rows that the list is known to have, at least."""
        self._under_way: _Learning | None = None
        self._begun = 0
        self._unknown: dict[str, float] = {}

    @classmethod
    def of(cls, scope: Scope) -> ReferenceIndex:
        """The index of the scope's seller."""
        found = scope.session.kept.setdefault(("references", scope.seller_id), cls())
        assert isinstance(found, cls)  # noqa: S101  (nobody else uses this name)
        return found

    async def search(self, references: Sequence[str], scope: Scope) -> References:
        """Learn anew if any of ``references`` may have come since; what is known then.

        Raises:
            CallError: the list could not be read to its end.
        """
        before = self._begun
        while self.known is None or self._lacks(references):
            number = await self._learn_together(scope)
            if number > before:  # it began after these were asked for
                self._note_unknown(references)
                break
        assert self.known is not None  # noqa: S101  (a reading without a limit ended, or it was there)
        return self.known

    async def size_up(self, scope: Scope, *, pages: int) -> None:
        """Learn, unless the list is longer than so many pages: then only that is known.

        Raises:
            CallError: the list could not be read.
        """
        while self.known is None and self.at_least < pages * PAGE_ROWS:
            await self._learn_together(scope, pages)

    async def _learn_together(self, scope: Scope, pages: int | None = None) -> int:
        """Learn, or wait for a reading that is under way; its number, 0 if it did not come to the end."""
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
                    under_way.task.cancel()  # nobody waits for it any more, or it is done
                    self._under_way = None
            try:
                return under_way.number if under_way.task.result() else 0
            except CallError:
                if own:
                    raise

    async def _learn(self, scope: Scope, pages: int | None) -> bool:
        """Read the list to its end, or so many pages of it; whether it ended."""
        try:
            return await self._read(taking_bad_rows(scope, "raise"), pages, References())
        except BadRowError:  # go on without the rows that have no reference, and remember that there are some
            return await self._read(taking_bad_rows(scope, "skip"), pages, References(skipped=1))

    async def _read(self, scope: Scope, pages: int | None, learned: References) -> bool:
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
        self.known = learned  # who still uses the older one keeps it
        self.at_least = learned.rows
        return True

    def _lacks(self, references: Iterable[str]) -> bool:
        """Whether any of them is neither learned nor was searched in vain a short while ago."""
        now = asyncio.get_running_loop().time()
        return any(
            self._unknown.get(reference, 0.0) <= now for reference in references if not self._is_known(reference)
        )

    def _note_unknown(self, references: Iterable[str]) -> None:
        """Remember which of them were searched in vain."""
        now = asyncio.get_running_loop().time()
        remembered = {reference: until for reference, until in self._unknown.items() if until > now}
        missing = (reference for reference in references if not self._is_known(reference))
        fresh = dict.fromkeys(islice(missing, UNKNOWN_MOST), now + UNKNOWN_FOR)
        self._unknown = dict(islice((fresh | remembered).items(), UNKNOWN_MOST))

    def _is_known(self, reference: str) -> bool:
        rows = () if self.known is None else self.known.of(reference)
        return any(row.stock_id is not None or row.product_id is not None for row in rows)


def _look_at(task: asyncio.Task[bool]) -> None:
    """An error that nobody waited for is no news: it is met again by whoever asks."""
    if not task.cancelled():
        task.exception()
