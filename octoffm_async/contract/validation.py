"""What is wrong with a request, found before it is sent: all problems of an item at once.

Two strengths, in one place. *Certain* rules are documented, or break what can never be right (a wrong check digit, a
quantity of zero); the client refuses on them. *Assumed* rules (tag A: lengths, array sizes) are our guess; only the
sandbox enforces them, because a guess must never stop what the real API may accept.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec

from .outbound import DeliveryAddress, OutboundFilters, OutboundShipmentRequest, ShipmentLine
from .products import FulfillmentProduct, Packaging, ReferenceFilters
from .stocks import StockFilters

GTIN_LENGTHS = (8, 12, 13, 14)  # D
REFERENCE_MAX = 50  # D for products, A for shipments
PAGE_MAX = 1000  # D

_ASSUMED_PATTERNS = {
    "origin_country": (re.compile(r"[A-Z]{2}"), "is not two capital letters"),
    "customs_code": (re.compile(r"[0-9]{6,10}"), "is not 6 to 10 digits"),
    "un_code": (re.compile(r"[0-9]{4}"), "is not 4 digits"),
}
_ADDRESS_ALWAYS_NEEDED = ("address_line1", "city", "country_code")
_ADDRESS_ASSUMED_NEEDED = ("first_name", "last_name", "postal_code")

Filters: TypeAlias = StockFilters | OutboundFilters | ReferenceFilters


class FieldProblem(NamedTuple):
    """One thing that is wrong: the field's path in Python names, the value, and why it cannot be sent."""

    field: str
    value: object
    reason: str

    def __str__(self) -> str:
        shown = repr(self.value)
        return f"{self.field} = {shown if len(shown) <= 60 else shown[:57] + '…'}: {self.reason}"


def gtin_check_digit(body: str) -> int:
    """The check digit that belongs behind ``body`` (GS1: weights 3, 1, 3 … from the right)."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return -total % 10


def product_problems(product: FulfillmentProduct, *, assumed: bool = False) -> list[FieldProblem]:
    """All problems of a product to register."""
    found = [*_gtin(product.gtin), *_reference("seller_product_reference", product.seller_product_reference)]
    found += _text("product_condition", product.product_condition)
    if product.title is not None:
        found += _text("title", product.title, most=132 if assumed else None)
    if product.packaging is not None:
        found += _packaging(product.packaging)
    if assumed:
        found += _assumed_patterns(product)
    return found + _unencodable("", product)


def outbound_problems(request: OutboundShipmentRequest, *, assumed: bool = False) -> list[FieldProblem]:
    """All problems of a shipping order."""
    found = list(_text("reference", request.reference, most=REFERENCE_MAX if assumed else None))
    found += _text("storage_country", request.storage_country)
    found += _text("delivery_mode", request.delivery_mode)
    if not request.lines:
        found.append(FieldProblem("lines", [], "a shipment needs at least one line"))
    elif assumed and len(request.lines) > 100:
        found.append(FieldProblem("lines", len(request.lines), "more than 100 lines"))
    for place, line in enumerate(request.lines or ()):
        found += _line(f"lines[{place}]", line)
    found += _address(request.delivery_address, assumed=assumed)
    return found + _unencodable("", request)


def filter_problems(filters: Filters) -> list[FieldProblem]:
    """All problems of a list's filters."""
    found: list[FieldProblem] = []
    if not _is_count(filters.limit) or not 1 <= filters.limit <= PAGE_MAX:
        found.append(FieldProblem("limit", filters.limit, f"is not a whole number from 1 to {PAGE_MAX}"))
    match filters:
        case StockFilters():
            found += _period(filters.updated_at_min, filters.updated_at_max, "updated_at")
            found += _excluded_by_delivery_country(filters)
        case OutboundFilters():
            found += _period(filters.status_updated_at_min, filters.status_updated_at_max, "status_updated_at")
        case ReferenceFilters():
            pass
    return found


def wire_path(path: str) -> str:
    """The wire names of a path in Python names: ``lines[0].product_id`` → ``lines[0].productId``."""
    return re.sub(r"[a-z_][a-z0-9_]*", lambda name: _WIRE_NAMES.get(name[0], name[0]), path)


def _wire_names(structs: Iterable[type[msgspec.Struct]]) -> dict[str, str]:
    return {
        field: encoded
        for struct in structs
        for field, encoded in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    }


_WIRE_NAMES = _wire_names(
    (
        FulfillmentProduct,
        Packaging,
        OutboundShipmentRequest,
        ShipmentLine,
        DeliveryAddress,
        StockFilters,
        OutboundFilters,
    )
)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(field: str, value: Any, *, most: int | None = None) -> Iterator[FieldProblem]:
    if not isinstance(value, str):
        yield FieldProblem(field, value, f"is {type(value).__name__}, not text")
    elif not value.strip():
        yield FieldProblem(field, value, "is empty")
    elif most is not None and len(value) > most:
        yield FieldProblem(field, value, f"has {len(value)} characters, at most {most} are allowed")


def _reference(field: str, value: Any) -> Iterator[FieldProblem]:
    yield from _text(field, value, most=REFERENCE_MAX)


def _gtin(value: Any) -> Iterator[FieldProblem]:
    if not isinstance(value, str):
        yield FieldProblem("gtin", value, f"is {type(value).__name__}, not text (leading zeros count)")
    elif not (value.isascii() and value.isdigit()):
        yield FieldProblem("gtin", value, "is not made of digits only")
    elif len(value) not in GTIN_LENGTHS:
        yield FieldProblem("gtin", value, f"has {len(value)} digits, not 8, 12, 13 or 14")
    elif (expected := gtin_check_digit(value[:-1])) != int(value[-1]):
        yield FieldProblem("gtin", value, f"check digit is {value[-1]}, should be {expected}")


def _packaging(packaging: Packaging) -> Iterator[FieldProblem]:
    for name in packaging.__struct_fields__:
        value = getattr(packaging, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and 0 < value <= sys.float_info.max):
            yield FieldProblem(f"packaging.{name}", value, "is not a number above zero")


def _assumed_patterns(product: FulfillmentProduct) -> Iterator[FieldProblem]:
    for field, (pattern, reason) in _ASSUMED_PATTERNS.items():
        value = getattr(product, field)
        if value is not None and not pattern.fullmatch(value):
            yield FieldProblem(field, value, reason)


def _line(path: str, line: ShipmentLine) -> Iterator[FieldProblem]:
    if not _is_count(line.quantity) or line.quantity < 1:
        yield FieldProblem(f"{path}.quantity", line.quantity, "is not a whole number of at least 1")
    named = (line.seller_product_reference or "").strip() or (line.product_id and line.product_condition)
    if not named:
        reason = "no product: give seller_product_reference, or product_id with product_condition"
        yield FieldProblem(path, None, reason)


def _address(address: DeliveryAddress, *, assumed: bool) -> Iterator[FieldProblem]:
    for name in _ADDRESS_ALWAYS_NEEDED + (_ADDRESS_ASSUMED_NEEDED if assumed else ()):
        yield from _text(f"delivery_address.{name}", getattr(address, name))


def _unencodable(path: str, item: msgspec.Struct) -> list[FieldProblem]:
    """Text that JSON cannot carry (half a surrogate pair), wherever it stands."""
    try:
        msgspec.json.encode(item)
    except (UnicodeEncodeError, TypeError, OverflowError):
        return list(_culprits(path, item))
    return []


def _culprits(path: str, value: Any) -> Iterator[FieldProblem]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _culprits(f"{path}.{name}" if path else name, getattr(value, name))
    elif isinstance(value, list | tuple):
        for place, part in enumerate(cast("Sequence[Any]", value)):
            yield from _culprits(f"{path}[{place}]", part)
    else:
        try:
            msgspec.json.encode(value)
        except (UnicodeEncodeError, TypeError, OverflowError) as error:
            yield FieldProblem(path, value, f"cannot be sent as JSON: {error}")


def _period(low: datetime | None, high: datetime | None, stem: str) -> Iterator[FieldProblem]:
    for name, moment in ((f"{stem}_min", low), (f"{stem}_max", high)):
        if moment is not None and moment.tzinfo is None:
            yield FieldProblem(name, moment.isoformat(), "has no time zone")
    both_aware = low is not None and high is not None and low.tzinfo is not None and high.tzinfo is not None
    if both_aware and low is not None and high is not None and low > high:
        yield FieldProblem(f"{stem}_min", low.isoformat(), f"is after {stem}_max")


def _excluded_by_delivery_country(filters: StockFilters) -> Iterator[FieldProblem]:
    if filters.delivery_country is None:
        return
    for name in ("updated_at_min", "updated_at_max", "storage_country", "sort", "order"):
        value = getattr(filters, name)
        if value is not None:
            yield FieldProblem(name, str(value), "cannot be combined with delivery_country")
