"""Stocks: how many of a product lie in the warehouses, by type of quantity and by country (API.md, 6)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from .base import A, Answer, D, OpenEnum, Request, bounds, known
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


class Quantities(Answer, frozen=True, kw_only=True):
    """Items by type (types **D**, layout **A**)."""

    available: Annotated[int, A] = 0
    allocated: Annotated[int, A] = 0
    blocked: Annotated[int, A] = 0
    litigation: Annotated[int, A] = 0
    removal: Annotated[int, A] = 0
    return_: Annotated[int, A] = msgspec.field(name="return", default=0)
    logistic_operations: Annotated[int, A] = 0


class TypedQuantity(Answer, frozen=True, kw_only=True):
    """The other layout that is accepted: one entry a type (**A**)."""

    type: Annotated[QuantityType, A]
    quantity: Annotated[int, A] = 0


_FIELD_OF_TYPE = {
    member: encoded
    for member in QuantityType
    for encoded in Quantities.__struct_encode_fields__
    if encoded.casefold() == member.value.casefold()
}


def _as_quantities(reported: Quantities | Sequence[TypedQuantity]) -> Quantities:
    if isinstance(reported, Quantities):
        return reported
    named = {_FIELD_OF_TYPE[entry.type]: entry.quantity for entry in reported if entry.type in _FIELD_OF_TYPE}
    return msgspec.convert(named, Quantities)


class Localization(Answer, frozen=True, kw_only=True):
    """The part of a stock that lies in one storage country, with its last change (meaning **D**, layout **A**)."""

    storage_country: Annotated[str, A]
    reported_quantities: Annotated[Quantities | list[TypedQuantity], A] = msgspec.field(
        name="quantities", default_factory=Quantities
    )
    updated_at: Annotated[datetime | None, A] = None
    update_reason: Annotated[str | None, A] = None

    @property
    def quantities(self) -> Quantities:
        """Items by type, whichever of the two layouts the API used."""
        return _as_quantities(self.reported_quantities)


class Stock(Answer, frozen=True, kw_only=True):
    """The stock of one product in one condition. It does not carry the seller's reference (**D**)."""

    id: Annotated[str, D]
    product_id: Annotated[str | None, D] = None
    product_state: Annotated[ProductState | None, D] = None
    product_condition: Annotated[ProductCondition | None, A] = None
    gtin: Annotated[str | None, A] = None
    updated_at: Annotated[datetime | None, A] = None
    reported_quantities: Annotated[Quantities | list[TypedQuantity], A] = msgspec.field(
        name="quantities", default_factory=Quantities
    )
    localizations: Annotated[list[Localization], D] = msgspec.field(default_factory=list[Localization])

    @property
    def quantities(self) -> Quantities:
        """Items by type over all countries, whichever of the two layouts the API used."""
        return _as_quantities(self.reported_quantities)


class StockFilters(Request, frozen=True, kw_only=True):
    """What ``GET /stocks`` can be asked for.

    ``limit`` is required by the API (**D**, 1 to 1000). ``delivery_country`` cannot be combined with
    ``updated_at_min``, ``updated_at_max``, ``storage_country``, ``sort`` or ``order`` (**D**).
    """

    # A factory, because a plain default would be left out of the query and the API requires it.
    limit: Annotated[int, D, bounds("D", minimum=1, maximum=PAGE_MAX)] = msgspec.field(default_factory=lambda: 1000)
    cursor: Annotated[str | None, D] = None
    updated_at_min: Annotated[datetime | None, D] = None
    updated_at_max: Annotated[datetime | None, D] = None
    storage_country: Annotated[str | None, D] = None
    delivery_country: Annotated[str | None, D] = None
    sort: Annotated[str | None, D, known(QuantityType)] = None
    order: Annotated[str | None, D, known(SortOrder)] = None
