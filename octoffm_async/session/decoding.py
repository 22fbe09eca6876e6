"""From the bytes of a 2xx answer to the operation's result.

Each operation of a session has one reader. It decodes in C, by a type made for the spelling that this API was seen to
use (at first the contract's own). What that type refuses is read the careful way, row by row, which finds out how the
API spells things, tells what differs from the contract, and makes the next type. So a page of a known spelling costs
what it would if the contract had that spelling, and one odd row costs its page some time but no other row.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from ..contract.access import TokenAnswer
from ..contract.base import take_unknown_values
from ..contract.json_values import is_array, is_object, json_type
from ..contract.names import folded, spelling_in
from ..contract.operations import CREATE_TOKEN, Shape
from ..contract.reading import Learned, Reader, RowWithoutIdentityError, shown_value
from ..contract.specs import paths_of_enum, specs_of
from ..contract.translation import Translation, at_path, spelled_path
from ..contract.wire_types import form_of, type_of
from . import odd_json
from .counts import count_reader, counts_in
from .documents import UnusableDocumentError, document_in
from .identifiers import identifier_reader
from .unusable import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..contract.common import Document, DocumentAnswer
    from ..contract.operations import Operation
    from .drift import DriftLog
    from .response import Response

__all__ = ["Answers", "BadRowsError", "UnusableError"]

T = TypeVar("T")
_SAMPLE = 20
"""Rows of a page from which its spelling is learned, before all are read the careful way."""
_MARK = b"\xef\xbb\xbf"
_ROWS = ("items", "data")
_BESIDE_ROWS = ("itemsPerPage", "count", "totalItemCount", "totalCount", "total", "page", "pageSize", "cursor", "links")
_WRAPS = ("data", "item", "result")
_TOKEN = msgspec.json.Decoder(TokenAnswer, strict=False)
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class BadRowsError(UnusableError):
    """Some rows of a page have no identity; ``rows`` are the others, ``places`` counts the bad ones' from 0."""

    def __init__(self, rows: list[Any], places: Sequence[int], reason: str) -> None:
        of = len(rows) + len(places)
        super().__init__(
            f"not what is expected: {len(places)} of {of} rows have no identity; row {places[0]}: {reason}"
        )
        self.rows = rows
        self.places = tuple(places)


class Answers:
    """The readers of one session's answers."""

    def __init__(self, translation: Translation, drift: DriftLog) -> None:
        self._translation = translation
        self._drift = drift
        self._readers: dict[Operation[Any], Callable[[Response, bool], Any]] = {}

    def read(self, operation: Operation[T], response: Response, *, skip_bad_rows: bool = False) -> T:
        """Return the result that ``response`` carries.

        Raises:
            UnusableError: the body is not JSON, not of the operation's type, or lacks an id.
        """
        try:
            reader = self._readers[operation]
        except KeyError:
            if operation.shape is Shape.RAW:  # there may be any number of those: calls of what is not modelled
                return cast("T", response)
            reader = self._readers[operation] = self._reader(operation)
        if response.body.startswith(_MARK) and operation.shape is not Shape.DOCUMENT:
            response = _unmarked(response)
        found: T = reader(response, skip_bad_rows)
        return found

    def _reader(self, operation: Operation[Any]) -> Callable[[Response, bool], Any]:
        match operation.shape:
            case Shape.IDENTIFIER:
                place = self._translation.operation(operation).identifier
                return identifier_reader(operation, place=place, path=self._translation.path(operation))
            case Shape.COUNT:
                return count_reader(self._translation.operation(operation).count)
            case Shape.OBJECT if operation is CREATE_TOKEN:
                return _token
            case Shape.DOCUMENT:
                return DocumentReader(operation, self._translation, self._drift).read
            case Shape.PAGE:
                return PageReader(operation, self._translation, self._drift).read
            case _:
                return ObjectReader(operation, self._translation, self._drift).read


class _LearningReader:
    """Decodes by a type made for the spelling seen so far; what that refuses, a subclass reads the careful way."""

    _place: tuple[str, ...]

    def __init__(self, operation: Operation[Any], translation: Translation, drift: DriftLog) -> None:
        self._operation = operation
        self._mapping = translation.operation(operation)
        self._struct = cast("type[msgspec.Struct]", operation.row or operation.answer)
        self._translation = translation
        self._drift = drift
        self._learned = Learned()
        self._careful = Reader(translation, self._learned)
        self._made_for: Any = None
        self._depth = 0
        """Of the decoder: how many objects it wraps around what is read."""
        self._decoder: msgspec.json.Decoder[Any]
        self._row_decoder: msgspec.json.Decoder[Any]
        self._adapt()

    def _body_type(self, inner: Any) -> Any:
        raise NotImplementedError

    def _adapt(self) -> bool:
        """Make the decoder for what was learned; return False if nothing is new."""
        form = form_of(self._struct, self._translation, self._learned)
        body = self._body_type(type_of(form))
        wanted = (form, body, self._learned.lax)
        if wanted == self._made_for:
            return False
        self._made_for = wanted
        self._depth = len(self._place)
        self._decoder = self._decoder_of(body)
        self._row_decoder = self._decoder_of(type_of(form))
        return True

    def _decoder_of(self, kind: Any) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder[Any](kind, strict=not self._learned.lax, dec_hook=self._hooked)

    def _hooked(self, kind: Any, value: Any) -> Any:
        return self._careful.read_hooked(kind, value)

    def _value(self, response: Response) -> tuple[Any, bool]:
        """Return the JSON value of a body, and whether it had to be mended.

        Raises:
            UnusableError: it is not JSON.
        """
        try:
            return msgspec.json.decode(response.body), False
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        except RecursionError:
            raise UnusableError("not JSON that can be read: it is nested too deeply") from None
        try:
            value = odd_json.parse(response.body, response.headers.get("Content-Type", ""))
        except (ValueError, RecursionError) as error:
            raise UnusableError(f"not JSON: {error}") from None
        self._careful.tell("$", "value", "a text with damaged characters")
        return value, True

    def _tell(self) -> None:
        """Tell what differed, and unknown words that the decoder met."""
        for enum, word in take_unknown_values():
            for path in paths_of_enum(self._struct, enum):
                self._careful.tell(path, "value", shown_value(word))
        if self._careful.drift:
            self._drift.note(self._operation.name, self._careful.drift)
            self._careful.drift.clear()


class PageReader(_LearningReader):
    """Reads the rows of a list: in ``items`` or ``data`` of an object, where a contract file says, or a bare array."""

    def __init__(self, operation: Operation[Any], translation: Translation, drift: DriftLog) -> None:
        self._place = translation.operation(operation).items or ("items",)
        super().__init__(operation, translation, drift)

    def _body_type(self, inner: Any) -> Any:
        kind: Any = list[inner]
        for name in reversed(self._place):
            kind = _holder(name, kind)
        return kind

    def read(self, response: Response, skip_bad_rows: bool) -> list[Any]:  # noqa: FBT001  (one shape for all readers)
        """Return the rows."""
        take_unknown_values()
        try:
            found = self._decoder.decode(response.body)
        except _UNDECODABLE:
            try:
                return self._read_carefully(response, skip_bad_rows=skip_bad_rows)
            finally:
                self._tell()
        self._tell()
        return self._unwrapped(found)

    def _unwrapped(self, found: Any) -> list[Any]:
        for _ in range(self._depth):
            found = found.held
        return cast("list[Any]", found)

    def _read_carefully(self, response: Response, *, skip_bad_rows: bool) -> list[Any]:
        if not response.body.strip():
            return []
        value, mended = self._value(response)
        rows = self._rows(value)
        for row in rows[:_SAMPLE]:
            self._row(row)
        if self._adapt() and not mended:
            try:
                return self._unwrapped(self._decoder.decode(response.body))
            except _UNDECODABLE:
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
                except _UNDECODABLE:
                    pass
            found, why = self._row(row)
            if found is None:
                bad.append(place)
                reason = reason or why
            else:
                read.append(found)
        self._adapt()
        if bad:
            self._careful.tell("[]", "missing", "an identity")
            if not skip_bad_rows:
                raise BadRowsError(read, bad, reason)
        return read

    def _row(self, row: Any) -> tuple[Any, str]:
        if not is_object(row):
            return None, f"it is no object but {json_type(row)}"
        try:
            return self._careful.read(self._struct, row), ""
        except RowWithoutIdentityError as error:
            return None, str(error)

    def _rows(self, value: Any) -> list[Any]:
        """Return the rows of a page, wherever they stand; note the place for the next one.

        Raises:
            UnusableError: there are none, and it is no page without any.
        """
        if value is None:
            self._careful.tell("$", "type", "null")
            return []
        if is_array(value):
            if self._mapping.items is not None:
                self._careful.tell("$", "type", "array")
            self._place = ()
            return value
        if not is_object(value):
            raise UnusableError(f"not what is expected: no list but {json_type(value)}")
        page = value
        if self._mapping.items is not None:
            there, rows = at_path(page, self._mapping.items)
            if not there or not (rows is None or is_array(rows)):
                raise UnusableError(f"not what is expected: no list at {'.'.join(self._mapping.items)}")
            self._place = spelled_path(page, self._mapping.items)
            return rows or []
        keys = [key for name in _ROWS if (key := spelling_in(page, name)) is not None]
        for kind in (list, type(None)):
            for key in keys:
                if isinstance(page[key], kind):
                    return self._rows_at(key, page)
        if any(folded(name) not in {folded(known) for known in _BESIDE_ROWS} for name in page):
            raise UnusableError("not what is expected: an object without a list of items")
        self._careful.tell("$.items", "missing", "nothing")
        return self._none_in(page)

    def _rows_at(self, key: str, page: dict[str, Any]) -> list[Any]:
        if folded(key) != "items":
            self._careful.tell("$.items", "missing", f"the rows stand in {folded(key)}")
        self._place = (key,)
        self._note_beside(page, key)
        return self._none_in(page) if page[key] is None else page[key]

    def _none_in(self, page: dict[str, Any]) -> list[Any]:
        """Return no rows, for a page without a list.

        Raises:
            UnusableError: it holds a list under another name, or counts some rows.
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
                self._careful.tell(f"$.{shown_value(name)}", "unknown", json_type(value))


class ObjectReader(_LearningReader):
    """Reads one object; where the operation's answer is optional, an empty body is ``None``."""

    def __init__(self, operation: Operation[Any], translation: Translation, drift: DriftLog) -> None:
        self._place = translation.operation(operation).result or ()
        self._optional = operation.shape is Shape.OPTIONAL
        super().__init__(operation, translation, drift)

    def _body_type(self, inner: Any) -> Any:
        kind = inner
        for name in reversed(self._place):
            kind = _holder(name, kind)
        return kind

    def read(self, response: Response, skip_bad_rows: bool) -> Any:  # noqa: ARG002, FBT001
        """Return the object."""
        take_unknown_values()
        try:
            found = self._decoder.decode(response.body)
        except _UNDECODABLE:
            try:
                return self._read_carefully(response)
            finally:
                self._tell()
        self._tell()
        for _ in range(self._depth):
            found = found.held
        return found

    def _read_carefully(self, response: Response) -> Any:
        if not response.body.strip():
            if self._optional:
                return None
            raise UnusableError("the body is empty")
        value, _ = self._value(response)
        if value is None and self._optional:
            return None
        if self._optional:
            value = self._with_items(value)
        place = spelled_path(value, self._mapping.result or ())
        there, value = at_path(value, place)
        if not there or not is_object(value):
            raise UnusableError(f"not what is expected: no object but {json_type(value)}")
        self._place = place
        found = self._object(value)
        self._adapt()
        return found

    def _with_items(self, value: Any) -> Any:
        """Return an answer with a list in it as the contract has it, if it is the bare list, or has it in ``data``."""
        if is_array(value):
            self._careful.tell("$", "type", "array")
            return {"items": value}
        if self._mapping.items is not None or not is_object(value):
            return value
        if self._is_one_result(value):
            self._careful.tell("$.items", "missing", "the result itself")
            return {"items": [value]}
        key = spelling_in(value, "data")
        if key is None or spelling_in(value, "items") is not None or not is_array(value[key]):
            return value
        self._careful.tell("$.items", "missing", "the rows stand in data")
        return {"items": value[key], **{name: part for name, part in value.items() if name != key}}

    def _is_one_result(self, value: dict[str, Any]) -> bool:
        """Return True for an answer to a call for one item that is what else stands in the list."""
        (items,) = (spec for spec in specs_of(self._struct) if spec.name == "items")
        wanted = [self._translation.wire_name(items.inner, spec) for spec in specs_of(items.inner) if spec.required]
        return all(spelling_in(value, name) is not None for name in wanted)

    def _object(self, members: dict[str, Any]) -> Any:
        try:
            return self._careful.read(self._struct, members)
        except RowWithoutIdentityError as error:
            lacking = error
        if self._mapping.result is None:
            for name in _WRAPS:
                key = spelling_in(members, name)
                if key is not None and is_object(members[key]):
                    try:
                        found = self._careful.read(self._struct, members[key])
                    except RowWithoutIdentityError:
                        continue
                    self._careful.tell("$", "type", f"an object inside {name}")
                    self._place = (key,)
                    return found
        raise UnusableError(f"not what is expected: {lacking}")


class DocumentReader(ObjectReader):
    """Reads a document: its bytes, or JSON that holds them or names their address."""

    def read(self, response: Response, skip_bad_rows: bool) -> Document | str:  # noqa: ARG002, FBT001
        """Return the document, or the address to read it from."""
        try:
            return document_in(response, self._described)
        except UnusableDocumentError as reason:
            raise UnusableError(str(reason)) from None
        finally:
            self._tell()

    def _described(self, response: Response) -> DocumentAnswer | str:
        value, _ = self._value(_unmarked(response))
        there, value = at_path(value, self._mapping.result or ())
        if there and isinstance(value, str):
            return value
        if not there or not is_object(value):
            raise UnusableError(f"not what is expected: no document but {json_type(value)}")
        return cast("DocumentAnswer", self._object(value))


def _unmarked(response: Response) -> Response:
    return response._replace(body=response.body.removeprefix(_MARK))


def _raw_rows(place: tuple[str, ...], body: bytes) -> Sequence[msgspec.Raw]:
    """Return the rows of a page as they came; none if they cannot be had like that."""
    try:
        found = _raw_decoder(place).decode(body)
    except _UNDECODABLE:
        return ()
    for _ in place:
        found = found.held
    return cast("Sequence[msgspec.Raw]", found)


@lru_cache(maxsize=64)
def _raw_decoder(place: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a page whose rows stay as they came."""
    kind: Any = list[msgspec.Raw]
    for name in reversed(place):
        kind = _holder(name, kind)
    return msgspec.json.Decoder(kind)


@lru_cache(maxsize=256)
def _holder(name: str, kind: Any) -> Any:
    """Return the type of an object that holds ``kind`` under ``name``; its other members do not matter.

    A page may have rows in ``data`` only as long as it has none in ``items``.
    """
    others = ("items", "Items") if folded(name) == "data" else ()
    fields: list[Any] = [("held", kind, msgspec.field(name=name))]
    fields += [(other, None, msgspec.field(name=other, default=None)) for other in others]
    return msgspec.defstruct("Holder", fields, gc=False)


def _token(response: Response, skip_bad_rows: bool) -> TokenAnswer:  # noqa: ARG001, FBT001
    try:
        return _TOKEN.decode(response.body)
    except _UNDECODABLE as error:
        raise UnusableError(f"not what is expected: {error}") from None
