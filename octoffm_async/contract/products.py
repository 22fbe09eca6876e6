"""Products: registration for the warehouse, and the seller's references to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .access import PageBody
from .base import NON_EMPTY, A, Answer, D, OpenEnum, Query, Request, S, Text, bounds, known_values
from .common import PageCursor, PageLimit
from .operation import Group, Operation, Repeatability, Shape
from .requests.checks import (
    COUNTRY_PATTERN,
    CUSTOMS_CODE_PATTERN,
    GTIN_PATTERN,
    REFERENCE_MAX,
    TITLE_MAX,
    UN_CODE_PATTERN,
)

QUOTA_EXCEEDED = "QuotaExceeded"
"""Code of an item that the API refuses inside a 2xx answer because a quota is exhausted (seen)."""


class ProductCondition(OpenEnum):
    """Condition of a registered product (documented, open)."""

    NEW = "New"
    LIKE_NEW = "LikeNew"


ProductConditionName: TypeAlias = Literal["New", "LikeNew"] | str
"""The values of :class:`ProductCondition`, or any other text."""


class RegistrationStatus(OpenEnum):
    """Result of one product in a registration call (assumed)."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    UNCONFIRMED: "RegistrationStatus"
    """Of this package: the API accepted the call without results, and does not list the reference yet."""


RegistrationStatus.UNCONFIRMED = RegistrationStatus("Unconfirmed")  # no member: the API has no such value


class Packaging(Request, frozen=True, kw_only=True):
    """Measures of the PACKAGED product. The warehouse measures again on arrival (documented)."""

    length_cm: Annotated[
        float, A, Meta(description="Length of the packaged product in centimetres"), bounds("A", exclusiveMinimum=0)
    ] = msgspec.field(name="length")
    width_cm: Annotated[
        float, A, Meta(description="Width of the packaged product in centimetres"), bounds("A", exclusiveMinimum=0)
    ] = msgspec.field(name="width")
    height_cm: Annotated[
        float, A, Meta(description="Height of the packaged product in centimetres"), bounds("A", exclusiveMinimum=0)
    ] = msgspec.field(name="height")
    weight_g: Annotated[
        float, A, Meta(description="Weight of the packaged product in grams"), bounds("A", exclusiveMinimum=0)
    ] = msgspec.field(name="weight")


class FulfillmentProduct(Request, frozen=True, kw_only=True):
    """A product to register, or, with only the first two fields and the condition, a reference to add to a known one.

    ``gtin`` has 8, 12, 13 or 14 digits with a valid check digit; ``seller_product_reference`` 1 to 50 characters,
    unique per seller; each pair (``gtin``, ``product_condition``) has exactly one reference (documented). The units are
    centimetres and grams::

        FulfillmentProduct(
            gtin="4006381333931",
            seller_product_reference="SKU-1",
            packaging=Packaging(length_cm=20, width_cm=12, height_cm=8, weight_g=350),
        )
    """

    gtin: Annotated[
        str,
        D,
        Meta(description="GTIN (EAN, UPC) with 8, 12, 13 or 14 digits; leading zeros count"),
        bounds("D", pattern=GTIN_PATTERN),
    ]
    seller_product_reference: Annotated[
        str,
        D,
        Meta(description="The seller's own reference of the product, unique per seller, 1 to 50 characters"),
        bounds("D", minLength=1, maxLength=REFERENCE_MAX),
    ]
    title: Annotated[
        str | None, A, Meta(description="Title of the product"), bounds("A", minLength=1, maxLength=TITLE_MAX)
    ] = None
    # A factory: the encoder omits plain defaults, and the API has no documented default.
    product_condition: Annotated[
        Text[ProductConditionName],
        D,
        Meta(description="Condition of the product, such as New or LikeNew"),
        NON_EMPTY,
        known_values(ProductCondition),
    ] = msgspec.field(default_factory=lambda: ProductCondition.NEW)
    packaging: Annotated[Packaging | None, A, Meta(description="Measures of the packaged product")] = None
    origin_country: Annotated[
        str | None,
        A,
        Meta(description="Country of origin, ISO 3166-1 alpha-2, such as FR"),
        bounds("A", pattern=COUNTRY_PATTERN),
    ] = None
    customs_code: Annotated[
        str | None,
        A,
        Meta(description="Customs tariff code (Harmonized System) with 6 to 10 digits"),
        bounds("A", pattern=CUSTOMS_CODE_PATTERN),
    ] = None
    un_code: Annotated[
        str | None,
        A,
        Meta(description="UN number of a dangerous good with 4 digits, such as 1950"),
        bounds("A", pattern=UN_CODE_PATTERN),
    ] = None
    icpe_code: Annotated[
        str | None,
        A,
        Meta(description="ICPE code of a dangerous good, from the French classification of installations"),
    ] = None
    is_traceable: Annotated[bool | None, A, Meta(description="True if each item is traced")] = None


class ProductResult(Answer, frozen=True, kw_only=True):
    """The API's result for one product of a registration call (assumed)."""

    seller_product_reference: Annotated[str, A, Meta(description="The seller's own reference of the product")]
    status: Annotated[RegistrationStatus, A, Meta(description="Accepted or Refused")]
    code: Annotated[str | None, A, Meta(description="Code of the reason for a refusal, such as QuotaExceeded")] = None
    message: Annotated[str | None, A, Meta(description="Explanation of the refusal")] = None

    @property
    def over_quota(self) -> bool:
        """True if the API refused the product because of a quota (seen), not because of its data."""
        refused = self.status is not RegistrationStatus.ACCEPTED
        return refused and (self.code or "").casefold() == QUOTA_EXCEEDED.casefold()


class ProductResults(Answer, frozen=True, kw_only=True):
    """Body of a registration's answer (assumed). It may also be empty; the client then reads the references back."""

    items: Annotated[Sequence[ProductResult], A, Meta(description="Results, one for each product")] = ()


class SellerReference(Answer, frozen=True, kw_only=True):
    """A reference of the seller, with its product and its stock."""

    seller_product_reference: Annotated[str, D, Meta(description="The seller's own reference of the product")]
    seller_id: Annotated[str | None, S, Meta(description="Octopia's id of the seller")] = None
    product_id: Annotated[str | None, D, Meta(description="Octopia's id of the product")] = None
    stock_id: Annotated[str | None, D, Meta(description="Id of the stock, for stocks.get")] = None
    gtin: Annotated[str | None, A, Meta(description="GTIN (EAN, UPC) of the product")] = None
    product_condition: Annotated[
        ProductCondition | None, A, Meta(description="Condition of the product, such as New or LikeNew")
    ] = None
    created_at: Annotated[datetime | None, A, Meta(description="Time of creation")] = None


class ReferenceFilters(Query, frozen=True, kw_only=True):
    """Filters of ``GET /stock-seller-references``."""

    # A factory: the encoder omits plain defaults.
    limit: PageLimit = msgspec.field(default_factory=lambda: 1000)
    cursor: PageCursor = None


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

OPERATIONS = (
    CREATE_PRODUCTS,
    LIST_REFERENCES,
)
