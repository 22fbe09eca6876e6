"""What steps do to the items they touch, worked out in memory."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from .rows import Row
from .states import KEEPS_PAYLOAD, IllegalTransitionError, State, check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .batches import Batch, Packed, Unsettled
    from .protocol import Sending
    from .rows import Rows, Spot
    from .steps import Settle

__all__ = ["CODES", "STATES", "Sheet"]

STATES = (State.PENDING, State.SENT, State.CREATED, State.REFUSED, State.FAILED, State.UNKNOWN)
"""By the number that stands for each in the file."""

CODES = {state: code for code, state in enumerate(STATES)}

_BATCH_MOST = 512
_CREATED = State.CREATED  # a member of an enumeration is slow to find


class Sheet:
    """What of a transaction is still to be written.

    ``rows`` are the rows as they are, ``unsettled`` the items that are in batches. An item is in a batch, or has a row,
    or is not there.
    """

    def __init__(self, rows: Rows, unsettled: Unsettled) -> None:
        self.now = 0
        self._rows = rows
        self._batches = unsettled
        self._unsettled = unsettled.keys
        self.clear()

    def clear(self) -> None:
        """All of it is written."""
        self.begun: list[Batch] = []
        """New batches."""
        self.created: defaultdict[Batch, list[bytearray | None]] = defaultdict(list)
        """Items of batches that were created: stored key, hash and remote id of one after the other."""
        self.touched: set[Batch] = set()
        """Batches of which other items were taken out."""
        self.dirty: dict[Spot, Row] = {}
        self.payloads: dict[Spot, bytes | None] = {}
        """Payloads to keep, ``None`` for one to drop."""
        self.counts: dict[int, dict[State, int]] = {}
        """By run: how many more are in each state."""

    def send(self, scope: int, run_id: int, items: Sequence[Sending]) -> None:
        """Mark all as sent, or none.

        Raises:
            IllegalTransitionError: one of them may not be sent, or comes twice.
        """
        unsettled = self._unsettled[scope]
        new = {item.key: item for item in items}
        if len(new) < len(items) or not unsettled.keys().isdisjoint(new):
            raise self._twice(scope, items)
        again = self._rows.some(scope, new)
        for key, row in again.items():
            check(row.state, State.SENT, key=key)
            if row.state is State.REFUSED and row.payload_hash == new[key].payload_hash:
                raise IllegalTransitionError(key, row.state, State.SENT)
        for key, row in again.items():
            item = new.pop(key)
            first = row.sent_at if row.state is State.UNKNOWN else self.now
            self._put((scope, key), row, Row(State.SENT, run_id, item.payload_hash, first, self.now))
            self.payloads[scope, key] = item.payload
        if new:
            batch = self._batch(scope, run_id)
            batch.left |= {
                key: (key.encode("utf-8", "surrogatepass"), item.payload_hash, item.payload)
                for key, item in new.items()
            }
            unsettled |= dict.fromkeys(new, batch)
            self._rows.absent[scope].difference_update(new)
            self.count(run_id, State.SENT, len(new))

    def settle(self, step: Settle) -> None:
        """Write what became of an item.

        Raises:
            IllegalTransitionError: it cannot have become that.
        """
        scope, _, key, state, remote_id, code, message = step
        unsettled = self._unsettled[scope]
        batch = unsettled.get(key)
        if batch is None:
            self._settle_row(step)
            return
        if state is _CREATED and not code and not message:  # nearly always
            del unsettled[key]
            name, payload_hash, _ = batch.left.pop(key)
            identity = None if remote_id is None else bytearray(remote_id, "utf-8", "surrogatepass")
            self.created[batch] += (bytearray(name), bytearray(payload_hash), identity)
            return
        if state is State.SENT:
            raise IllegalTransitionError(key, state, state)
        before = batch.row(key)
        _, payload_hash, payload = self._taken_out(batch, key)
        after = Row(state, batch.run_id, payload_hash, batch.sent_at, self.now, remote_id, code, message)
        self._put((scope, key), before, after)
        if state in KEEPS_PAYLOAD:
            self.payloads[scope, key] = payload

    def follow(self, scope: int, key: str, status: str) -> None:
        """Note the status that following saw; a key that is not there is left alone."""
        spot = (scope, key)
        batch = self._unsettled[scope].get(key)
        if batch is not None:
            self.part(batch, key)
        row = self._rows.get(spot)
        if row is not None and row.followed != status:
            after = row._replace(followed=status)
            self._rows.put(spot, after)
            self.dirty[spot] = after

    def part(self, batch: Batch, key: str) -> None:
        """Give an item of a batch a row of its own, as it is."""
        spot = (batch.scope, key)
        row = batch.row(key)
        self._rows.put(spot, row)
        self.dirty[spot] = row
        self.payloads[spot] = self._taken_out(batch, key)[2]

    def count(self, run_id: int, state: State, more: int) -> None:
        """Note that a run has so many more items in a state."""
        counts = self.counts.get(run_id)
        if counts is None:
            counts = self.counts[run_id] = {}
        counts[state] = counts.get(state, 0) + more

    def _settle_row(self, step: Settle) -> None:
        scope, _, key, state, remote_id, code, message = step
        spot = (scope, key)
        row = self._rows.get(spot)
        check(None if row is None else row.state, state, key=key)
        if row is None or state is State.SENT:
            raise IllegalTransitionError(key, None if row is None else row.state, state)
        identity = row.remote_id if remote_id is None else remote_id
        after = Row(state, row.run_id, row.payload_hash, row.sent_at, self.now, identity, code, message, row.followed)
        self._put(spot, row, after)
        if state not in KEEPS_PAYLOAD and row.state in KEEPS_PAYLOAD:
            self.payloads[spot] = None

    def _batch(self, scope: int, run_id: int) -> Batch:
        """The batch that takes in what a run sends in this transaction."""
        for batch in self.begun:
            if batch.scope == scope and batch.run_id == run_id and len(batch.left) < _BATCH_MOST:
                return batch
        batch = self._batches.begin(scope, run_id, self.now)
        self.begun.append(batch)
        return batch

    def _twice(self, scope: int, items: Sequence[Sending]) -> IllegalTransitionError:
        """What to tell of items of which one is under way, or comes twice."""
        unsettled, keys = self._unsettled[scope], [item.key for item in items]
        key = next(key for key in keys if key in unsettled or keys.count(key) > 1)
        return IllegalTransitionError(key, State.SENT if key in unsettled else None, State.SENT)

    def _taken_out(self, batch: Batch, key: str) -> Packed:
        del self._unsettled[batch.scope][key]
        self.touched.add(batch)
        return batch.left.pop(key)

    def _put(self, spot: Spot, before: Row | None, after: Row) -> None:
        self._rows.put(spot, after)
        self.dirty[spot] = after
        if before is not None:
            self.count(before.run_id, before.state, -1)
        self.count(after.run_id, after.state, 1)
