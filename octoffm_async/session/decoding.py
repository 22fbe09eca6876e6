"""From the bytes of a 2xx answer to the operation's result, by one typed decoder per operation, built once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from ..contract.access import Counted, Page
from ..contract.operations import Shape
from .documents import UnusableDocumentError, document_in
from .headers import identifier_in

if TYPE_CHECKING:
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
    match operation.shape:
        case Shape.IDENTIFIER:
            return cast("T", _identifier(operation, response))
        case Shape.DOCUMENT:
            return cast("T", _document(response))
        case Shape.COUNT:
            return cast("T", _count(response.body))
        case Shape.RAW:
            return cast("T", response)
        case Shape.OPTIONAL if not response.body.strip():
            return cast("T", None)
        case Shape.PAGE:
            page: Page[Any] | list[Any] = _decoded(_decoder(operation), response.body)
            return cast("T", page.items if isinstance(page, Page) else page)
        case _:
            return cast("T", _decoded(_decoder(operation), response.body))


def _document(response: Response) -> Document | str:
    try:
        return document_in(response)
    except UnusableDocumentError as reason:
        raise UnusableError(str(reason)) from None


def _count(body: bytes) -> int:
    found: int | Counted = _decoded(_COUNT, body)
    counts = [found] if isinstance(found, int) else [found.count, found.total_item_count]
    for count in counts:
        if count is not None and count >= 0:
            return count
    raise UnusableError("not what is expected: no count of zero or more")


@cache
def _decoder(operation: Operation[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(operation.answer)


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


@cache
def _identified(field: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(msgspec.defstruct("Identified", [("value", str)], rename={"value": field}, gc=False))


def _identifier(operation: Operation[Any], response: Response) -> str:
    try:
        plain: str = _identified(operation.identifier).decode(response.body).value
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _odd_identifier(operation, response)
    return plain if plain.strip() else _odd_identifier(operation, response)


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
