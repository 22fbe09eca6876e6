"""The items of an open journal as readers see them: those with a row of their own and those in batches alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .batches import stored
from .states import State

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .batches import Batch
    from .sheet import Row
    from .states import Entry
    from .store import Store

__all__ = ["after", "payloads", "undecided"]


def after(
    store: Store, scope: int, run_id: int, states: Collection[State], key: str | None, most: int
) -> list[Entry]:
    """Up to ``most`` items of a run behind ``key`` in the order of keys; ``None`` is before all."""
    start = None if key is None else stored(key)
    rows = store.tables.after(scope, run_id, states, start, most)
    if State.SENT in states:
        some = {key: batch for key, batch in store.unsettled.keys[scope].items() if batch.run_id == run_id}
        waiting = [(key, row) for key, row in _rows(some) if start is None or stored(key) > start]
        rows = sorted(rows + waiting, key=_place)[:most]
    return [store.entry(key, row) for key, row in rows]


def undecided(store: Store, scope: int) -> list[Entry]:
    """The items of a scope that must be reconciled, by key."""
    rows = store.tables.undecided(scope) + _rows(store.unsettled.keys[scope])
    return [store.entry(key, row) for key, row in sorted(rows, key=_place)]


def payloads(store: Store, scope: int, keys: Sequence[str]) -> dict[str, bytes]:
    """The requests of those of the keys that have one."""
    unsettled = store.unsettled.keys[scope]
    waiting = {key: unsettled[key].left[key][2] for key in keys if key in unsettled}
    return waiting | store.tables.payloads(scope, [key for key in keys if key not in waiting])


def _rows(unsettled: dict[str, Batch]) -> list[tuple[str, Row]]:
    return [(key, batch.row(key)) for key, batch in unsettled.items()]


def _place(found: tuple[str, Row]) -> bytes:
    return stored(found[0])
