"""The order and the stock as dataclasses, with handwritten conversions from and to JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass
class Line:
    """One line of an order."""

    quantity: int
    seller_product_reference: str


@dataclass
class Order:
    """An order to ship."""

    reference: str
    lines: list[Line]
    delivery_address: dict[str, str]
    delivery_mode: str
    storage_country: str

    @classmethod
    def from_dict(cls, source: dict[str, Any]) -> Order:
        """Convert from the wire form."""
        lines = [Line(line["quantity"], line["sellerProductReference"]) for line in source["lines"]]
        address = dict(source["deliveryAddress"])
        return cls(source["reference"], lines, address, source["deliveryMode"], source["storageCountry"])

    def to_dict(self) -> dict[str, Any]:
        """Convert to the wire form."""
        return {
            "reference": self.reference,
            "lines": [
                {"quantity": line.quantity, "sellerProductReference": line.seller_product_reference}
                for line in self.lines
            ],
            "deliveryAddress": self.delivery_address,
            "deliveryMode": self.delivery_mode,
            "storageCountry": self.storage_country,
        }


@dataclass
class Quantities:
    """Quantities by type."""

    available: int
    allocated: int
    blocked: int
    litigation: int
    removal: int
    return_: int
    logistic_operations: int

    @classmethod
    def from_dict(cls, source: dict[str, Any]) -> Quantities:
        """Convert from the wire form."""
        return cls(
            available=source.get("Available", 0),
            allocated=source.get("Allocated", 0),
            blocked=source.get("Blocked", 0),
            litigation=source.get("Litigation", 0),
            removal=source.get("Removal", 0),
            return_=source.get("Return", 0),
            logistic_operations=source.get("LogisticOperations", 0),
        )


@dataclass
class Localization:
    """The part of a stock in one country."""

    storage_country: str
    quantities: Quantities
    updated_at: datetime
    update_reason: str | None

    @classmethod
    def from_dict(cls, source: dict[str, Any]) -> Localization:
        """Convert from the wire form."""
        return cls(
            storage_country=source["storageCountry"],
            quantities=Quantities.from_dict(source["quantities"]),
            updated_at=datetime.fromisoformat(source["updatedAt"]),
            update_reason=source.get("updateReason"),
        )


@dataclass
class Stock:
    """The stock of one product."""

    id: str
    product_id: str
    product_state: str
    product_condition: str
    gtin: str
    updated_at: datetime
    quantities: Quantities
    localizations: list[Localization]

    @classmethod
    def from_dict(cls, source: dict[str, Any]) -> Stock:
        """Convert from the wire form."""
        return cls(
            id=source["id"],
            product_id=source["productId"],
            product_state=source["productState"],
            product_condition=source["productCondition"],
            gtin=source["gtin"],
            updated_at=datetime.fromisoformat(source["updatedAt"]),
            quantities=Quantities.from_dict(source["quantities"]),
            localizations=[Localization.from_dict(place) for place in source["localizations"]],
        )
