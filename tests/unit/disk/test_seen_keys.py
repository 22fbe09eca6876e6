"""Keys that came before: the same answers as a set, in memory and on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.disk.disk_index import KEYS_IN_MEMORY
from octoffm_async.disk.seen_keys import SeenKeys

KEYS = st.lists(
    st.text(max_size=4) | st.sampled_from(["", "a", "A", "a ", "é", "e\u0301", "\0", "a\0b", "a\0c", "1", "1.0"])
)


@given(keys=KEYS, in_memory=st.integers(0, 6))
def test_the_answers_are_those_of_a_set_on_both_sides_of_the_spill(keys: list[str], in_memory: int) -> None:
    seen, model = SeenKeys(in_memory=in_memory), set[str]()
    for key in [*keys, *keys]:
        assert seen.add(key) is (key not in model)
        model.add(key)
    seen.close()


def test_keys_stay_in_memory_up_to_the_bound_and_leave_it_beyond() -> None:
    seen = SeenKeys(in_memory=3)
    assert all(seen.add(key) for key in "abc")
    assert seen._database is None
    assert seen.add("d")
    assert seen._database is not None
    assert not seen._recent
    assert [seen.add(key) for key in "abcde"] == [False] * 4 + [True]
    seen.close()
    assert seen._database is None


def test_a_long_input_is_told_apart_exactly() -> None:
    seen = SeenKeys()
    assert all(seen.add(f"reference-{number}") for number in range(KEYS_IN_MEMORY * 2))
    assert not any(seen.add(f"reference-{number}") for number in range(KEYS_IN_MEMORY * 2))
    assert seen.add("reference")
    seen.close()


@pytest.mark.parametrize("in_memory", [0, 2, 10])
def test_a_key_keeps_the_fingerprint_that_it_came_with_first(in_memory: int) -> None:
    seen = SeenKeys(in_memory=in_memory)
    for key in "abc":
        seen.add(key, key.encode() * 3)
    seen.add("a", b"other")
    assert [seen.print_of(key) for key in "abcd"] == [b"aaa", b"bbb", b"ccc", b""]
    seen.close()


@pytest.mark.parametrize("in_memory", [0, 2, 10])
def test_many_keys_are_added_if_all_are_new_and_one_is_forgotten_while_its_item_is_kept(in_memory: int) -> None:
    seen = SeenKeys(in_memory=in_memory, fingerprints=lambda items: [str(item).encode() for item in items])
    assert seen.add_items("abc", [1, 2, 3])
    assert not seen.add_items("dd", [4, 5])
    assert not seen.add_items("cd", [3, 4])
    seen.settle({"a": None, "b": b"other"})
    assert [key in seen for key in "abcd"] == [False, True, True, False]
    assert [seen.print_of(key) for key in "abc"] == [b"", b"other", b"3"]
    seen.settle({"b": None})  # it has its fingerprint
    assert [seen.print_of(key) for key in "bc"] == [b"other", b"3"]
    assert not seen.add_items("xc", [4, 5])
    assert seen.add_items("ax", [4, 5])
    seen.close()


@pytest.mark.parametrize("size", [10, 10_000, 10_000_000])
def test_items_are_held_up_to_a_size_and_keep_their_fingerprint(size: int) -> None:
    printed: list[int] = []

    def print_(items: Sequence[bytes]) -> list[bytes]:
        printed.append(len(items))
        return [item[-3:] for item in items]

    seen = SeenKeys(fingerprints=print_)
    count = min(1000, 50_000_000 // size)
    assert all(seen.add_item(str(number), b"%0*d" % (size, number)) for number in range(count))
    assert sum(map(len, cast("dict[str, bytes]", seen._items).values())) <= 1 << 21
    assert sum(printed) + len(seen._items) == count
    assert all(seen.print_of(str(number)) == b"%03d" % number for number in range(count))
    assert not any(seen.add_item(str(number), b"other") for number in range(count))
    seen.close()


def test_closing_twice_is_nothing() -> None:
    seen = SeenKeys(in_memory=0)
    seen.add("a")
    seen.close()
    seen.close()


def test_a_key_that_is_no_valid_unicode_is_told_apart_like_any_other() -> None:
    seen = SeenKeys(in_memory=0)
    try:
        assert seen.add("bad-\udcff")
        assert not seen.add("bad-\udcff")
    finally:
        seen.close()
