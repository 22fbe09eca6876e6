"""Items that were sent together: one row of the file for all of them, until the last one is settled.

Most items are settled soon after they were sent. A row of their own is written then, once, and the batch's row goes
with the last of them. So a batch's row may name items that have a row of their own: that one holds.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from .protocol import Sending
from .rows import Row
from .states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Batch", "Unsettled", "packed", "stored", "text", "unpacked"]

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[tuple[bytes, bytes, bytes]])


def stored(text: str) -> bytes:
    """Text as it is stored: any that a program can hold, half a surrogate pair too."""
    return text.encode("utf-8", "surrogatepass")


def text(value: bytes) -> str:
    """Stored text."""
    return value.decode("utf-8", "surrogatepass")


class Batch:
    """Items that one run sent together. ``left`` are the hashes of those that are not settled, by key."""

    __slots__ = ("_parts", "_payloads", "api_at", "left", "number", "run_id", "scope", "sent_at")

    def __init__(self, number: int, scope: int, run_id: int, sent_at: int, api_at: int | None = None) -> None:
        self.number = number
        self.scope = scope
        self.run_id = run_id
        self.sent_at = sent_at
        self.api_at = api_at
        self.left: dict[str, bytes] = {}
        self._parts: list[bytes] = []
        self._payloads: dict[str, bytes] | None = None

    def add(self, hashes: Mapping[str, bytes], content: bytes) -> None:
        """Take in items; ``content`` is packed and may have others too, if those have a row of their own."""
        self.left.update(hashes)
        self._parts.append(content)
        self._payloads = None

    def row(self, key: str) -> Row:
        """An item that is left as a row of its own."""
        return Row(State.SENT, self.run_id, self.left[key], self.sent_at, self.sent_at, api_at=self.api_at)

    def payload(self, key: str) -> bytes:
        """The payload of one of its items."""
        if self._payloads is None:
            self._payloads = {item.key: item.payload for item in unpacked(self.content())}
        return self._payloads[key]

    def content(self) -> bytes:
        """What its row holds."""
        if len(self._parts) > 1:
            self._parts = [repacked(self._parts)]
        return self._parts[0]


def packed(items: Iterable[Sending]) -> bytes:
    """Items as a batch's row holds them: of each its stored key, hash and payload."""
    return _ENCODER.encode(
        [(item.key.encode("utf-8", "surrogatepass"), item.payload_hash, item.payload) for item in items]
    )


def repacked(contents: Iterable[bytes]) -> bytes:
    """The items of many, in one."""
    return _ENCODER.encode([item for content in contents for item in _DECODER.decode(content)])


def unpacked(content: bytes) -> list[Sending]:
    """The items of a batch's row.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: it holds something else.
    """
    return [Sending(text(name), payload_hash, payload) for name, payload_hash, payload in _DECODER.decode(content)]


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

    def begin(self, scope: int, run_id: int, sent_at: int, api_at: int | None = None) -> Batch:
        """A new batch without items."""
        batch = Batch(self._last + 1, scope, run_id, sent_at, api_at)
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
