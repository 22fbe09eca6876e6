"""State that processes share: a protocol of keys and opaque values, and a store in this process's memory.

Limits, learned rates, tokens, refusals and the quota of the token endpoint all use this protocol. A back-end keeps
values and has one clock; it knows nothing of their meaning. All logic is a pure function from the stored values and the
store's time to new values, which :meth:`KeyValueStore.update` applies atomically.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, runtime_checkable

from ..errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

__all__ = ["FORMAT", "Backoff", "KeyValueStore", "MemoryStore", "StoredValues", "ValueChange", "check_format"]

FORMAT = 1
"""The version of keys and values in stores. Each store carries it, and is used by processes of one version only."""

GIVE_UP_AFTER = 4.0
"""Seconds after which an update that always loses against others fails."""
LONGEST_WAIT = 0.05
"""Seconds between two attempts of an update, at most."""
StoredValues: TypeAlias = list[bytes | None]
"""The values of some keys in their order; ``None`` where a key has no value."""
ValueChange: TypeAlias = Callable[[StoredValues, int], StoredValues]
"""A pure function from values and the store's time, in microseconds since 1970, to new values; it may be run again."""


def check_format(store: object, found: int) -> None:
    """Check the version that a store carries.

    Raises:
        ConfigurationError: it is another one than this program's.
    """
    if found != FORMAT:
        raise ConfigurationError(
            f"{store!r} has format {found}, and this program uses format {FORMAT}: processes of two versions cannot "
            "share a store. Run one version everywhere, or give this one another store; what a store holds (tokens, "
            "states of limits) is made again"
        )


@runtime_checkable
class KeyValueStore(Protocol):
    """Keys and opaque values, shared by clients in one process, on one machine, or on many.

    A value ends when it was not replaced for ``keep_seconds`` of its last update. A store may lose all its values, as
    Redis does when it is restarted. Every method raises :class:`~octoffm_async.StoreError` if the store
    cannot be used now. A cancelled or failed ``update`` may or may not have been applied.
    """

    async def __aenter__(self) -> Self:
        """Register one more user of the store, on the running event loop."""
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unregister a user; the last one closes the connections."""
        ...

    async def read(self, keys: Sequence[str]) -> tuple[StoredValues, int]:
        """Return the values, and the store's time in microseconds since 1970."""
        ...

    async def update(self, keys: Sequence[str], change: ValueChange, *, keep_seconds: float) -> None:
        """Replace the values atomically by ``change(values, time)``; ``None`` deletes a value.

        The keys differ. ``change`` is pure and may be run several times: its last run is the one that is applied. A
        value that it returns unchanged, as the same object, is left as it is, its end included.
        """
        ...


class Backoff:
    """The waits of one update of ``store`` that compares and swaps, after each attempt that lost: random, growing."""

    __slots__ = ("_clock", "_give_up_at", "_longest", "_store")

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._clock = asyncio.get_running_loop().time
        self._give_up_at, self._longest = self._clock() + GIVE_UP_AFTER, 0.001

    async def wait(self) -> None:
        """Wait before another attempt.

        Raises:
            StoreError: the update has lost against others, or found its values locked, for too long.
        """
        if self._clock() > self._give_up_at:
            raise StoreError(
                f"{self._store!r}: an update lost against others, or met a lock, for {GIVE_UP_AFTER:g} s", away=True
            )
        await asyncio.sleep(random.uniform(0, self._longest))
        self._longest = min(2 * self._longest, LONGEST_WAIT)


class MemoryStore:
    """StoredValues in this process's memory, for clients of one process, and for tests. ``clock`` returns seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._values: dict[str, tuple[bytes, int]] = {}
        self._sweep_from = 1024

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def read(self, keys: Sequence[str]) -> tuple[StoredValues, int]:
        """Return the values, and the time in microseconds."""
        now = int(self._clock() * 1e6)
        return [self._value(key, now) for key in keys], now

    async def update(self, keys: Sequence[str], change: ValueChange, *, keep_seconds: float) -> None:
        """Replace the values by ``change(values, time)``; ``None`` deletes a value."""
        now = int(self._clock() * 1e6)
        until = now + int(keep_seconds * 1e6)
        values = [self._value(key, now) for key in keys]
        for key, old, value in zip(keys, values, change(list(values), now), strict=True):
            if value is None:
                self._values.pop(key, None)
            elif value is not old:
                self._values[key] = value, until
        if len(self._values) > self._sweep_from:
            self._values = {key: kept for key, kept in self._values.items() if kept[1] > now}
            self._sweep_from = max(1024, 2 * len(self._values))

    def _value(self, key: str, now: int) -> bytes | None:
        value, until = self._values.get(key, (None, 0))
        return value if until > now else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
