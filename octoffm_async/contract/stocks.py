"""Stocks: quantities of products in the warehouses, by type of quantity and by country."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .access import PageBody
from .base import A, Answer, D, OpenEnum, Query, S, known_values
from .common import PageCursor, PageLimit
from .operation import Group, Operation, Shape
from .products import ProductCondition


class ProductState(OpenEnum):
    """State of the product in a stock (documented)."""

    NEW = "New"
    USED = "Used"
    REFURBISHED = "Refurbished"


class QuantityType(OpenEnum):
    """Type of a quantity, and value of the filter ``sort`` (documented)."""

    AVAILABLE = "Available"
    ALLOCATED = "Allocated"
    BLOCKED = "Blocked"
    LITIGATION = "Litigation"
    REMOVAL = "Removal"
    RETURN = "Return"
    LOGISTIC_OPERATIONS = "LogisticOperations"


QuantityTypeName: TypeAlias = (
    Literal["Available", "Allocated", "Blocked", "Litigation", "Removal", "Return", "LogisticOperations"] | str
)
"""The values of :class:`QuantityType`, or any other text."""


class SortOrder(OpenEnum):
    """Direction of a sorted list (documented)."""

    ASC = "Asc"
    DESC = "Desc"


SortOrderName: TypeAlias = Literal["Asc", "Desc"] | str
"""The values of :class:`SortOrder`, or any other text."""


class Quantities(Answer, frozen=True, kw_only=True, rename="pascal"):
    """Numbers of items by type (types documented; PascalCase keys seen for ``Available``, assumed for the others).

    ``None`` means that the API did not give this quantity. It is not zero.
    """

    available: Annotated[int | None, S, Meta(description="Items that can be sold")] = None
    allocated: Annotated[int | None, A, Meta(description="Items reserved for orders")] = None
    blocked: Annotated[int | None, A, Meta(description="Items that are blocked")] = None
    litigation: Annotated[int | None, A, Meta(description="Items in litigation")] = None
    removal: Annotated[int | None, A, Meta(description="Items to be removed from the warehouse")] = None
    return_: Annotated[int | None, A, Meta(description="Items in returns")] = msgspec.field(name="Return", default=None)
    logistic_operations: Annotated[int | None, A, Meta(description="Items in logistic operations")] = None


class Localization(Answer, frozen=True, kw_only=True):
    """The part of a stock in one storage country, with its last change (meaning documented, layout assumed)."""

    storage_country: Annotated[str | None, A, Meta(description="Storage country, such as FR")] = None
    quantities: Annotated[Quantities, A, Meta(description="Items by type in this country")] = msgspec.field(
        default_factory=Quantities
    )
    updated_at: Annotated[datetime | None, A, Meta(description="Time of the last change")] = None
    update_reason: Annotated[str | None, A, Meta(description="Reason of the last change")] = None


class Stock(Answer, frozen=True, kw_only=True):
    """The stock of one product in one condition. It has no reference of the seller (documented).

    ``quantities`` counts items by type over all countries; a quantity of ``None`` is unknown, see :class:`Quantities`.
    """

    id: Annotated[str, D, Meta(description="Id of the stock, a UUID")]
    product_id: Annotated[str | None, D, Meta(description="Octopia's id of the product")] = None
    product_state: Annotated[
        ProductState | None, D, Meta(description="State of the product: New, Used or Refurbished")
    ] = None
    product_condition: Annotated[
        ProductCondition | None, A, Meta(description="Condition of the product, such as New or LikeNew")
    ] = None
    gtin: Annotated[str | None, A, Meta(description="GTIN (EAN, UPC) of the product")] = None
    updated_at: Annotated[datetime | None, A, Meta(description="Time of the last change")] = None
    quantities: Annotated[Quantities, D, Meta(description="Items by type over all countries")] = msgspec.field(
        default_factory=Quantities
    )
    localizations: Annotated[list[Localization], D, Meta(description="Parts of the stock by storage country")] = (
        msgspec.field(default_factory=list[Localization])
    )


class StockFilters(Query, frozen=True, kw_only=True):
    """Filters of ``GET /stocks``.

    The API requires ``limit`` (documented, 1 to 1000). ``delivery_country`` cannot be combined with
    ``updated_at_min``, ``updated_at_max``, ``storage_country``, ``sort`` or ``order`` (documented).
    ``seller_product_reference`` selects the stocks of one reference (seen, in one program in production); a similar
    route ignores a parameter of that name, so test it before you rely on an empty list.
    """

    # A factory: the encoder omits plain defaults, and the API requires the limit.
    limit: PageLimit = msgspec.field(default_factory=lambda: 1000)
    cursor: PageCursor = None
    updated_at_min: Annotated[
        datetime | None,
        D,
        Meta(description="Earliest time of the last change, with a time zone"),
    ] = None
    updated_at_max: Annotated[
        datetime | None,
        D,
        Meta(description="Latest time of the last change, with a time zone"),
    ] = None
    storage_country: Annotated[str | None, D, Meta(description="Storage country, such as FR")] = None
    delivery_country: Annotated[
        str | None, D, Meta(description="Country of delivery, such as FR; excludes most other filters")
    ] = None
    seller_product_reference: Annotated[
        str | None, S, Meta(description="The seller's own reference of the product")
    ] = None
    sort: Annotated[
        str | None, D, Meta(description="Type of quantity by which the list is sorted"), known_values(QuantityType)
    ] = None
    order: Annotated[
        str | None, D, Meta(description="Direction of the sorted list: Asc or Desc"), known_values(SortOrder)
    ] = None


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

OPERATIONS = (
    LIST_STOCKS,
    GET_STOCK,
)
