"""The stub's responses and the peers' requests, built once: one order, one stock, one page of 1,000 stocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

API = "/seller/v2"
PASCAL_API = "/pascal/v2"
RENAMED_API = "/rename/v2"
TOKEN_PATH = "/token"
TOKEN = "bench-token"
SELLER_ID = "12345"
CREATED_ID = "3f2a0000-1111-4222-8333-%012x"
"""A pattern with a new id for each order: an API does not give one id twice."""
STOCK_ID = "00000000-0000-4000-8000-000000000000"
PAGE = 1000
UPDATED = "2026-07-01T12:34:56Z"

HEADERS = {
    "Accept": "application/json",
    "Authorization": f"Bearer {TOKEN}",
    "SellerId": SELLER_ID,
    "Content-Type": "application/json",
}
"""Headers that the API wants on every call; the other peers get the token from here, ours requests one."""

ORDER: dict[str, Any] = {
    "reference": "ORDER-00000001",
    "lines": [
        {"quantity": 1, "sellerProductReference": "LAMP-STANDARD-1"},
        {"quantity": 2, "sellerProductReference": "CHAIR-OAK-44"},
    ],
    "deliveryAddress": {
        "firstName": "Jeanne",
        "lastName": "Martin",
        "addressLine1": "12 quai de la Paix",
        "postalCode": "75011",
        "city": "Paris",
        "countryCode": "FR",
        "civility": "Mrs",
        "companyName": "Ateliers Martin",
        "addressLine2": "Batiment C, escalier 4",
        "email": "jeanne.martin@example.org",
        "phone": "+33123456789",
    },
    "deliveryMode": "TrackedHomeDelivery",
    "storageCountry": "FR",
}


def _quantities(number: int) -> dict[str, int]:
    return {
        "Available": number % 1000,
        "Allocated": number % 7,
        "Blocked": 0,
        "Litigation": 0,
        "Removal": 0,
        "Return": number % 3,
        "LogisticOperations": 0,
    }


def _localization(country: str, number: int) -> dict[str, Any]:
    return {
        "storageCountry": country,
        "quantities": _quantities(number),
        "updatedAt": UPDATED,
        "updateReason": "Reception",
    }


def stock(number: int) -> dict[str, Any]:
    """Return one stock as the API would show it; about a quarter lie in two countries."""
    countries = ("FR", "ES") if number % 11 < 3 else ("FR",)
    return {
        "id": str(UUID(int=(0x4 << 76) | (0x8 << 60) | number)),
        "productId": str(UUID(int=(0x7 << 120) | (0x4 << 76) | (0x8 << 60) | number)),
        "productState": "New",
        "productCondition": "New",
        "gtin": f"20{number:011d}",
        "updatedAt": UPDATED,
        "quantities": _quantities(number),
        "localizations": [_localization(country, number) for country in countries],
    }


TOKEN_BODY = msgspec.json.encode({"access_token": TOKEN, "expires_in": 86_400, "token_type": "Bearer"})
CREATED_BODY = msgspec.json.encode({"outboundShipmentId": CREATED_ID})
"""The body of a creation, with a place for the number of the order."""
STOCKS = {"itemsPerPage": PAGE, "items": [stock(number) for number in range(PAGE)]}
PAGE_BODY = msgspec.json.encode(STOCKS)

RENAMES = {
    "city": "town",
    "deliveryAddress": "shippingAddress",
    "deliveryMode": "shippingMode",
    "sellerProductReference": "vendorProductReference",
    "storageCountry": "depositCountry",
    "productState": "articleState",
    "updatedAt": "changedAt",
    "updateReason": "changeReason",
    "localizations": "storagePlaces",
    "Available": "Orderable",
}
"""Other names of orders and stocks under ``RENAMED_API``; as long as the usual ones, so the bytes are as many."""


def respelled(value: Any, name: Callable[[str], str]) -> Any:
    """Return the JSON ``value`` with each member renamed by ``name``."""
    match value:
        case dict():
            return {name(key): respelled(part, name) for key, part in cast("dict[str, Any]", value).items()}
        case [*parts]:
            return [respelled(part, name) for part in parts]
        case _:
            return value


def in_pascal(name: str) -> str:
    """Return a name in PascalCase, as all names are under ``PASCAL_API``."""
    return name[0].upper() + name[1:]


def renamed(name: str) -> str:
    """Return a name as it is under ``RENAMED_API``."""
    return RENAMES.get(name, name)


def facts(row: Any) -> tuple[object, ...]:
    """Return the values of a decoded stock, of any library: its names are the same in all of them."""
    places = [(place.storage_country, place.quantities.available) for place in row.localizations]
    return (
        row.id,
        row.product_id,
        str(row.product_state.value if hasattr(row.product_state, "value") else row.product_state),
        row.gtin,
        row.updated_at.isoformat(),
        row.quantities.available,
        row.quantities.return_,
        row.quantities.logistic_operations,
        places,
    )
