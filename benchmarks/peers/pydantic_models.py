"""The order and the stock as pydantic models."""
# pyright: basic, reportMissingImports=false

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel, to_pascal


class Model(BaseModel):
    """A model with camelCase names on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Line(Model):
    """One line of an order."""

    quantity: int
    seller_product_reference: str


class Address(Model):
    """The address of the parcel."""

    first_name: str
    last_name: str
    address_line1: str = Field(alias="addressLine1")
    postal_code: str
    city: str
    country_code: str
    civility: str | None = None
    company_name: str | None = None
    address_line2: str | None = Field(default=None, alias="addressLine2")
    email: str | None = None
    phone: str | None = None


class Order(Model):
    """An order to ship."""

    reference: str
    lines: list[Line]
    delivery_address: Address
    delivery_mode: str
    storage_country: str


class Created(Model):
    """The response to a creation."""

    outbound_shipment_id: str


class Quantities(Model):
    """Quantities by type; PascalCase on the wire."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)

    available: int = 0
    allocated: int = 0
    blocked: int = 0
    litigation: int = 0
    removal: int = 0
    return_: int = Field(default=0, alias="Return")
    logistic_operations: int = 0


class Localization(Model):
    """The part of a stock in one country."""

    storage_country: str
    quantities: Quantities
    updated_at: datetime | None = None
    update_reason: str | None = None


class Stock(Model):
    """The stock of one product."""

    id: str
    product_id: str | None = None
    product_state: str | None = None
    product_condition: str | None = None
    gtin: str | None = None
    updated_at: datetime
    quantities: Quantities
    localizations: list[Localization] = []


class Page(Model):
    """One page of stocks."""

    items_per_page: int | None = None
    items: list[Stock]
