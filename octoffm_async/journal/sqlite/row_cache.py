"""A cache of the rows of a journal's file, so that few rows are read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ..states import State

__all__ = ["EntryRow", "ItemKey", "RowCache"]

_MOST = 10_000

ItemKey: TypeAlias = tuple[int, str]
"""Key of an item in the file: a scope and a key."""


class EntryRow(NamedTuple):
    """An entry as it is stored, without its scope and key; times in milliseconds since 1970."""

    state: State
    run_id: int
    payload_hash: bytes
    sent_at: int
    changed_at: int
    remote_id: str | None = None
    code: str = ""
    message: str = ""
    followed: str = ""
    api_at: int | None = None
    absences: int = 0
    holder: int | None = None
    """Writer that works on an undecided item; in a decided one, a writer whose item another one decided."""
    left_by: int | None = None
    """Latest time at which an undecided item that no writer holds was sent, if known."""


class RowCache:
    """Cache of current rows, written or still to be written: mostly of items that are sent or settled next.

    ``unsettled`` are the items in this writer's batches, by scope and key: those have no row. ``read`` returns rows by
    key. Whenever another process has written, the cache is cleared.
    """

    def __init__(
        self, unsettled: Mapping[int, Collection[str]], read: Callable[[int, Sequence[str]], dict[str, EntryRow]]
    ) -> None:
        self._unsettled = unsettled
        self._read = read
        self._present: dict[ItemKey, EntryRow] = {}
        self.absent: defaultdict[int, set[str]] = defaultdict(set)
        """Keys that are known to have no row and to be in no batch, by scope."""

    def load(self, scope: int, keys: Collection[str]) -> None:
        """Read the rows that are not cached, all at once."""
        absent, unsettled = self.absent[scope], self._unsettled[scope]
        if absent.issuperset(keys):
            return
        missing = [
            key
            for key in dict.fromkeys(keys)
            if key not in absent and key not in unsettled and (scope, key) not in self._present
        ]
        if missing:
            found = self._read(scope, missing)
            self._present.update(((scope, key), row) for key, row in found.items())
            absent.update(missing)
            absent.difference_update(found)

    def some(self, scope: int, keys: Collection[str]) -> dict[str, EntryRow]:
        """Return the rows of those keys that have one."""
        self.load(scope, keys)
        if self.absent[scope].issuperset(keys):
            return {}
        return {key: row for key in keys if (row := self._present.get((scope, key))) is not None}

    def get(self, item_key: ItemKey) -> EntryRow | None:
        """Return one row, or ``None``."""
        scope, key = item_key
        return self.some(scope, (key,)).get(key)

    def put(self, item_key: ItemKey, row: EntryRow) -> None:
        """Put a new or changed row into the cache."""
        scope, key = item_key
        self._present[item_key] = row
        self.absent[scope].discard(key)

    def trim(self) -> None:
        """Clear the cache if it has grown large."""
        if len(self._present) + sum(map(len, self.absent.values())) > _MOST:
            self.clear()

    def clear(self) -> None:
        """Clear the cache, as rows were deleted."""
        self._present.clear()
        self.absent.clear()
