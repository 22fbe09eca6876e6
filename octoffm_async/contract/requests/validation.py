"""Validation of requests before the client sends them; it reports all problems of an item at once.

There are two kinds of rules. *Certain* rules are documented, or reject values that can never be valid (a wrong check
digit, a quantity of zero); the client rejects a request that breaks one. *Assumed* rules (tag A: lengths, array sizes)
are guesses; only the sandbox enforces them, because a guess must never stop a request that the real API may accept.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import msgspec

from ..answers.names import folded
from ..base import Request, modelled_fields
from ..common import ShipmentLine
from ..inbound import InboundFilters, InboundShipmentRequest
from ..outbound import DeliveryAddress, OutboundCancellationRequest, OutboundFilters, OutboundShipmentRequest
from ..products import FulfillmentProduct, Packaging
from ..returns import ReturnFilters, ReturnRequest
from ..stocks import StockFilters
from .checks import (
    COUNTRY_PATTERN,
    CUSTOMS_CODE_PATTERN,
    GTIN_LENGTHS,
    LINES_MAX,
    NOT_ENCODABLE,
    QUANTITY_MAX,
    REFERENCE_MAX,
    SUPPLY_LINES_MAX,
    TITLE_MAX,
    UN_CODE_PATTERN,
    FieldProblem,
    control_sign,
    is_blank,
    is_whole_number,
    optional_text_problems,
    text_problems,
    time_problems,
    with_encoding_problems,
)

_ASSUMED_PATTERNS = {
    "origin_country": (re.compile(COUNTRY_PATTERN), "is not two capital letters"),
    "customs_code": (re.compile(CUSTOMS_CODE_PATTERN), "is not 6 to 10 digits"),
    "un_code": (re.compile(UN_CODE_PATTERN), "is not 4 digits"),
}
_ADDRESS_NEEDED = ("address_line1", "city", "country_code")
_ADDRESS_TEXTS = modelled_fields(DeliveryAddress)
_ADDRESS_NEEDED_IF_ASSUMED = (*_ADDRESS_NEEDED, "first_name", "last_name", "postal_code")
_ENCODER = msgspec.json.Encoder()
_BACKSLASH, _DELETE = b"\\\x7f"


def gtin_check_digit(body: str) -> int:
    """Compute the check digit that follows ``body`` (GS1: weights 3, 1, 3 … from the right)."""
    digits = [byte & 15 for byte in body.encode()]
    return -(3 * sum(digits[::-2]) + sum(digits[-2::-2])) % 10


def product_problems(product: FulfillmentProduct, *, assumed: bool = False) -> list[FieldProblem]:
    """Return all problems of a product to register."""
    found = list(_gtin(product.gtin))
    found += text_problems("seller_product_reference", product.seller_product_reference, most=REFERENCE_MAX)
    found += text_problems("product_condition", product.product_condition)
    if product.title is not None:
        found += text_problems("title", product.title, most=TITLE_MAX if assumed else None)
    if product.packaging is not None:
        found += _packaging(product.packaging)
    if assumed:
        found += _assumed_patterns(product)
    found += _extra(product)
    return with_encoding_problems(found, product)


def outbound_problems(request: OutboundShipmentRequest, *, assumed: bool = False) -> list[FieldProblem]:
    """Return all problems of a shipping order."""
    if not assumed and plain_order(request) is not None:
        return []
    found = list(text_problems("reference", request.reference, most=REFERENCE_MAX if assumed else None))
    found += text_problems("storage_country", request.storage_country)
    found += text_problems("delivery_mode", request.delivery_mode)
    found += _lines(request.lines, "a shipment", most=LINES_MAX if assumed else None)
    found += _address(request.delivery_address, assumed=assumed)
    found += _extra(request)
    return with_encoding_problems(found, request)


def inbound_problems(request: InboundShipmentRequest, *, assumed: bool = False) -> list[FieldProblem]:
    """Return all problems of a supply order."""
    found = list(text_problems("reference", request.reference, most=REFERENCE_MAX if assumed else None))
    found += text_problems("storage_country", request.storage_country)
    found += _lines(request.lines, "a supply order", most=SUPPLY_LINES_MAX if assumed else None, reference_only=assumed)
    if request.expected_delivery_date is not None:
        found += time_problems("expected_delivery_date", request.expected_delivery_date)
    found += _extra(request)
    return with_encoding_problems(found, request)


def return_problems(request: ReturnRequest, *, assumed: bool = False) -> list[FieldProblem]:
    """Return all problems of a return."""
    found = list(text_problems("reason", request.reason))
    if not _named(request.outbound_shipment_id) and not _named(request.reference):
        reason = "no shipment: give outbound_shipment_id, or the reference it was ordered with"
        found.append(FieldProblem("outbound_shipment_id", request.outbound_shipment_id, reason))
    found += optional_text_problems(request, "outbound_shipment_id", "reference", "comment")
    found += _lines(request.lines, "a return", most=LINES_MAX if assumed else None, reference_only=assumed)
    found += _extra(request)
    return with_encoding_problems(found, request)


def cancellation_problems(request: OutboundCancellationRequest) -> list[FieldProblem]:
    """Return all problems of a request to cancel a shipment."""
    found = [
        *text_problems("outbound_shipment_id", request.outbound_shipment_id),
        *optional_text_problems(request, "reason"),
        *_extra(request),
    ]
    return with_encoding_problems(found, request)


def wire_path(path: str) -> str:
    """Translate a path in Python names to wire names: ``lines[0].product_id`` → ``lines[0].productId``."""
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
        InboundShipmentRequest,
        ReturnRequest,
        OutboundCancellationRequest,
        StockFilters,
        InboundFilters,
        OutboundFilters,
        ReturnFilters,
    )
)


def _gtin(value: Any) -> Iterator[FieldProblem]:
    if not isinstance(value, str):
        yield FieldProblem("gtin", value, f"is {type(value).__name__}, not text (leading zeros count)")
    elif not (value.isascii() and value.isdigit()):
        yield FieldProblem("gtin", value, "is not made of digits only")
    elif len(value) not in GTIN_LENGTHS:
        yield FieldProblem("gtin", value, f"has {len(value)} digits, not 8, 12, 13 or 14")
    elif not int(value):
        yield FieldProblem("gtin", value, "is made of zeros only, which no article has")
    elif (expected := gtin_check_digit(value[:-1])) != int(value[-1]):
        yield FieldProblem("gtin", value, f"check digit is {value[-1]}, should be {expected}")


def _packaging(packaging: Any) -> Iterator[FieldProblem]:
    if not isinstance(packaging, Packaging):
        yield FieldProblem("packaging", packaging, f"is {type(packaging).__name__}, not Packaging")
        return
    for name in modelled_fields(packaging):
        value = getattr(packaging, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and 0 < value <= sys.float_info.max):
            yield FieldProblem(f"packaging.{name}", value, "is not a number above zero")
    yield from _extra(packaging, "packaging.")


def _assumed_patterns(product: FulfillmentProduct) -> Iterator[FieldProblem]:
    for field, (pattern, reason) in _ASSUMED_PATTERNS.items():
        value = getattr(product, field)
        if value is not None and not pattern.fullmatch(value):
            yield FieldProblem(field, value, reason)


def _lines(lines: object, what: str, *, most: int | None, reference_only: bool = False) -> Iterator[FieldProblem]:
    if isinstance(lines, str) or not isinstance(lines, list | tuple | Sequence):
        yield FieldProblem("lines", lines, f"is {type(lines).__name__}, not a list of lines")
        return
    some = cast(Any, lines)
    if not some:
        yield FieldProblem("lines", [], f"{what} needs at least one line")
    elif most is not None and len(some) > most:
        yield FieldProblem("lines", len(some), f"more than {most} lines")
    for place, line in enumerate(some):
        if _is_plain(line):
            continue
        for problem in _line(line, reference_only=reference_only):
            yield problem._replace(field=f"lines[{place}]{problem.field}")


def plain_order(request: OutboundShipmentRequest) -> bytes | None:
    """Return the JSON of a valid order of the usual form; None for any other order: it needs the full validation.

    Most orders are of this form, and are encoded anyway. The encoded texts are checked together: JSON writes a control
    character with a backslash, and a blank text is empty, begins with a space or is not printable.
    """
    if type(request) is not OutboundShipmentRequest or request.extra is not None:
        return None
    address: Any = request.delivery_address
    lines: Any = request.lines
    if type(address) is not DeliveryAddress or address.extra is not None or type(request.lines) is not list:
        return None
    for line in lines:
        if not _is_plain(line):
            return None
    try:
        begins = request.reference > "!" and request.storage_country > "!" and request.delivery_mode > "!"
        if not (begins and address.address_line1 > "!" and address.city > "!" and address.country_code > "!" and lines):
            return None
        encoded = _ENCODER.encode(request)
    except NOT_ENCODABLE:  # or one of the values is not text
        return None
    if _BACKSLASH in encoded or not ((encoded.isascii() and _DELETE not in encoded) or encoded.decode().isprintable()):
        return None
    return encoded


def _is_plain(line: Any) -> bool:
    """Return True for a valid line of the usual form: a quantity of one reference."""
    if type(line) is not ShipmentLine or line.extra is not None:
        return False
    if line.product_id is not None or line.product_condition is not None:
        return False
    quantity, name = line.quantity, line.seller_product_reference
    if type(quantity) is not int or not 1 <= quantity <= QUANTITY_MAX:
        return False
    return type(name) is str and name > "!" and name.isprintable()


def _line(line: Any, *, reference_only: bool) -> Iterator[FieldProblem]:
    if not isinstance(line, ShipmentLine):
        yield FieldProblem("", line, f"is {type(line).__name__}, not ShipmentLine")
        return
    if not is_whole_number(line.quantity) or not 1 <= line.quantity <= QUANTITY_MAX:
        yield FieldProblem(".quantity", line.quantity, f"is not a whole number from 1 to {QUANTITY_MAX}")
    mistyped = list(optional_text_problems(line, "seller_product_reference", "product_id", "product_condition"))
    if mistyped:
        yield from (problem._replace(field=f".{problem.field}") for problem in mistyped)
    elif not _named(line.seller_product_reference):
        if reference_only:
            yield FieldProblem(".seller_product_reference", line.seller_product_reference, "is empty")
        elif not (_named(line.product_id) and _named(line.product_condition)):
            reason = "no product: give seller_product_reference, or product_id with product_condition"
            yield FieldProblem("", None, reason)
    yield from _extra(line, ".")


def _named(value: Any) -> bool:
    return isinstance(value, str) and not is_blank(value)


def _address(address: Any, *, assumed: bool) -> Iterator[FieldProblem]:
    if not isinstance(address, DeliveryAddress):
        yield FieldProblem("delivery_address", address, f"is {type(address).__name__}, not DeliveryAddress")
        return
    for name in _ADDRESS_NEEDED_IF_ASSUMED if assumed else _ADDRESS_NEEDED:
        value = getattr(address, name)
        if not _named(value):
            yield from text_problems(f"delivery_address.{name}", value)
    for name in _ADDRESS_TEXTS:
        value = getattr(address, name)
        if isinstance(value, str) and (reason := control_sign(value)):
            yield FieldProblem(f"delivery_address.{name}", value, reason)
    yield from _extra(address, "delivery_address.")


def _extra(item: Request, before: str = "") -> Iterator[FieldProblem]:
    """Yield the problems of extra members: a name must be text and must not belong to a field of the item."""
    extra: Any = item.extra
    if extra is None:
        return
    field = f"{before}extra"
    if not isinstance(extra, Mapping):
        yield FieldProblem(field, extra, f"is {type(extra).__name__}, not a mapping of names to values")
        return
    for name in item.extra or ():
        if reason := extra_name_problem(type(item), name):
            yield FieldProblem(field, name, reason)


def extra_name_problem(struct: type[Request], name: object) -> str:
    """Return the reason why ``struct`` cannot have an extra member ``name``; empty if it can."""
    if not isinstance(name, str):
        return f"is a name that is {type(name).__name__}, not text"
    if not name.strip():
        return "is an empty name"
    own = _names_of(struct).get(folded(name))
    return "" if own is None else f"is a name of the field {own}: set that field"


@lru_cache(maxsize=32)
def _names_of(struct: type[Request]) -> Mapping[str, str]:
    """Return the fields of a struct by their folded names, both in Python and on the wire."""
    wire = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    return {folded(spelled): name for name in modelled_fields(struct) for spelled in (name, wire[name])}
