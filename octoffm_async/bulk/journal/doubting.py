"""Created items whose ids are doubted: read, and put back to unknown. Used by the journal's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .batches import stored, text
from .sheet import CODES
from .states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .store import Store

__all__ = ["IDS_MOST", "doubt", "holders", "ids"]

IDS_MOST = 16
"""Created items at each end of the order of keys whose ids tell how the account's ids look."""
_LOOKED_AT = 8 * IDS_MOST
"""Entries at each end among which those are: a journal may have a million that were refused."""
_IDS = f"""
    SELECT key, remote_id FROM (
        SELECT key, state, remote_id FROM entries WHERE scope_id = ? ORDER BY key {{order}} LIMIT {_LOOKED_AT})
    WHERE state = {CODES[State.CREATED]} AND remote_id IS NOT NULL LIMIT {IDS_MOST}"""  # noqa: S608


def ids(store: Store, scope: int) -> dict[str, str]:
    """Ids of some created items, by key: of those with the first and with the last keys."""
    found = [
        row
        for order in ("ASC", "DESC")
        for row in store.connection.execute(_IDS.format(order=order), (scope,)).fetchall()
    ]
    return {text(key): text(remote_id) for key, remote_id in found}


def holders(store: Store, scope: int, remote_ids: Sequence[str]) -> dict[str, list[str]]:
    """The keys of the created items that have these ids, by id."""
    found: dict[str, list[str]] = {}
    for remote_id, key in store.tables.holders(scope, [stored(remote_id) for remote_id in remote_ids]):
        found.setdefault(text(remote_id), []).append(text(key))
    return found


def doubt(store: Store, scope: int, told: Mapping[str, str], message: str) -> list[str]:
    """Make unknown what is created with the very id that its key was told; the keys of those."""
    store.rows.load(scope, list(told))
    return [key for key, remote_id in told.items() if store.sheet.doubt(scope, key, remote_id, message)]
