"""Retention: the deletion of decided items that a journal needs no more, in chunks.

A journal skips what it knows as created, proves by it what is absent, and tells by it whose a row of the list is. So
:func:`prune` keeps

- every item that may still be sent, looked for or tracked: all but created and refused ones, of any age;
- every item that is younger than the age given, which is :data:`AGE_LEAST` at least: a file may be submitted again;
- every item sent since a day before the oldest undecided item of its seller and operation: the controls of that item,
  and all that the list may show beside it, which is counted;
- the :data:`CONTROLS` youngest created items of each seller and operation: the controls of the next lost item, and the
  samples of the account's ids;
- the items of runs that are not finished, but for those of single calls: their input may be run again.

Each chunk is a transaction of a few milliseconds, so that other writers wait that long at most.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from heapq import nlargest
from typing import TYPE_CHECKING, Protocol

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AGE_LEAST", "CHUNK", "CONTROLS", "SINGLE_CALLS", "Prunable", "prune"]

AGE_LEAST = timedelta(days=30)
"""Youngest age that can be given: a deleted key that is submitted again is sent again."""
CONTROLS = 100
CHUNK = 5000
"""Number of items that are looked at in one transaction."""
SINGLE_CALLS = "single calls"
"""Source of the runs to which the items of single calls belong; nothing finishes them."""
_BEFORE_UNDECIDED = timedelta(days=1)


class Prunable(Protocol):
    """Reads and writes that a back-end supplies. ``key`` is its own form of a key; ``None`` is before and after all."""

    async def scopes(self) -> list[int]:
        """Return the numbers of all scopes."""
        ...

    async def oldest_undecided(self, scope: int) -> datetime | None:
        """Return the time of sending of the oldest undecided item whose time is known."""
        ...

    async def youngest_created(self, scope: int, key: object, most: int) -> tuple[Sequence[datetime], object]:
        """Return the latest times of creation among a chunk of items behind ``key``, and the last key of the chunk."""
        ...

    async def prune_some(self, scope: int, key: object, before: datetime, *, dry_run: bool) -> tuple[int, object]:
        """Delete what may be among a chunk of items behind ``key``; return the number, and the last key."""
        ...


async def prune(store: Prunable, older_than: timedelta, *, dry_run: bool, now: datetime | None = None) -> int:
    """Delete decided items that are older than ``older_than``; return their number. A ``dry_run`` counts only.

    Raises:
        ConfigurationError: the age is below ``AGE_LEAST``.
    """
    if older_than < AGE_LEAST:
        raise ConfigurationError(
            f"items are pruned from an age of {AGE_LEAST.days} days on, not {older_than}: a pruned order that is "
            "submitted again is sent again"
        )
    total = 0
    for scope in await store.scopes():
        before = (datetime.now(UTC) if now is None else now) - older_than
        if (undecided := await store.oldest_undecided(scope)) is not None:
            before = min(before, undecided - _BEFORE_UNDECIDED)
        times: list[datetime] = []
        key: object = None
        while True:
            some, key = await store.youngest_created(scope, key, CONTROLS)
            times = nlargest(CONTROLS, (*times, *some))
            if key is None:
                break
        if len(times) == CONTROLS:
            before = min(before, times[-1])
        while len(times) == CONTROLS:
            gone, key = await store.prune_some(scope, key, before, dry_run=dry_run)
            total += gone
            if key is None:
                break
    return total
