"""From the bytes of a 2xx answer to the operation's result, by one typed decoder per operation, built once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from ..contract.access import Page
from ..contract.operations import Shape
from .headers import identifier_in

if TYPE_CHECKING:
    from ..contract.operations import Operation
    from .transport import Response

T = TypeVar("T")


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
        case Shape.OPTIONAL if not response.body.strip():
            return cast("T", None)
        case Shape.PAGE:
            page: Page[Any] | list[Any] = _decoded(_decoder(operation), response.body)
            return cast("T", page.items if isinstance(page, Page) else page)
        case _:
            return cast("T", _decoded(_decoder(operation), response.body))


@cache
def _decoder(operation: Operation[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(operation.answer)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise UnusableError(f"not what is expected: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableError(f"not JSON: {error}") from None


def _identifier(operation: Operation[Any], response: Response) -> str:
    content: Any = None
    if response.body.strip():
        try:
            content = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            content = None
    named = cast("dict[str, Any]", content).get(operation.identifier) if isinstance(content, dict) else content
    if isinstance(named, str | int) and not isinstance(named, bool) and str(named).strip():
        return str(named)
    if (found := identifier_in(response.headers)) is not None:
        return found
    raise UnusableError(f"no {operation.identifier} in the body, Location or Content-Location")
