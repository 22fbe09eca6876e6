"""The operations table: the calls of the API, each defined beside the structs of its resource."""

from typing import Any

from . import inbound, outbound, products, returns, stocks
from .access import CREATE_TOKEN
from .inbound import COUNT_INBOUND, CREATE_INBOUND, GET_DELIVERY_NOTE, GET_INBOUND, LIST_INBOUND
from .operation import Group, Operation, Repeatability, Shape
from .outbound import (
    COUNT_OUTBOUND,
    CREATE_OUTBOUND,
    GET_CANCELLATION,
    GET_OUTBOUND,
    LIST_OUTBOUND,
    REQUEST_CANCELLATION,
)
from .products import CREATE_PRODUCTS, LIST_REFERENCES
from .returns import COUNT_RETURNS, CREATE_RETURN, GET_LABEL, GET_RETURN, LIST_RETURNS
from .stocks import GET_STOCK, LIST_STOCKS

__all__ = [
    "COUNT_INBOUND",
    "COUNT_OUTBOUND",
    "COUNT_RETURNS",
    "CREATE_INBOUND",
    "CREATE_OUTBOUND",
    "CREATE_PRODUCTS",
    "CREATE_RETURN",
    "CREATE_TOKEN",
    "GET_CANCELLATION",
    "GET_DELIVERY_NOTE",
    "GET_INBOUND",
    "GET_LABEL",
    "GET_OUTBOUND",
    "GET_RETURN",
    "GET_STOCK",
    "LIST_INBOUND",
    "LIST_OUTBOUND",
    "LIST_REFERENCES",
    "LIST_RETURNS",
    "LIST_STOCKS",
    "OPERATIONS",
    "REQUEST_CANCELLATION",
    "Group",
    "Operation",
    "Repeatability",
    "Shape",
]

OPERATIONS: tuple[Operation[Any], ...] = (
    *products.OPERATIONS,
    *inbound.OPERATIONS,
    *stocks.OPERATIONS,
    *outbound.OPERATIONS,
    *returns.OPERATIONS,
)
"""The operations of the API in the order of its documentation, without the token call of the identity provider."""
