"""What is known of rows: each is read once, and what is in a batch is never taken for absent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from octoffm_async.journal import OutgoingItem, State
from octoffm_async.journal.sqlite.batches import Batch, packed, unpacked
from octoffm_async.journal.sqlite.row_cache import EntryRow, RowCache

PENDING = EntryRow(State.PENDING, 1, b"h", 1, 1)
CREATED = EntryRow(State.CREATED, 1, b"h", 1, 2)


class File:
    """Rows as they are written, and what was read of them."""

    def __init__(self, **rows: EntryRow) -> None:
        self.rows = rows
        self.asked: list[list[str]] = []

    def __call__(self, scope: int, keys: Sequence[str]) -> dict[str, EntryRow]:
        assert scope == 1
        self.asked.append(list(keys))
        return {key: self.rows[key] for key in keys if key in self.rows}


def test_each_row_is_read_once_whether_it_is_there_or_not() -> None:
    file = File(a=PENDING)
    rows = RowCache(defaultdict(dict), file)
    rows.load(1, ["a", "b", "b"])
    assert rows.some(1, ["b", "a", "c"]) == {"a": PENDING}
    assert rows.get((1, "a")) == PENDING
    assert rows.get((1, "b")) is None
    assert rows.some(1, ["b", "c"]) == {}
    assert file.asked == [["a", "b"], ["c"]]
    rows.clear()
    assert rows.get((1, "a")) == PENDING
    assert file.asked[2:] == [["a"]]


def test_what_was_put_is_known_and_no_longer_absent() -> None:
    file = File()
    rows = RowCache(defaultdict(dict), file)
    rows.load(1, ["a"])
    rows.put((1, "a"), PENDING)
    rows.put((1, "a"), CREATED)
    assert rows.some(1, ["a"]) == {"a": CREATED}
    assert file.asked == [["a"]]


def test_what_is_in_a_batch_is_not_read_and_not_absent() -> None:
    file = File()
    batch = Batch(1, 1, 1, 1)
    batch.add({"a": b"h"}, packed([OutgoingItem("a", b"h", b"p")]))
    unsettled: defaultdict[int, dict[str, Batch]] = defaultdict(dict, {1: {"a": batch}})
    rows = RowCache(unsettled, file)
    assert rows.get((1, "a")) is None
    assert not file.asked
    del unsettled[1]["a"]
    file.rows["a"] = CREATED
    assert rows.get((1, "a")) == CREATED


def test_a_batch_that_grows_knows_the_payloads_of_all() -> None:
    batch = Batch(1, 1, 1, 1)
    batch.add({"a": b"1"}, packed([OutgoingItem("a", b"1", b"one")]))
    assert batch.payload("a") == b"one"
    batch.add({"b": b"2"}, packed([OutgoingItem("b", b"2", b"two")]))
    assert (batch.payload("a"), batch.payload("b")) == (b"one", b"two")
    assert unpacked(batch.content()) == [OutgoingItem("a", b"1", b"one"), OutgoingItem("b", b"2", b"two")]


def test_what_is_known_is_bounded() -> None:
    file = File()
    rows = RowCache(defaultdict(dict), file)
    rows.load(1, ["a"])
    rows.trim()
    rows.load(1, ["a"])
    assert len(file.asked) == 1
    rows.load(1, [str(number) for number in range(10_000)])
    rows.trim()
    rows.load(1, ["a"])
    assert file.asked[2:] == [["a"]]
