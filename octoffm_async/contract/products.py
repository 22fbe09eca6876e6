"""Products: registering them for the warehouse, and the seller's references to them (API.md, 4)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from .base import FILLED, A, Answer, D, OpenEnum, Query, Request, S, bounds, known
from .bounds import (
    COUNTRY_PATTERN,
    CUSTOMS_CODE_PATTERN,
    GTIN_PATTERN,
    PAGE_MAX,
    REFERENCE_MAX,
    TITLE_MAX,
    UN_CODE_PATTERN,
)

QUOTA_EXCEEDED = "QuotaExceeded"
"""The code of an item that is refused inside a 2xx answer because a quota is used up (**S**)."""


class ProductCondition(OpenEnum):
    """Condition of a registered product (**D**, open)."""

    NEW = "New"
    LIKE_NEW = "LikeNew"


class RegistrationStatus(OpenEnum):
    """What became of one product of a registration call (**A**)."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"


class Packaging(Request, frozen=True, kw_only=True):
    """Measures of the PACKAGED product. The warehouse measures again on arrival (**D**)."""

    length_cm: Annotated[float, A, bounds("A", exclusiveMinimum=0)] = msgspec.field(name="length")
    width_cm: Annotated[float, A, bounds("A", exclusiveMinimum=0)] = msgspec.field(name="width")
    height_cm: Annotated[float, A, bounds("A", exclusiveMinimum=0)] = msgspec.field(name="height")
    weight_g: Annotated[float, A, bounds("A", exclusiveMinimum=0)] = msgspec.field(name="weight")


class FulfillmentProduct(Request, frozen=True, kw_only=True):
    """A product to register, or, with only the first two fields and the condition, a reference to add to a known one.

    ``gtin`` has 8, 12, 13 or 14 digits with a valid check digit; ``seller_product_reference`` 1 to 50 characters,
    unique per seller; each pair (``gtin``, ``product_condition``) has exactly one reference (**D**).
    """

    gtin: Annotated[str, D, bounds("D", pattern=GTIN_PATTERN)]
    seller_product_reference: Annotated[str, D, bounds("D", minLength=1, maxLength=REFERENCE_MAX)]
    title: Annotated[str | None, A, bounds("A", minLength=1, maxLength=TITLE_MAX)] = None
    # A factory, because a plain default would be left out of the message and the API has no documented default.
    product_condition: Annotated[str, D, FILLED, known(ProductCondition)] = msgspec.field(
        default_factory=lambda: ProductCondition.NEW
    )
    packaging: Annotated[Packaging | None, A] = None
    origin_country: Annotated[str | None, A, bounds("A", pattern=COUNTRY_PATTERN)] = None
    customs_code: Annotated[str | None, A, bounds("A", pattern=CUSTOMS_CODE_PATTERN)] = None
    un_code: Annotated[str | None, A, bounds("A", pattern=UN_CODE_PATTERN)] = None
    icpe_code: Annotated[str | None, A] = None
    is_traceable: Annotated[bool | None, A] = None


class ProductResult(Answer, frozen=True, kw_only=True):
    """The API's word on one product of a registration call (**A**)."""

    seller_product_reference: Annotated[str, A]
    status: Annotated[RegistrationStatus, A]
    code: Annotated[str | None, A] = None
    message: Annotated[str | None, A] = None

    @property
    def over_quota(self) -> bool:
        """Whether it was refused for a quota (**S**), not for what it is."""
        refused = self.status is not RegistrationStatus.ACCEPTED
        return refused and (self.code or "").casefold() == QUOTA_EXCEEDED.casefold()


class ProductResults(Answer, frozen=True, kw_only=True):
    """Body of a registration's answer (**A**). The body may also be empty: then references are read back."""

    items: Annotated[Sequence[ProductResult], A] = ()


class SellerReference(Answer, frozen=True, kw_only=True):
    """One of the seller's references, and the product and stock that it stands for."""

    seller_product_reference: Annotated[str, D]
    seller_id: Annotated[str | None, S] = None
    product_id: Annotated[str | None, D] = None
    stock_id: Annotated[str | None, D] = None
    gtin: Annotated[str | None, A] = None
    product_condition: Annotated[ProductCondition | None, A] = None
    created_at: Annotated[datetime | None, A] = None


class ReferenceFilters(Query, frozen=True, kw_only=True):
    """What ``GET /stock-seller-references`` can be asked for."""

    # A factory, because a plain default would be left out of the query.
    limit: Annotated[int, D, bounds("D", minimum=1, maximum=PAGE_MAX)] = msgspec.field(default_factory=lambda: 1000)
    cursor: Annotated[str | None, D] = None
