"""The operations table: the calls of the API and the properties of each."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .access import PageBody, TokenAnswer, TokenRequest
from .base import Tag
from .common import Document, DocumentAnswer
from .inbound import InboundCountFilters, InboundFilters, InboundShipment, InboundShipmentRequest
from .outbound import (
    OutboundCancellation,
    OutboundCancellationRequest,
    OutboundCountFilters,
    OutboundFilters,
    OutboundShipment,
    OutboundShipmentRequest,
)
from .products import FulfillmentProduct, ProductResults, ReferenceFilters, SellerReference
from .returns import Return, ReturnCountFilters, ReturnFilters, ReturnRequest
from .stocks import Stock, StockFilters

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
    answer=PageBody[SellerReference] | list[SellerReference],
    row=SellerReference,
    shape=Shape.PAGE,
)
COUNT_INBOUND = Operation[int](
    name="inbound.count",
    method="GET",
    path="/inbound-shipments/count",
    group=Group.INBOUND,
    tag="S",
    filters=InboundCountFilters,
    answer=int,
    shape=Shape.COUNT,
)
LIST_INBOUND = Operation[list[InboundShipment]](
    name="inbound.list",
    method="GET",
    path="/inbound-shipments",
    group=Group.INBOUND,
    tag="D",
    filters=InboundFilters,
    answer=PageBody[InboundShipment] | list[InboundShipment],
    row=InboundShipment,
    shape=Shape.PAGE,
)
CREATE_INBOUND = Operation[str](
    name="inbound.create",
    method="POST",
    path="/inbound-shipments",
    group=Group.INBOUND,
    tag="D",
    repeatability=Repeatability.VERIFY,
    request=InboundShipmentRequest,
    answer=str,
    shape=Shape.IDENTIFIER,
    identifier="inboundShipmentId",
    success=201,  # A
)
GET_INBOUND = Operation[InboundShipment](
    name="inbound.get",
    method="GET",
    path="/inbound-shipments/{inboundShipmentId}",
    group=Group.INBOUND,
    tag="D",
    answer=InboundShipment,
)
GET_DELIVERY_NOTE = Operation[Document | str](
    name="inbound.delivery_note",
    method="GET",
    path="/inbound-shipments/{inboundShipmentId}/delivery-notes",
    group=Group.INBOUND,
    tag="D",
    answer=DocumentAnswer,
    shape=Shape.DOCUMENT,
)
LIST_STOCKS = Operation[list[Stock]](
    name="stocks.list",
    method="GET",
    path="/stocks",
    group=Group.STOCKS,
    tag="D",
    filters=StockFilters,
    limit_required=True,  # D
    answer=PageBody[Stock] | list[Stock],
    row=Stock,
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
COUNT_OUTBOUND = Operation[int](
    name="outbound.count",
    method="GET",
    path="/outbound-shipments/count",
    group=Group.OUTBOUND,
    tag="D",
    filters=OutboundCountFilters,
    answer=int,
    shape=Shape.COUNT,
)
LIST_OUTBOUND = Operation[list[OutboundShipment]](
    name="outbound.list",
    method="GET",
    path="/outbound-shipments",
    group=Group.OUTBOUND,
    tag="D",
    filters=OutboundFilters,
    answer=PageBody[OutboundShipment] | list[OutboundShipment],
    row=OutboundShipment,
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
REQUEST_CANCELLATION = Operation[str](
    name="outbound.request_cancellation",
    method="POST",
    path="/outbound-cancellation-requests",
    group=Group.OUTBOUND,
    tag="S",
    repeatability=Repeatability.NEVER,
    request=OutboundCancellationRequest,
    answer=str,
    shape=Shape.IDENTIFIER,
    identifier="outboundCancellationRequestId",
    success=201,  # A
)
GET_CANCELLATION = Operation[OutboundCancellation](
    name="outbound.get_cancellation",
    method="GET",
    path="/outbound-cancellation-requests/{outboundCancellationRequestId}",
    group=Group.OUTBOUND,
    tag="S",
    answer=OutboundCancellation,
)
COUNT_RETURNS = Operation[int](
    name="returns.count",
    method="GET",
    path="/returns/count",
    group=Group.RETURNS,
    tag="S",
    filters=ReturnCountFilters,
    answer=int,
    shape=Shape.COUNT,
)
LIST_RETURNS = Operation[list[Return]](
    name="returns.list",
    method="GET",
    path="/returns",
    group=Group.RETURNS,
    tag="D",
    filters=ReturnFilters,
    answer=PageBody[Return] | list[Return],
    row=Return,
    shape=Shape.PAGE,
)
CREATE_RETURN = Operation[str](
    name="returns.create",
    method="POST",
    path="/returns",
    group=Group.RETURNS,
    tag="D",
    repeatability=Repeatability.VERIFY,
    request=ReturnRequest,
    answer=str,
    shape=Shape.IDENTIFIER,
    identifier="returnId",
    success=201,  # A
)
GET_RETURN = Operation[Return](
    name="returns.get",
    method="GET",
    path="/returns/{returnId}",
    group=Group.RETURNS,
    tag="D",
    answer=Return,
)
GET_LABEL = Operation[Document | str](
    name="returns.label",
    method="GET",
    path="/returns/{returnId}/labels",
    group=Group.RETURNS,
    tag="D",
    answer=DocumentAnswer,
    shape=Shape.DOCUMENT,
)

OPERATIONS: tuple[Operation[Any], ...] = (
    CREATE_PRODUCTS,
    LIST_REFERENCES,
    COUNT_INBOUND,
    LIST_INBOUND,
    CREATE_INBOUND,
    GET_INBOUND,
    GET_DELIVERY_NOTE,
    LIST_STOCKS,
    GET_STOCK,
    COUNT_OUTBOUND,
    LIST_OUTBOUND,
    CREATE_OUTBOUND,
    GET_OUTBOUND,
    REQUEST_CANCELLATION,
    GET_CANCELLATION,
    COUNT_RETURNS,
    LIST_RETURNS,
    CREATE_RETURN,
    GET_RETURN,
    GET_LABEL,
)
"""The 20 operations of the API, in the order of API.md, without the token call of the identity provider."""
