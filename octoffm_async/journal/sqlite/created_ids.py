"""Created items whose ids are doubted: reading them and resetting them to unknown, in the journal's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..states import State
from .batches import stored, text
from .transaction import CODES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .engine import Store

__all__ = ["IDS_MOST", "doubt", "ids", "keys_of_ids"]

IDS_MOST = 16
"""Number of created items, at each end of the key order, whose ids serve as samples of the account's ids."""
_LOOKED_AT = 8 * IDS_MOST
"""Number of entries read at each end to find those items: a journal may hold a million refused items."""
_IDS = f"""
    SELECT key, remote_id FROM (
        SELECT key, state, remote_id FROM entries WHERE scope_id = ? ORDER BY key {{order}} LIMIT {_LOOKED_AT})
    WHERE state = {CODES[State.CREATED]} AND remote_id IS NOT NULL LIMIT {IDS_MOST}"""  # noqa: S608


def ids(store: Store, scope: int) -> dict[str, str]:
    """Return ids of some created items, by key: of the items with the first and with the last keys."""
    found = [
        row
        for order in ("ASC", "DESC")
        for row in store.connection.execute(_IDS.format(order=order), (scope,)).fetchall()
    ]
    return {text(key): text(remote_id) for key, remote_id in found}


def keys_of_ids(store: Store, scope: int, remote_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the keys of the created items that have these ids, by id."""
    found: dict[str, list[str]] = {}
    for remote_id, key in store.tables.keys_of_ids(scope, [stored(remote_id) for remote_id in remote_ids]):
        found.setdefault(text(remote_id), []).append(text(key))
    return found


def doubt(store: Store, scope: int, id_by_key: Mapping[str, str], message: str) -> list[str]:
    """Reset to unknown each key that is created with exactly its id in ``id_by_key``; return those."""
    store.rows.load(scope, list(id_by_key))
    return [key for key, remote_id in id_by_key.items() if store.transaction.doubt(scope, key, remote_id, message)]
