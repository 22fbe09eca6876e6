"""The operations table: what can be called, and how each call behaves (API.md, 1 and 2)."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from .access import Page, TokenAnswer, TokenRequest
from .base import Tag
from .outbound import OutboundFilters, OutboundShipment, OutboundShipmentRequest
from .products import FulfillmentProduct, ProductResults, ReferenceFilters, SellerReference
from .stocks import Stock, StockFilters

AnswerT = TypeVar("AnswerT")


class Group(Enum):
    """Operations that share one limit. Limits are kept per seller and group."""

    TOKEN = "token"  # noqa: S105  (a name, not a secret)
    PRODUCTS = "products"
    STOCKS = "stocks"
    OUTBOUND = "outbound"


class Repeatability(Enum):
    """Whether a call whose answer did not come may be sent again."""

    SAFE = "safe"
    """It changes nothing: repeat at will."""
    VERIFY = "verify"
    """It creates something with a business reference: repeat only after a look-up showed that it is not there."""
    NEVER = "never"
    """It changes something that cannot be looked up."""


class Shape(Enum):
    """Where the result of an answer stands."""

    OBJECT = "object"
    """The body is the result."""
    OPTIONAL = "optional"
    """The body is the result, or empty."""
    PAGE = "page"
    """The body is ``{"items": […]}`` or a bare array; ``Link`` names the next page."""
    IDENTIFIER = "identifier"
    """An id in the body, else at the end of ``Location`` or ``Content-Location``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation(Generic[AnswerT]):
    """One row of the table.

    ``answer`` is the type that the body is decoded to; for ``Shape.IDENTIFIER`` it is ``str`` and ``identifier``
    is the wire name of the id. ``max_items`` is the largest array that one call takes.
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
    success: int = 200

    def __str__(self) -> str:
        return self.name


CREATE_TOKEN = Operation[TokenAnswer](
    name="token.create",
    method="POST",
    path="",
    group=Group.TOKEN,
    tag="D",
    request=TokenRequest,
    answer=TokenAnswer,
)
CREATE_PRODUCTS = Operation[ProductResults | None](
    name="products.create",
    method="POST",
    path="/fulfillment-products",
    group=Group.PRODUCTS,
    tag="D",
    repeatability=Repeatability.VERIFY,
    request=FulfillmentProduct,
    max_items=100,  # A
    answer=ProductResults,
    shape=Shape.OPTIONAL,
    success=202,  # A
)
LIST_REFERENCES = Operation[list[SellerReference]](
    name="products.references",
    method="GET",
    path="/stock-seller-references",
    group=Group.PRODUCTS,
    tag="D",
    filters=ReferenceFilters,
    answer=Page[SellerReference] | list[SellerReference],
    shape=Shape.PAGE,
)
LIST_STOCKS = Operation[list[Stock]](
    name="stocks.list",
    method="GET",
    path="/stocks",
    group=Group.STOCKS,
    tag="D",
    filters=StockFilters,
    answer=Page[Stock] | list[Stock],
    shape=Shape.PAGE,
)
GET_STOCK = Operation[Stock](
    name="stocks.get",
    method="GET",
    path="/stocks/{stockId}",
    group=Group.STOCKS,
    tag="D",
    answer=Stock,
)
LIST_OUTBOUND = Operation[list[OutboundShipment]](
    name="outbound.list",
    method="GET",
    path="/outbound-shipments",
    group=Group.OUTBOUND,
    tag="D",
    filters=OutboundFilters,
    answer=Page[OutboundShipment] | list[OutboundShipment],
    shape=Shape.PAGE,
)
CREATE_OUTBOUND = Operation[str](
    name="outbound.create",
    method="POST",
    path="/outbound-shipments",
    group=Group.OUTBOUND,
    tag="D",
    repeatability=Repeatability.VERIFY,
    request=OutboundShipmentRequest,
    answer=str,
    shape=Shape.IDENTIFIER,
    identifier="outboundShipmentId",
    success=201,  # A
)
GET_OUTBOUND = Operation[OutboundShipment](
    name="outbound.get",
    method="GET",
    path="/outbound-shipments/{outboundShipmentId}",
    group=Group.OUTBOUND,
    tag="D",
    answer=OutboundShipment,
)

OPERATIONS: tuple[Operation[Any], ...] = (
    CREATE_TOKEN,
    CREATE_PRODUCTS,
    LIST_REFERENCES,
    LIST_STOCKS,
    GET_STOCK,
    LIST_OUTBOUND,
    CREATE_OUTBOUND,
    GET_OUTBOUND,
)
