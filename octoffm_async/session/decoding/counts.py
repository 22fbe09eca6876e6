"""Counts in responses: a bare number, a text, or in an object under one of several names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...contract.access import Counted
from ...contract.answers.json_values import is_object
from ...contract.answers.names import find_key
from ...contract.answers.values import NotReadableError, read_whole
from ...contract.contract_file.translation import value_at_path
from .learning_reader import unmarked
from .unusable import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...transport.response import Response

_COUNTS = ("count", "totalItemCount", "totalCount", "total")
_COUNT = msgspec.json.Decoder[int | Counted](int | Counted)


def count_reader(place: tuple[str, ...] | None) -> Callable[[Response, bool], int]:
    """Return the reader of a count operation's responses; ``place`` is the count's place by a contract file."""

    def read(response: Response, skip_bad_rows: bool) -> int:  # noqa: ARG001, FBT001
        if place is None:
            try:
                found = _COUNT.decode(response.body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                found = None
            if isinstance(found, int) and found >= 0:
                return found
        try:
            value = msgspec.json.decode(unmarked(response).body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UnusableError("not JSON") from None
        for candidate in counts_in(value, place):
            try:
                count = read_whole(candidate)
            except NotReadableError:
                continue
            if count >= 0:
                return count
        raise UnusableError("not what is expected: no count of zero or more")

    return read


def counts_in(value: Any, place: tuple[str, ...] | None = None) -> list[Any]:
    """Return the values of a response that may be the count: at ``place``, else under a name of counts, or bare."""
    if place is not None:
        there, found = value_at_path(value, place)
        return [found] if there else []
    if not is_object(value):
        return [value]
    members = value
    return [members[key] for name in _COUNTS if (key := find_key(members, name)) is not None]
