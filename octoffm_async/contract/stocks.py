"""Stocks: how many of a product lie in the warehouses, by type of quantity and by country (API.md, 6)."""

from datetime import datetime
from typing import Annotated

import msgspec

from .base import A, Answer, D, OpenEnum, Query, S, bounds, known
from .bounds import PAGE_MAX
from .products import ProductCondition


class ProductState(OpenEnum):
    """State of the product that a stock holds (**D**)."""

    NEW = "New"
    USED = "Used"
    REFURBISHED = "Refurbished"


class QuantityType(OpenEnum):
    """Type of a quantity, and what ``sort`` accepts (**D**)."""

    AVAILABLE = "Available"
    ALLOCATED = "Allocated"
    BLOCKED = "Blocked"
    LITIGATION = "Litigation"
    REMOVAL = "Removal"
    RETURN = "Return"
    LOGISTIC_OPERATIONS = "LogisticOperations"


class SortOrder(OpenEnum):
    """Direction of a sorted list (**D**)."""

    ASC = "Asc"
    DESC = "Desc"


class Quantities(Answer, frozen=True, kw_only=True, rename="pascal"):
    """Items by type (types documented; PascalCase keys seen for ``Available``, assumed for the others).

    ``None`` means that the API did not tell this quantity. It is not zero.
    """

    available: Annotated[int | None, S] = None
    allocated: Annotated[int | None, A] = None
    blocked: Annotated[int | None, A] = None
    litigation: Annotated[int | None, A] = None
    removal: Annotated[int | None, A] = None
    return_: Annotated[int | None, A] = msgspec.field(name="Return", default=None)
    logistic_operations: Annotated[int | None, A] = None


class Localization(Answer, frozen=True, kw_only=True):
    """The part of a stock that lies in one storage country, with its last change (meaning **D**, layout **A**)."""

    storage_country: Annotated[str | None, A] = None
    quantities: Annotated[Quantities, A] = msgspec.field(default_factory=Quantities)
    updated_at: Annotated[datetime | None, A] = None
    update_reason: Annotated[str | None, A] = None


class Stock(Answer, frozen=True, kw_only=True):
    """The stock of one product in one condition. It does not carry the seller's reference (**D**).

    ``quantities`` counts items by type over all countries; see :class:`Quantities` for what ``None`` means there.
    """

    id: Annotated[str, D]
    product_id: Annotated[str | None, D] = None
    product_state: Annotated[ProductState | None, D] = None
    product_condition: Annotated[ProductCondition | None, A] = None
    gtin: Annotated[str | None, A] = None
    updated_at: Annotated[datetime | None, A] = None
    quantities: Annotated[Quantities, D] = msgspec.field(default_factory=Quantities)
    localizations: Annotated[list[Localization], D] = msgspec.field(default_factory=list[Localization])


class StockFilters(Query, frozen=True, kw_only=True):
    """What ``GET /stocks`` can be asked for.

    ``limit`` is required by the API (**D**, 1 to 1000). ``delivery_country`` cannot be combined with
    ``updated_at_min``, ``updated_at_max``, ``storage_country``, ``sort`` or ``order`` (**D**).
    ``seller_product_reference`` gives the stocks of one reference (**S**, in one program in production); a sister route
    is known to ignore a parameter of that name, so prove it before relying on an empty list.
    """

    # A factory, because a plain default would be left out of the query and the API requires it.
    limit: Annotated[int, D, bounds("D", minimum=1, maximum=PAGE_MAX)] = msgspec.field(default_factory=lambda: 1000)
    cursor: Annotated[str | None, D] = None
    updated_at_min: Annotated[datetime | None, D] = None
    updated_at_max: Annotated[datetime | None, D] = None
    storage_country: Annotated[str | None, D] = None
    delivery_country: Annotated[str | None, D] = None
    seller_product_reference: Annotated[str | None, S] = None
    sort: Annotated[str | None, D, known(QuantityType)] = None
    order: Annotated[str | None, D, known(SortOrder)] = None
