"""What is known of the rows of a journal's file, so that few are read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .states import State

__all__ = ["Row", "Rows", "Spot"]

_MOST = 10_000

Spot: TypeAlias = tuple[int, str]
"""A scope and a key."""


class Row(NamedTuple):
    """An entry as it is stored, its scope and key aside; times in milliseconds since 1970."""

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


class Rows:
    """Rows as they are now, written or still to be: mostly of what is sent or settled next.

    ``unsettled`` are the items that are in batches, by scope and key: those have no row. ``read`` gives rows by key.
    """

    def __init__(
        self, unsettled: Mapping[int, Collection[str]], read: Callable[[int, Sequence[str]], dict[str, Row]]
    ) -> None:
        self._unsettled = unsettled
        self._read = read
        self._present: dict[Spot, Row] = {}
        self.absent: defaultdict[int, set[str]] = defaultdict(set)
        """By scope: keys that have no row and are in no batch, as far as that is known."""

    def load(self, scope: int, keys: Collection[str]) -> None:
        """Read those that are not known, all at once."""
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

    def some(self, scope: int, keys: Collection[str]) -> dict[str, Row]:
        """Those of the keys that have a row."""
        self.load(scope, keys)
        if self.absent[scope].issuperset(keys):
            return {}
        return {key: row for key in keys if (row := self._present.get((scope, key))) is not None}

    def get(self, spot: Spot) -> Row | None:
        """One row."""
        scope, key = spot
        return self.some(scope, (key,)).get(key)

    def put(self, spot: Spot, row: Row) -> None:
        """A row that is new, or not what it was."""
        scope, key = spot
        self._present[spot] = row
        self.absent[scope].discard(key)

    def trim(self) -> None:
        """Let go of all if it is much."""
        if len(self._present) + sum(map(len, self.absent.values())) > _MOST:
            self.clear()

    def clear(self) -> None:
        """Let go of all: rows were deleted."""
        self._present.clear()
        self.absent.clear()
