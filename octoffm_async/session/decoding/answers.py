"""The decoding of the body of a 2xx response to the operation's result.

Each operation of a session has one reader. It decodes in C, by a type adapted to the spelling that this API has used
so far (at first the contract's own). A body that does not fit this type is read row by row in Python: this finds out
how the API spells things, reports each difference from the contract, and adapts the type. So a page of a known spelling
costs as much as if the contract had that spelling, and one odd row costs its page some time but no other row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...contract.operations import CREATE_TOKEN, Shape
from .counts import count_reader
from .identifiers import identifier_reader
from .objects import DocumentReader, ObjectReader
from .pages import BadRowsError, PageReader
from .tokens import read_token
from .unusable import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...contract.contract_file.translation import Translation
    from ...contract.operations import Operation
    from ...transport.response import Response
    from .drift import DriftLog

__all__ = ["Answers", "BadRowsError", "UnusableError"]

T = TypeVar("T")


class Answers:
    """The readers of one session's responses."""

    def __init__(self, translation: Translation, drift: DriftLog) -> None:
        self._translation = translation
        self._drift = drift
        self._readers: dict[Operation[Any], Callable[[Response, bool], Any]] = {}

    def read(self, operation: Operation[T], response: Response, *, skip_bad_rows: bool = False) -> T:
        """Return the result that ``response`` contains.

        Raises:
            UnusableError: The body is not JSON, not of the operation's type, or lacks an id.
        """
        try:
            reader = self._readers[operation]
        except KeyError:
            if operation.shape is Shape.RAW:  # not cached: calls that are not modelled may use any number of those
                return cast("T", response)
            reader = self._readers[operation] = self._reader(operation)
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
                return lambda response, _: read_token(response, self._drift)
            case Shape.DOCUMENT:
                return DocumentReader(operation, self._translation, self._drift).read
            case Shape.PAGE:
                return PageReader(operation, self._translation, self._drift).read
            case _:
                return ObjectReader(operation, self._translation, self._drift).read
