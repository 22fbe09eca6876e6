"""From the bytes of a 2xx answer to the operation's result, by one typed decoder per operation, built once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from ..contract.access import Counted, Page
from ..contract.operations import Shape
from .documents import UnusableDocumentError, document_in
from .headers import identifier_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..contract.common import Document
    from ..contract.operations import Operation
    from .response import Response

T = TypeVar("T")
_COUNT = msgspec.json.Decoder[int | Counted](int | Counted)


class UnusableError(Exception):
    """Why an answer cannot be used."""


def decode(operation: Operation[T], response: Response) -> T:
    """The result that ``response`` carries.

    Raises:
        UnusableError: the body is not JSON, not of the operation's type, or lacks an id.
    """
    return cast("T", _reader(operation)(response))


@lru_cache(maxsize=256)
def _reader(operation: Operation[Any]) -> Callable[[Response], Any]:
    """What decodes the answers of an operation. There may be any number of those: calls of what is not modelled."""
    match operation.shape:
        case Shape.IDENTIFIER:
            return _identifier_reader(operation)
        case Shape.DOCUMENT:
            return _document
        case Shape.COUNT:
            return _count
        case Shape.RAW:
            return lambda response: response
        case Shape.OPTIONAL | Shape.PAGE | Shape.OBJECT:
            return _body_reader(operation)


def _body_reader(operation: Operation[Any]) -> Callable[[Response], Any]:
    decoder, optional = msgspec.json.Decoder[Any](operation.answer), operation.shape is Shape.OPTIONAL

    def read(response: Response) -> Any:
        if optional and not response.body.strip():
            return None
        found: Page[Any] | list[Any] = _decoded(decoder, response.body)
        return found.items if isinstance(found, Page) else found

    return read


def _document(response: Response) -> Document | str:
    try:
        return document_in(response)
    except UnusableDocumentError as reason:
        raise UnusableError(str(reason)) from None


def _count(response: Response) -> int:
    found: int | Counted = _decoded(_COUNT, response.body)
    counts = [found] if isinstance(found, int) else [found.count, found.total_item_count]
    for count in counts:
        if count is not None and count >= 0:
            return count
    raise UnusableError("not what is expected: no count of zero or more")


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        first = error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableError(f"not JSON: {error}") from None
    try:  # null where a list or an object should be means that there is nothing: the slow way, for odd answers only
        return decoder.decode(msgspec.json.encode(_without_nulls(msgspec.json.decode(body))))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnusableError(f"not what is expected: {first}") from None


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            fields = cast("dict[str, Any]", value).items()
            return {name: _without_nulls(part) for name, part in fields if part is not None}
        case [*parts]:
            return [_without_nulls(part) for part in parts]
        case _:
            return value


def _identifier_reader(operation: Operation[Any]) -> Callable[[Response], str]:
    named = msgspec.defstruct("Identified", [("value", str)], rename={"value": operation.identifier}, gc=False)
    decoder = msgspec.json.Decoder[Any](named)

    def read(response: Response) -> str:
        try:
            plain: str = decoder.decode(response.body).value
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _odd_identifier(operation, response)
        return plain if plain.strip() else _odd_identifier(operation, response)

    return read


def _odd_identifier(operation: Operation[Any], response: Response) -> str:
    content: Any = None
    if response.body.strip():
        try:
            content = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            content = None
    named = cast("dict[str, Any]", content).get(operation.identifier) if isinstance(content, dict) else content
    if isinstance(named, str | int) and not isinstance(named, bool) and str(named).strip():
        return str(named)
    if (found := identifier_in(response.headers, collection=operation.path.rpartition("/")[2])) is not None:
        return found
    raise UnusableError(f"no {operation.identifier} in the body, Location or Content-Location")
