"""One call of the API as data, from which the client, the sandbox and the command derive how they treat it."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .base import Tag

AnswerT = TypeVar("AnswerT")


class Group(Enum):
    """A group of operations that share one rate limit; there is one limit per seller and group."""

    if not TYPE_CHECKING:
        __hash__ = object.__hash__  # in C, because every call uses it as a dictionary key

    TOKEN = "token"  # noqa: S105  (a name, not a secret)
    PRODUCTS = "products"
    INBOUND = "inbound"
    STOCKS = "stocks"
    OUTBOUND = "outbound"
    RETURNS = "returns"
    OTHER = "other"
    """Calls through ``client.request`` that belong to no other group."""


class Repeatability(Enum):
    """The rule for sending a call again when its response did not arrive."""

    SAFE = "safe"
    """The call changes nothing: repeat at will."""
    VERIFY = "verify"
    """The call creates an object with a business reference: repeat only after a look-up proves its absence."""
    NEVER = "never"
    """The call changes something that cannot be looked up: never repeat."""


class Shape(Enum):
    """The place of the result in a response."""

    if not TYPE_CHECKING:
        __hash__ = object.__hash__  # in C, because every call uses it as a dictionary key

    OBJECT = "object"
    """The body is the result."""
    OPTIONAL = "optional"
    """The body is the result, or empty."""
    PAGE = "page"
    """The body is ``{"items": […]}`` or a bare array; the ``Link`` header names the next page."""
    IDENTIFIER = "identifier"
    """An id in the body, else the last path segment of ``Location`` or ``Content-Location``."""
    COUNT = "count"
    """A bare integer, ``{"count": n}`` or ``{"total_item_count": n}``."""
    DOCUMENT = "document"
    """The bytes of a document, or JSON with their Base64 form or their URL."""
    RAW = "raw"
    """The body as bytes, undecoded."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation(Generic[AnswerT]):
    """One row of the operations table.

    ``answer`` is the type to which the client decodes the body; for ``Shape.IDENTIFIER`` it is ``str`` and
    ``identifier`` is the wire name of the id. ``max_items`` is the largest number of items in one call,
    ``limit_required`` is True if the API requires the ``limit`` of a list. ``row`` is the type of a list's rows.
    ``tag`` is the source of the operation: D documented, S seen, A assumed. ``success`` is the status of success.
    """

    name: str
    method: str
    path: str
    group: Group
    tag: Tag
    answer: Any
    repeatability: Repeatability = Repeatability.SAFE
    shape: Shape = Shape.OBJECT
    request: type | None = None
    filters: type | None = None
    identifier: str = ""
    max_items: int = 1
    limit_required: bool = False
    success: int = 200
    row: type | None = None

    def __str__(self) -> str:
        return self.name
