"""The effects of commands on the items that they touch, computed in memory before they are written."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from ..states import HASH_SIZE, KEEPS_PAYLOAD, UNDECIDED, IllegalTransitionError, State, absences_after, check
from .batches import unpacked
from .row_cache import EntryRow

if TYPE_CHECKING:
    from ..base import OutgoingItem
    from ..commands import MarkSent, RecordCreated, RecordOutcome
    from .batches import Batch, UnsettledBatches
    from .row_cache import ItemKey, RowCache

__all__ = ["CODES", "STATES", "CreatedItem", "Transaction"]

logger: logging.Logger = logging.getLogger("octoffm_async")

STATES = (State.PENDING, State.SENT, State.CREATED, State.REFUSED, State.FAILED, State.UNKNOWN)
"""States by the number that represents each in the file."""

CODES = {state: code for code, state in enumerate(STATES)}

_BATCH_MOST = 256

CreatedItem: TypeAlias = tuple[str, bytes, str | None]
"""Key, hash and remote id of a created item."""


def earlier(one: int | None, other: int | None) -> int | None:
    """Return the earlier of two times; ``None`` is an unknown time."""
    return other if one is None else one if other is None else min(one, other)


class Transaction:
    """Pending changes of one transaction.

    ``rows`` is the cache of rows, ``unsettled`` the items in this writer's batches. An item is in a batch, or has a
    row, or does not exist; an item in another writer's batch is like a row that this writer does not hold.
    """

    def __init__(self, rows: RowCache, unsettled: UnsettledBatches) -> None:
        self.now = 0
        self.writer = 0
        self.is_dead = False
        """True once another process has taken over: what this one still reports of an item is ignored."""
        self._rows = rows
        self._batches = unsettled
        self._unsettled = unsettled.keys
        self.clear()

    def clear(self) -> None:
        """Clear all changes after they were written."""
        self.begun: list[Batch] = []
        """New batches."""
        self.created: defaultdict[Batch, list[CreatedItem]] = defaultdict(list)
        """Created items of batches."""
        self.touched: set[Batch] = set()
        """Batches from which other items were removed."""
        self.dirty: dict[ItemKey, EntryRow] = {}
        self.payloads: dict[ItemKey, bytes | None] = {}
        """Payloads to store; ``None`` for one to delete."""
        self.counts: dict[int, dict[State, int]] = {}
        """Changes of the number of items in each state, by run."""

    def send(self, command: MarkSent) -> None:
        """Mark all items of a command as sent, or none.

        Raises:
            IllegalTransitionError: one of them may not be sent.
        """
        scope, run_id, new = command.scope, command.run_id, command.hashes
        unsettled = self._unsettled[scope]
        if not unsettled.keys().isdisjoint(new):
            raise IllegalTransitionError(next(key for key in new if key in unsettled), State.SENT, State.SENT)
        if known := self._rows.some(scope, new):
            for key, row in known.items():
                check(row.state, State.SENT, key=key)
                same = row.payload_hash[:HASH_SIZE] == new[key][:HASH_SIZE]
                if (row.state is State.REFUSED and same) or (row.state is State.UNKNOWN and row.holder != self.writer):
                    raise IllegalTransitionError(key, row.state, State.SENT)
            for item in unpacked(command.packed):
                if item.key in known:
                    self._resend(command, item, known[item.key])
            new = {key: payload_hash for key, payload_hash in new.items() if key not in known}
        if new:
            batch = self._batch(command, room=len(new))
            batch.add(new, command.packed)
            unsettled |= dict.fromkeys(new, batch)
            self._rows.absent[scope].difference_update(new)
            self.count(run_id, State.SENT, len(new))

    def settle(self, command: RecordOutcome) -> None:
        """Apply the outcome of an item.

        Raises:
            IllegalTransitionError: its state does not allow that outcome.
        """
        scope, _, key, state, remote_id, code, message = command
        unsettled = self._unsettled[scope]
        batch = unsettled.get(key)
        if batch is None:
            self._settle_row(command)
            return
        if state is State.SENT:
            raise IllegalTransitionError(key, state, state)
        before = batch.row(key)
        payload_hash = self._taken_out(batch, key)
        absences = absences_after(0, State.SENT, state, code)
        after = EntryRow(state, batch.run_id, payload_hash, batch.sent_at, self.now, remote_id, code, message)
        holder = self.writer if state is State.UNKNOWN else None
        after = after._replace(api_at=batch.api_at, absences=absences, holder=holder)
        self._put((scope, key), before, after)
        if state in KEEPS_PAYLOAD:
            self.payloads[scope, key] = batch.payload(key)

    def settle_created(self, command: RecordCreated) -> list[RecordOutcome]:
        """Apply the creation of items; return commands for those that are in no batch."""
        scope = command.scope
        others: list[RecordOutcome] = []
        unsettled = self._unsettled[scope]
        for key, remote_id in zip(command.keys, command.remote_ids, strict=True):
            batch = unsettled.pop(key, None)
            if batch is None:
                others.append((scope, command.run_id, key, State.CREATED, remote_id, "", ""))
            else:
                self.created[batch].append((key, batch.unsettled_items.pop(key), remote_id))
        return others

    def doubt(self, scope: int, key: str, remote_id: str, message: str) -> bool:
        """Reset a created item to unknown if it has exactly this id, and drop its request; return True if it had."""
        item_key = (scope, key)
        row = self._rows.get(item_key)
        if row is None or row.state is not State.CREATED or row.remote_id != remote_id:
            return False
        after = row._replace(state=State.UNKNOWN, changed_at=self.now, message=message, holder=None, left_by=None)
        self._put(item_key, row, after)
        self.payloads[item_key] = b""
        return True

    def follow(self, scope: int, key: str, status: str) -> None:
        """Apply the status that status tracking saw; a key without an entry is ignored."""
        row = self._parted(scope, key)
        if row is not None and row.followed != status:
            self._change((scope, key), row._replace(followed=status))

    def release(self, scope: int, key: str) -> None:
        """Release an undecided item that this writer holds: others may take it over."""
        row = self._parted(scope, key)
        if row is not None and row.state in UNDECIDED and row.holder == self.writer:
            left_by = self.now if row.left_by is None else row.left_by
            self._change((scope, key), row._replace(holder=None, left_by=left_by))

    def part(self, batch: Batch, key: str) -> None:
        """Move an item from its batch to a row of its own, unchanged."""
        item_key = (batch.scope, key)
        self._change(item_key, batch.row(key))
        self.payloads[item_key] = batch.payload(key)
        self._taken_out(batch, key)

    def count(self, run_id: int, state: State, more: int) -> None:
        """Add ``more`` to a run's number of items in a state."""
        counts = self.counts.get(run_id)
        if counts is None:
            counts = self.counts[run_id] = {}
        counts[state] = counts.get(state, 0) + more

    def _settle_row(self, command: RecordOutcome) -> None:
        scope, _, key, state, remote_id, code, message = command
        item_key = (scope, key)
        row = self._rows.get(item_key)
        if row is None or state is State.SENT:
            raise IllegalTransitionError(key, None if row is None else row.state, state)
        if not self._may_settle(key, row, state, remote_id):
            return
        is_ours = row.holder == self.writer
        holder = row.holder if row.state in UNDECIDED and not is_ours else None
        after = row._replace(
            state=state,
            # A new reason for being unknown does not change the time since when it is unknown.
            changed_at=row.changed_at if row.state is state is State.UNKNOWN else self.now,
            remote_id=row.remote_id if remote_id is None else remote_id,
            code=code,
            message=message,
            absences=absences_after(row.absences, row.state, state, code),
            holder=self.writer if is_ours and state is State.UNKNOWN else holder,
            left_by=None,
        )
        self._put(item_key, row, after)
        if state not in KEEPS_PAYLOAD and row.state in KEEPS_PAYLOAD:
            self.payloads[item_key] = None

    def _may_settle(self, key: str, row: EntryRow, state: State, remote_id: str | None) -> bool:
        """Return True if an outcome is to be recorded, False if it comes too late and says nothing new.

        Raises:
            IllegalTransitionError: the item's state does not allow that outcome.
        """
        was, is_ours = row.state, row.holder == self.writer
        if was in UNDECIDED:
            if is_ours:
                check(was, state, key=key)
            return is_ours or state is State.CREATED
        if state is was is State.CREATED and remote_id not in (None, row.remote_id):
            logger.error("DUPLICATE: reference %r exists twice remotely: %s and %s", key, row.remote_id, remote_id)
        if was is State.CREATED and state is State.REFUSED:
            return True
        if not self.is_dead and not is_ours:
            raise IllegalTransitionError(key, was, state)
        return was is not State.CREATED and state is State.CREATED

    def _batch(self, command: MarkSent, *, room: int) -> Batch:
        """Return the batch for items that a run sends in this transaction."""
        sent_at = self.now if command.first_at is None else command.first_at
        for batch in self.begun:
            same = (batch.scope, batch.run_id, batch.sent_at) == (command.scope, command.run_id, sent_at)
            if same and len(batch.unsettled_items) + room <= _BATCH_MOST:
                batch.api_at = earlier(batch.api_at, command.api_at)
                return batch
        batch = self._batches.begin(self.writer, command.scope, command.run_id, sent_at, command.api_at)
        self.begun.append(batch)
        return batch

    def _resend(self, command: MarkSent, item: OutgoingItem, row: EntryRow) -> None:
        """Mark an item that already has a row as sent."""
        item_key = command.scope, item.key
        first, api_at = self.now, command.api_at
        if row.state is State.UNKNOWN:
            first, api_at = row.sent_at, earlier(row.api_at, command.api_at)
        if command.first_at is not None:
            first = min(first, command.first_at)
        after = EntryRow(
            State.SENT,
            command.run_id,
            item.payload_hash,
            first,
            self.now,
            api_at=api_at,
            absences=row.absences,
            holder=self.writer,
        )
        self._put(item_key, row, after)
        self.payloads[item_key] = item.payload

    def _taken_out(self, batch: Batch, key: str) -> bytes:
        """Remove an item from its batch; return its hash."""
        del self._unsettled[batch.scope][key]
        self.touched.add(batch)
        return batch.unsettled_items.pop(key)

    def _parted(self, scope: int, key: str) -> EntryRow | None:
        """Return an item's row, which it gets now if it is in a batch."""
        if (batch := self._unsettled[scope].get(key)) is not None:
            self.part(batch, key)
        return self._rows.get((scope, key))

    def _change(self, item_key: ItemKey, row: EntryRow) -> None:
        self._rows.put(item_key, row)
        self.dirty[item_key] = row

    def _put(self, item_key: ItemKey, before: EntryRow | None, after: EntryRow) -> None:
        self._change(item_key, after)
        if before is not None:
            self.count(before.run_id, before.state, -1)
        self.count(after.run_id, after.state, 1)
