"""Short hashes of the fields of a request, to name the fields in which two requests with one reference differ.

A fingerprint has four bytes for each field of a request, in the order of the struct, without the field that identifies
the request. So a run can name the fields in which a second request differs from the first although it stored neither:
the names, not the values. A journal keeps half of each hash (:func:`shortened`), beside the hash of the whole request
that decides if two requests are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import add, attrgetter
from struct import Struct as Packed
from typing import Any, NamedTuple, cast
from zlib import crc32

import msgspec

__all__ = ["differing_fields", "differing_paths", "fingerprint", "fingerprints", "shortened"]

_KEYS = frozenset({"reference", "seller_product_reference"})
_NARROW = frozenset(
    {
        "customs_code",
        "delivery_mode",
        "extra",
        "icpe_code",
        "is_traceable",
        "origin_country",
        "product_condition",
        "storage_country",
        "un_code",
    }
)
"""Fields with few values in one run: the hashes of each combination are cached."""
_MOST = 12
"""Largest number of differing paths that are listed."""
_NOT_ENCODABLE = (AttributeError, TypeError, ValueError, OverflowError, RecursionError)
_MEMBERS = (b',"lines":', b',"deliveryAddress":', b',"deliveryMode":')
"""Starts of the wide fields of a shipping order in its JSON, and of the narrow ones behind them."""
_PAIR = Packed("<2I").pack
_encode = msgspec.json.Encoder().encode


class _Layout(NamedTuple):
    """The layout of a fingerprint: its fields (those with many values first) and the functions that compute it."""

    fields: tuple[str, ...]
    wide: Callable[[Any], tuple[Any, ...]]
    narrow: Callable[[Any], tuple[Any, ...]]
    pack: Callable[..., bytes]


def _worked_out(kind: type) -> _Layout | None:
    names = [name for name in getattr(kind, "__struct_fields__", ()) if name not in _KEYS]
    wide = [name for name in names if name not in _NARROW]
    narrow = [name for name in names if name in _NARROW]
    if min(len(wide), len(narrow)) < 2:  # attrgetter returns a bare value for one name; every request has more
        return None
    return _Layout((*wide, *narrow), attrgetter(*wide), attrgetter(*narrow), Packed(f"<{len(wide)}I").pack)


_layout: Callable[[type], _Layout | None] = lru_cache(maxsize=64)(_worked_out)


def _hashes(values: tuple[Any, ...]) -> bytes:
    return Packed(f"<{len(values)}I").pack(*map(crc32, map(_encode, values)))


_remembered: Callable[[tuple[Any, ...]], bytes] = lru_cache(maxsize=1024)(_hashes)


def fingerprint(item: object) -> bytes:
    """Return the hashes of a request's fields; empty if ``item`` is not a request or cannot be encoded.

    A shipping order may be given as its JSON, if :func:`.validation.plain_order` made it.
    """
    if isinstance(item, bytes):
        return _of_plain_order(item)
    layout = _layout(type(item))
    if layout is None:
        return b""
    _, wide, narrow, pack = layout
    try:
        hashes = pack(*map(crc32, map(_encode, wide(item))))
        values = narrow(item)
        try:
            return hashes + _remembered(values)
        except TypeError:  # extra members are a dict, which the cache cannot hash
            return hashes + _hashes(values)
    except _NOT_ENCODABLE:
        return b""


def fingerprints(items: Sequence[object]) -> list[bytes]:
    """Return the fingerprints of many items; items of one type are hashed by column, which costs half as much."""
    layout = _layout(type(items[0])) if items else None
    if layout is None or len(set(map(type, items))) > 1:
        return list(map(fingerprint, items))
    _, wide, narrow, pack = layout
    try:
        columns = zip(*map(wide, items), strict=True)
        hashes = map(pack, *(map(crc32, map(_encode, column)) for column in columns))
        return list(map(add, hashes, map(_remembered, map(narrow, items))))
    except _NOT_ENCODABLE:
        return list(map(fingerprint, items))


def _of_plain_order(encoded: bytes) -> bytes:
    """Return the fingerprint of a shipping order by its JSON, where no text holds a quote and each name stands once."""
    lines, address, rest = map(encoded.index, _MEMBERS)
    wide = _PAIR(crc32(encoded[lines + len(_MEMBERS[0]) : address]), crc32(encoded[address + len(_MEMBERS[1]) : rest]))
    return wide + _narrow_of(encoded[rest + 1 :])


@lru_cache(maxsize=1024)
def _narrow_of(members: bytes) -> bytes:
    """Return the hashes of the narrow fields of an order without extra members, by the end of its JSON."""
    return _hashes((None, *msgspec.json.decode(b"{" + members).values()))


def shortened(print_: bytes) -> bytes:
    """Return two of the four bytes of each field: enough to name fields, in half the space."""
    return print_[::2]


def differing_fields(item: object, before: bytes, now: bytes) -> tuple[str, ...]:
    """Return the names of the fields of ``item`` whose hashes differ; empty if the fingerprints cannot be compared."""
    layout = _layout(type(item))
    if layout is None or not before or len(before) != len(now):
        return ()
    width = len(now) // len(layout.fields)
    if width * len(layout.fields) != len(now):  # written by another version, which had other fields
        return ()
    places = range(0, len(now), width)
    differ = [before[place : place + width] != now[place : place + width] for place in places]
    return tuple(name for name, is_other in zip(layout.fields, differ, strict=True) if is_other)


def differing_paths(before: object, now: object) -> tuple[str, ...]:
    """Return the paths at which two requests differ, such as ``delivery_address.city``; at most twelve."""
    found: list[str] = []
    _compare("", before, now, found)
    return tuple(found[:_MOST])


def _compare(path: str, before: Any, now: Any, found: list[str]) -> None:
    if len(found) > _MOST or before == now:
        return
    if isinstance(before, msgspec.Struct) and type(before) is type(now):
        for name in before.__struct_fields__:
            _compare(f"{path}.{name}" if path else name, getattr(before, name), getattr(now, name), found)
        return
    ours, theirs = _parts(before), _parts(now)
    if ours and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            _compare(f"{path}[{place}]", one, other, found)
    else:
        found.append(path)


def _parts(value: Any) -> Sequence[Any]:
    """Return the elements of a sequence that is not text; empty for any other value."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return ()
    return tuple(cast(Any, value))
