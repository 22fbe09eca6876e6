"""Decoding by a type adapted to the spelling that an API has used; subclasses read bodies that do not fit the type."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ...contract.answers.field_specs import paths_of_enum
from ...contract.answers.names import folded
from ...contract.answers.reader import ObservedSpelling, TolerantReader, loggable_value
from ...contract.answers.wire_types import decoding_form, decoding_type
from ...contract.base import UNKNOWN_VALUES, take_unknown_values
from . import odd_json
from .unusable import UnusableError

if TYPE_CHECKING:
    from ...contract.contract_file.translation import Translation
    from ...contract.operations import Operation
    from ...transport.response import Response
    from .drift import DriftLog


_MARK = b"\xef\xbb\xbf"
_MARKS = re.compile(rb"\A(?:\xef\xbb\xbf)+")
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class LearningReader:
    """A reader with a type adapted to the known spelling; a subclass reads bodies that do not fit it."""

    _place: tuple[str, ...]

    def __init__(self, operation: Operation[Any], translation: Translation, drift: DriftLog) -> None:
        self._operation = operation
        self._mapping = translation.operation(operation)
        self._struct = cast("type[msgspec.Struct]", operation.row or operation.answer)
        self._translation = translation
        self._drift = drift
        self._learned = ObservedSpelling()
        self._careful = TolerantReader(translation, self._learned)
        self._made_for: Any = None
        self._depth = 0
        """The number of objects around the decoded part, in the decoder's type."""
        self._decoder: msgspec.json.Decoder[Any]
        self._row_decoder: msgspec.json.Decoder[Any]
        self._adapt()

    def read(self, response: Response, skip_bad_rows: bool) -> Any:  # noqa: FBT001  (one shape for all readers)
        """Return the decoded content of a body, read step by step if the type for the known spelling does not fit."""
        if UNKNOWN_VALUES:
            take_unknown_values()
        try:
            found = self._decoder.decode(response.body)
        except UNDECODABLE:
            if is_marked(response):
                return self.read(unmarked(response), skip_bad_rows)
            try:
                return self._read_carefully(response, skip_bad_rows=skip_bad_rows)
            finally:
                self._report_drift()
        if UNKNOWN_VALUES or self._careful.drift:
            self._report_drift()
        return self._unwrapped(found) if self._depth else found

    def _read_carefully(self, response: Response, *, skip_bad_rows: bool) -> Any:
        raise NotImplementedError

    def _inner_type(self, row: Any) -> Any:
        """Return the type of the part that is read, made from the type of one row."""
        return row

    def _body_type(self, row: Any) -> Any:
        kind = self._inner_type(row)
        for name in reversed(self._place):
            kind = holder(name, kind)
        return kind

    def _unwrapped(self, found: Any) -> Any:
        for _ in range(self._depth):
            found = found.held
        return found

    def _adapt(self) -> bool:
        """Create the decoder for the spelling learned so far; return False if it is unchanged."""
        form = decoding_form(self._struct, self._translation, self._learned)
        body = self._body_type(decoding_type(form))
        spelling = (form, body, self._learned.lax)
        if spelling == self._made_for:
            return False
        self._made_for = spelling
        self._depth = len(self._place)
        self._decoder = self._decoder_of(body)
        self._row_decoder = self._decoder_of(decoding_type(form))
        return True

    def _decoder_of(self, kind: Any) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder[Any](kind, strict=not self._learned.lax, dec_hook=self._hooked)

    def _hooked(self, kind: Any, value: Any) -> Any:
        return self._careful.read_for_hook(kind, value)

    def _value(self, response: Response) -> tuple[Any, bool]:
        """Return the JSON value of a body, and True if it had to be repaired.

        Raises:
            UnusableError: The body is not JSON.
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
        self._careful.record_drift("$", "value", "a text with damaged characters")
        return value, True

    def _report_drift(self) -> None:
        """Report the differences from the contract, and unknown words that the decoder met."""
        for enum, word in take_unknown_values():
            for path in paths_of_enum(self._struct, enum):
                self._careful.record_drift(path, "value", loggable_value(word))
        if self._careful.drift:
            self._drift.note(self._operation.name, self._careful.drift)
            self._careful.drift.clear()


@lru_cache(maxsize=256)
def holder(name: str, kind: Any) -> Any:
    """Return the type of an object that has ``kind`` under ``name``; its other members do not matter.

    A page may have rows in ``data`` only as long as it has none in ``items``.
    """
    others = ("items", "Items") if folded(name) == "data" else ()
    fields: list[Any] = [("held", kind, msgspec.field(name=name))]
    fields += [(other, None, msgspec.field(name=other, default=None)) for other in others]
    return msgspec.defstruct("Holder", fields, gc=False)


def is_marked(response: Response) -> bool:
    """Return True if a byte order mark precedes a body: some servers put one before their JSON."""
    return response.body.startswith(_MARK)


def unmarked(response: Response) -> Response:
    """Return a response without the byte order marks before its body."""
    return response._replace(body=_MARKS.sub(b"", response.body, count=1))
