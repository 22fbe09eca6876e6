"""Items that were sent together: one row of the file for all of them, until the last one is settled.

Most items are settled soon after they were sent. A row of their own is written then, once, and the batch's row goes
with the last of them. So a batch's row may name items that have a row of their own: that one holds.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from .rows import Row
from .states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Batch", "Packed", "Unsettled", "stored", "text", "unpacked"]

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[tuple[bytes, bytes, bytes]])

Packed: TypeAlias = tuple[bytes, bytes, bytes]
"""An item of a batch: its stored key, hash and payload."""


def stored(text: str) -> bytes:
    """Text as it is stored: any that a program can hold, half a surrogate pair too."""
    return text.encode("utf-8", "surrogatepass")


def text(value: bytes) -> str:
    """Stored text."""
    return value.decode("utf-8", "surrogatepass")


class Batch:
    """Items that one run sent together. ``left`` are those that are not settled, by key."""

    __slots__ = ("left", "number", "run_id", "scope", "sent_at")

    def __init__(self, number: int, scope: int, run_id: int, sent_at: int, left: dict[str, Packed]) -> None:
        self.number = number
        self.scope = scope
        self.run_id = run_id
        self.sent_at = sent_at
        self.left = left

    def row(self, key: str) -> Row:
        """An item that is left as a row of its own."""
        return Row(State.SENT, self.run_id, self.left[key][1], self.sent_at, self.sent_at)

    def packed(self) -> bytes:
        """What is left, as the batch's row holds it."""
        return _ENCODER.encode(list(self.left.values()))


def unpacked(content: bytes) -> dict[str, Packed]:
    """The items of a batch's row, by key.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: it holds something else.
    """
    return {text(item[0]): item for item in _DECODER.decode(content)}


class Unsettled:
    """All batches that have items left."""

    def __init__(self, batches: Iterable[Batch] = ()) -> None:
        self.batches: dict[int, Batch] = {}
        """By number; the oldest first."""
        self._last = 0
        self.keys: defaultdict[int, dict[str, Batch]] = defaultdict(dict)
        """By scope: in which batch each item is that is not settled."""
        for batch in batches:
            self._put(batch)

    def __len__(self) -> int:
        return sum(map(len, self.keys.values()))

    def begin(self, scope: int, run_id: int, sent_at: int) -> Batch:
        """A new batch without items."""
        batch = Batch(self._last + 1, scope, run_id, sent_at, {})
        self._put(batch)
        return batch

    def remove(self, batch: Batch) -> None:
        """Let a batch and its items go."""
        del self.batches[batch.number]
        keys = self.keys[batch.scope]
        for key in batch.left:
            del keys[key]

    def _put(self, batch: Batch) -> None:
        self._last = max(self._last, batch.number)
        self.batches[batch.number] = batch
        self.keys[batch.scope].update(dict.fromkeys(batch.left, batch))
