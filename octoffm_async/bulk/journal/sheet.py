"""What steps do to the items they touch, worked out in memory."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .states import KEEPS_PAYLOAD, IllegalTransitionError, State, check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .batches import Batch, Packed, Unsettled
    from .protocol import Sending
    from .steps import Settle

__all__ = ["CODES", "STATES", "Row", "Sheet", "Spot"]

STATES = (State.PENDING, State.SENT, State.CREATED, State.REFUSED, State.FAILED, State.UNKNOWN)
"""By the number that stands for each in the file."""

CODES = {state: code for code, state in enumerate(STATES)}

Spot: TypeAlias = tuple[int, str]
"""A scope and a key."""

_BATCH_MOST = 512


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


class Sheet:
    """What of a transaction is still to be written.

    ``known`` are rows as they are, ``None`` for one that is not there; ``read`` gives those that are not known, and
    ``unsettled`` are the items that are in batches. An item is in a batch, or has a row, or is not there.
    """

    def __init__(self, known: dict[Spot, Row | None], unsettled: Unsettled, read: Callable[[Spot], Row | None]) -> None:
        self.now = 0
        self._known = known
        self._batches = unsettled
        self._unsettled = unsettled.keys
        self._read = read
        self.clear()

    def clear(self) -> None:
        """All of it is written."""
        self.begun: list[Batch] = []
        """New batches."""
        self.created: defaultdict[Batch, list[tuple[bytes, bytes, bytes | None]]] = defaultdict(list)
        """Items of batches that were created, as stored key, hash and remote id."""
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
        new: dict[str, Sending] = {}
        again: list[tuple[Sending, Row]] = []
        for item in items:
            key = item.key
            if key in unsettled or key in new:
                raise IllegalTransitionError(key, State.SENT if key in unsettled else None, State.SENT)
            new[key] = item
            if (row := self._row((scope, key))) is not None:
                check(row.state, State.SENT, key=key)
                if row.state is State.REFUSED and row.payload_hash == item.payload_hash:
                    raise IllegalTransitionError(key, row.state, State.SENT)
                again.append((item, row))
        for item, row in again:
            del new[item.key]
            first = row.sent_at if row.state is State.UNKNOWN else self.now
            self._put((scope, item.key), row, Row(State.SENT, run_id, item.payload_hash, first, self.now))
            self.payloads[scope, item.key] = item.payload
        if new:
            batch = self._batch(scope, run_id)
            batch.left.update({key: (key.encode("utf-8", "surrogatepass"), *item[1:]) for key, item in new.items()})
            unsettled |= dict.fromkeys(new, batch)
            for key in new:
                del self._known[scope, key]
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
        if state is State.SENT:
            raise IllegalTransitionError(key, state, state)
        if state is State.CREATED and not code and not message:  # nearly always
            del unsettled[key]
            name, payload_hash, _ = batch.left.pop(key)
            identity = None if remote_id is None else remote_id.encode("utf-8", "surrogatepass")
            self.created[batch].append((name, payload_hash, identity))
            return
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
        row = self._row(spot)
        if row is not None and row.followed != status:
            self._known[spot] = self.dirty[spot] = row._replace(followed=status)

    def part(self, batch: Batch, key: str) -> None:
        """Give an item of a batch a row of its own, as it is."""
        spot = (batch.scope, key)
        self._known[spot] = self.dirty[spot] = batch.row(key)
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
        row = self._row(spot)
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

    def _taken_out(self, batch: Batch, key: str) -> Packed:
        del self._unsettled[batch.scope][key]
        self.touched.add(batch)
        return batch.left.pop(key)

    def _row(self, spot: Spot) -> Row | None:
        known = self._known
        if spot not in known:
            known[spot] = self._read(spot)
        return known[spot]

    def _put(self, spot: Spot, before: Row | None, after: Row) -> None:
        self._known[spot] = self.dirty[spot] = after
        if before is not None:
            self.count(before.run_id, before.state, -1)
        self.count(after.run_id, after.state, 1)
