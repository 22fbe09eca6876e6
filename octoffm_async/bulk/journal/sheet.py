"""What a batch of steps does to the rows it touches, worked out in memory: pure but for the rows it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .states import KEEPS_PAYLOAD, IllegalTransitionError, State, check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Sending

__all__ = ["CODES", "STATES", "Row", "Sheet", "Spot"]

STATES = (State.PENDING, State.SENT, State.CREATED, State.REFUSED, State.FAILED, State.UNKNOWN)
"""By the number that stands for each in the file."""

CODES = {state: code for code, state in enumerate(STATES)}

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


class Sheet:
    """The rows that a batch knows, and what of them must be written."""

    def __init__(self, known: dict[Spot, Row | None], now: int) -> None:
        self.known = known
        """Every row that a step is about to touch must be here, ``None`` for one that is not there."""
        self.now = now
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
        keys = {item.key for item in items}
        for item in items:
            row = self.known[scope, item.key]
            before = row.state if row is not None else None
            check(before, State.SENT, key=item.key)
            if (row is not None and before is State.REFUSED and row.payload_hash == item.payload_hash) or (
                item.key not in keys
            ):
                raise IllegalTransitionError(item.key, before, State.SENT)
            keys.discard(item.key)
        for key, payload_hash, payload in items:
            spot = (scope, key)
            row = self.known[spot]
            first = row.sent_at if row is not None and row.state is State.UNKNOWN else self.now
            self._put(spot, row, Row(State.SENT, run_id, payload_hash, first, self.now))
            self.payloads[spot] = payload

    def settle(
        self, spot: Spot, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        """Write what became of an item.

        Raises:
            IllegalTransitionError: it cannot have become that.
        """
        key = spot[1]
        row = self.known[spot]
        check(None if row is None else row.state, state, key=key)
        if row is None or state is State.SENT:
            raise IllegalTransitionError(key, None if row is None else row.state, state)
        after = Row(
            state,
            row.run_id,
            row.payload_hash,
            row.sent_at,
            self.now,
            row.remote_id if remote_id is None else remote_id,
            code,
            message,
            row.followed,
        )
        self._put(spot, row, after)
        if state not in KEEPS_PAYLOAD and row.state in KEEPS_PAYLOAD:
            self.payloads[spot] = None

    def follow(self, scope: int, key: str, status: str) -> None:
        """Note the status that following saw; a key that is not there is left alone."""
        spot = (scope, key)
        row = self.known[spot]
        if row is not None and row.followed != status:
            self.known[spot] = self.dirty[spot] = row._replace(followed=status)

    def _put(self, spot: Spot, before: Row | None, after: Row) -> None:
        self.known[spot] = self.dirty[spot] = after
        if before is not None:
            counts = self.counts.setdefault(before.run_id, {})
            counts[before.state] = counts.get(before.state, 0) - 1
        counts = self.counts.setdefault(after.run_id, {})
        counts[after.state] = counts.get(after.state, 0) + 1
