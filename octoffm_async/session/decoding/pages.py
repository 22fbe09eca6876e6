"""Rows of a list, at any place in the body: decoded by the adapted type, row by row where that type does not fit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ...contract.answers.json_values import is_array, is_object, json_type
from ...contract.answers.names import find_key, folded
from ...contract.answers.reader import MissingIdentityError, loggable_value
from ...contract.contract_file.translation import Translation, spelled_path, value_at_path
from .counts import counts_in
from .learning_reader import UNDECODABLE, LearningReader, holder
from .unusable import UnusableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...contract.operations import Operation
    from ...transport.response import Response
    from .drift import DriftLog


_SAMPLE = 20
"""Rows of a page from which its spelling is learned, before all rows are read one by one."""
_ROWS = ("items", "data")
_BESIDE_ROWS = ("itemsPerPage", "count", "totalItemCount", "totalCount", "total", "page", "pageSize", "cursor", "links")


class BadRowsError(UnusableError):
    """An error: rows of a page have no identity. ``rows`` are the good rows, ``places`` count the bad rows from 0."""

    def __init__(self, rows: list[Any], places: Sequence[int], reason: str) -> None:
        of = len(rows) + len(places)
        super().__init__(
            f"not what is expected: {len(places)} of {of} rows have no identity; row {places[0]}: {reason}"
        )
        self.rows = rows
        self.places: tuple[int, ...] = tuple(places)


class PageReader(LearningReader):
    """A reader of lists: rows in ``items`` or ``data`` of an object, where a contract file says, or in a bare array."""

    def __init__(self, operation: Operation[Any], translation: Translation, drift: DriftLog) -> None:
        self._place = translation.operation(operation).items or ("items",)
        super().__init__(operation, translation, drift)

    def _inner_type(self, row: Any) -> Any:
        return list[row]

    def _read_carefully(self, response: Response, *, skip_bad_rows: bool) -> list[Any]:
        if not response.body.strip():
            return []
        value, mended = self._value(response)
        rows = self._rows(value)
        for row in rows[:_SAMPLE]:
            self._row(row)
        if self._adapt() and not mended:
            try:
                return cast("list[Any]", self._unwrapped(self._decoder.decode(response.body)))
            except UNDECODABLE:
                pass
        read: list[Any] = []
        bad: list[int] = []
        reason = ""
        plain = () if mended or not rows else _raw_rows(self._place, response.body)
        for place, row in enumerate(rows):
            if plain:
                try:
                    read.append(self._row_decoder.decode(plain[place]))
                    continue
                except UNDECODABLE:
                    pass
            found, why = self._row(row)
            if found is None:
                bad.append(place)
                reason = reason or why
            else:
                read.append(found)
        self._adapt()
        if bad:
            self._careful.record_drift("[]", "missing", "an identity")
            if not skip_bad_rows:
                raise BadRowsError(read, bad, reason)
        return read

    def _row(self, row: Any) -> tuple[Any, str]:
        if not is_object(row):
            return None, f"it is no object but {json_type(row)}"
        try:
            return self._careful.read(self._struct, row), ""
        except MissingIdentityError as error:
            return None, str(error)

    def _rows(self, value: Any) -> list[Any]:
        """Return the rows of a page, at whatever place; note the place for the next page.

        Raises:
            UnusableError: There are no rows, and it is not an empty page.
        """
        if value is None:
            self._careful.record_drift("$", "type", "null")
            return []
        if is_array(value):
            if self._mapping.items is not None:
                self._careful.record_drift("$", "type", "array")
            self._place = ()
            return value
        if not is_object(value):
            raise UnusableError(f"not what is expected: no list but {json_type(value)}")
        page = value
        if self._mapping.items is not None:
            there, rows = value_at_path(page, self._mapping.items)
            if not there or not (rows is None or is_array(rows)):
                raise UnusableError(f"not what is expected: no list at {'.'.join(self._mapping.items)}")
            self._place = spelled_path(page, self._mapping.items)
            return rows or []
        keys = [key for name in _ROWS if (key := find_key(page, name)) is not None]
        for kind in (list, type(None)):
            for key in keys:
                if isinstance(page[key], kind):
                    return self._rows_at(key, page)
        if any(folded(name) not in {folded(known) for known in _BESIDE_ROWS} for name in page):
            raise UnusableError("not what is expected: an object without a list of items")
        self._careful.record_drift("$.items", "missing", "nothing")
        return self._none_in(page)

    def _rows_at(self, key: str, page: dict[str, Any]) -> list[Any]:
        if folded(key) != "items":
            self._careful.record_drift("$.items", "missing", f"the rows stand in {folded(key)}")
        self._place = (key,)
        self._note_beside(page, key)
        return self._none_in(page) if page[key] is None else page[key]

    def _none_in(self, page: dict[str, Any]) -> list[Any]:
        """Return no rows, for a page without a list.

        Raises:
            UnusableError: The page has a list under another name, or counts some rows.
        """
        if any(is_array(part) and part and folded(name) != "links" for name, part in page.items()):
            raise UnusableError("not what is expected: no items, but a list under another name")
        if any(count not in (0, "0", None) for count in counts_in(page)):
            raise UnusableError("not what is expected: it counts rows, and there are none")
        return []

    def _note_beside(self, page: dict[str, Any], key: str) -> None:
        known = {folded(name) for name in ("itemsPerPage", key)}
        for name, value in page.items():
            if folded(name) not in known:
                self._careful.record_drift(f"$.{loggable_value(name)}", "unknown", json_type(value))


def _raw_rows(place: tuple[str, ...], body: bytes) -> Sequence[msgspec.Raw]:
    """Return the undecoded rows of a page; none if they cannot be split like that."""
    try:
        found = _raw_decoder(place).decode(body)
    except UNDECODABLE:
        return ()
    for _ in place:
        found = found.held
    return cast("Sequence[msgspec.Raw]", found)


@lru_cache(maxsize=64)
def _raw_decoder(place: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a page whose rows stay undecoded."""
    kind: Any = list[msgspec.Raw]
    for name in reversed(place):
        kind = holder(name, kind)
    return msgspec.json.Decoder(kind)
