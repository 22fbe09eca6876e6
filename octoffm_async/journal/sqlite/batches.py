"""Batches of items that were sent together: one row of the file for all of them until the last one is settled.

Most items are settled soon after they were sent. The journal then writes a row for each of them, once, and deletes the
batch's row with the last of them. A batch's row may therefore name items that also have a row of their own; the item's
own row takes precedence.

Only its own writer settles items of a batch in place. Any other writer first moves all its items to rows, and deletes
the batch: therefore the batch's own writer knows what is left of a batch from the existence of its row alone. A batch's
number contains the number of its writer, so that no two batches ever have the same.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from ..base import OutgoingItem
from ..states import State
from .row_cache import EntryRow

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

__all__ = ["Batch", "UnsettledBatches", "packed", "stored", "text", "unpacked"]

_WRITER_BITS = 32
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[tuple[bytes, bytes, bytes]])


def stored(text: str) -> bytes:
    """Encode text for storage: any text that a program can hold, lone surrogates too."""
    return text.encode("utf-8", "surrogatepass")


def text(value: bytes) -> str:
    """Decode stored text."""
    return value.decode("utf-8", "surrogatepass")


class Batch:
    """A batch of items that one run sent together.

    ``unsettled_items`` maps the keys of the unsettled items to their hashes.
    """

    __slots__ = ("_parts", "_payloads", "api_at", "number", "run_id", "scope", "sent_at", "unsettled_items")

    def __init__(self, number: int, scope: int, run_id: int, sent_at: int, api_at: int | None = None) -> None:
        self.number: int = number
        self.scope: int = scope
        self.run_id: int = run_id
        self.sent_at: int = sent_at
        self.api_at: int | None = api_at
        self.unsettled_items: dict[str, bytes] = {}
        self._parts: list[bytes] = []
        self._payloads: dict[str, bytes] | None = None

    @property
    def writer(self) -> int:
        """The number of the writer that sent the items; 0 in a file of an older version."""
        return self.number >> _WRITER_BITS

    def add(self, hashes: Mapping[str, bytes], content: bytes) -> None:
        """Add items; the packed ``content`` may also hold items that have a row of their own."""
        self.unsettled_items.update(hashes)
        self._parts.append(content)
        self._payloads = None

    def row(self, key: str) -> EntryRow:
        """Return an unsettled item as a row of its own."""
        return EntryRow(
            State.SENT,
            self.run_id,
            self.unsettled_items[key],
            self.sent_at,
            self.sent_at,
            api_at=self.api_at,
            holder=self.writer,
        )

    def payload(self, key: str) -> bytes:
        """Return the payload of one of the batch's items."""
        if self._payloads is None:
            self._payloads = {item.key: item.payload for item in unpacked(self.content())}
        return self._payloads[key]

    def content(self) -> bytes:
        """Return the packed content of the batch's row."""
        if len(self._parts) > 1:
            self._parts = [repacked(self._parts)]
        return self._parts[0]


def packed(items: Iterable[OutgoingItem]) -> bytes:
    """Pack items for a batch's row: the stored key, the hash and the payload of each."""
    return _ENCODER.encode(
        [(item.key.encode("utf-8", "surrogatepass"), item.payload_hash, item.payload) for item in items]
    )


def repacked(contents: Iterable[bytes]) -> bytes:
    """Pack the items of many packed contents into one."""
    return _ENCODER.encode([item for content in contents for item in _DECODER.decode(content)])


def unpacked(content: bytes) -> list[OutgoingItem]:
    """Return the items of a batch's row.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: the content is not a batch.
    """
    return [OutgoingItem(text(name), payload_hash, payload) for name, payload_hash, payload in _DECODER.decode(content)]


class UnsettledBatches:
    """Collection of the batches of one writer that have unsettled items, or of all other writers."""

    def __init__(self) -> None:
        self.batches: dict[int, Batch] = {}
        """Batches by number, the oldest of a writer first."""
        self.keys: defaultdict[int, dict[str, Batch]] = defaultdict(dict)
        """The batch of each unsettled item, by scope and key."""
        self._last = 0

    def __len__(self) -> int:
        return sum(map(len, self.keys.values()))

    def begin(self, writer: int, scope: int, run_id: int, sent_at: int, api_at: int | None = None) -> Batch:
        """Add and return a new batch without items."""
        self._last += 1
        batch = Batch((writer << _WRITER_BITS) + self._last, scope, run_id, sent_at, api_at)
        self.put(batch)
        return batch

    def remove(self, batch: Batch) -> None:
        """Remove a batch and its items."""
        del self.batches[batch.number]
        keys = self.keys[batch.scope]
        for key in batch.unsettled_items:
            if keys.get(key) is batch:
                del keys[key]

    def put(self, batch: Batch) -> None:
        """Add a batch with its items."""
        self.batches[batch.number] = batch
        self.keys[batch.scope].update(dict.fromkeys(batch.unsettled_items, batch))

    def retain(self, numbers: Container[int]) -> None:
        """Remove the batches that are not among these."""
        for batch in [batch for number, batch in self.batches.items() if number not in numbers]:
            self.remove(batch)
