"""The kinds of items that rows can become: products, shipping orders, supply orders, references to look up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from ..contract.base import modelled_fields
from ..contract.common import ShipmentLine
from ..contract.inbound import InboundShipmentRequest
from ..contract.outbound import DeliveryAddress, OutboundShipmentRequest
from ..contract.products import FulfillmentProduct, Packaging
from ..contract.requests.checks import FieldProblem
from ..contract.requests.validation import extra_name_problem, inbound_problems, outbound_problems, product_problems
from ..errors import ConfigurationError
from . import cell_parsers as read
from .formats.jsonl_table import snake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..contract.base import Request
    from .cell_parsers import CellParser, CellValue

EXTRA: Final = "extra."
"""Prefix of a member that the API has and the package does not model; the rest of the name is the API's."""
_PACKAGING: Final = modelled_fields(Packaging)
_LINE: Final[Mapping[str, CellParser]] = {
    "lines.seller_product_reference": read.code,
    "lines.quantity": read.whole,
    "lines.product_id": read.text,
    "lines.product_condition": read.text,
}


@dataclass(frozen=True, kw_only=True)
class ItemType:
    """One kind of item. Fields have dotted names; ``build`` takes the common values and those of each line.

    ``needed`` fields must be mapped or set, ``filled`` ones may not be empty where they are mapped, ``all_or_none``
    ones go together.
    """

    name: str
    plural: str
    key: str
    fields: Mapping[str, CellParser]
    needed: frozenset[str]
    filled: frozenset[str]
    build: Callable[[dict[str, CellValue], Sequence[Mapping[str, CellValue]]], Any]
    problems: Callable[[Any], list[FieldProblem]]
    struct: type[Request] | None = None
    """The struct of the request; without one, an item has no extra members."""
    all_or_none: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    """Fields of which one must be mapped or set."""
    key_from: str = ""
    """The field that replaces the key where the key is neither mapped nor set."""

    def field(self, name: str) -> str:
        """Return the full name of a field that is given in full, by its last part, or by the API's name.

        Raises:
            ConfigurationError: There is no such field.
        """
        if name.startswith(EXTRA):
            check_extra(self.struct, name)
            return name
        found = self.find(name)
        if not found:
            raise ConfigurationError(f"no field {name}; there are {', '.join(self.fields)}")
        return found

    def reader(self, name: str) -> CellParser:
        """Return the parser of a field's cells."""
        return read.text if name.startswith(EXTRA) else self.fields[name]

    def find(self, name: str) -> str:
        """Return the full name of a field as :meth:`field` does; empty if there is none."""
        field = snake(name)
        wire = {"length": "length_cm", "width": "width_cm", "height": "height_cm", "weight": "weight_g"}
        head, _, last = field.rpartition(".")
        if head == "packaging":
            field = f"packaging.{wire.get(last, last)}"
        return field if field in self.fields else self._short.get(field, "")

    @property
    def _short(self) -> dict[str, str]:
        times = Counter(field.rpartition(".")[2] for field in self.fields)
        return {short: field for field in self.fields if times[short := field.rpartition(".")[2]] == 1}

    @property
    def has_lines(self) -> bool:
        """True if several rows can make one item."""
        return any(field.startswith("lines.") for field in self.fields)


def check_extra(struct: type[Request] | None, name: str) -> None:
    """Refuse a name ``extra.NAME`` that no item of ``struct`` can have.

    Raises:
        ConfigurationError: The struct has a field of that name, or no extra members at all.
    """
    member = name.removeprefix(EXTRA)
    if struct is None:
        raise ConfigurationError(f"{name}: these items have no request that could hold it")
    if "." in member:
        head, _, last = member.partition(".")
        raise ConfigurationError(
            f'{name} is inside another member: set that one as JSON, such as {EXTRA}{head}={{"{last}": …}}'
        )
    if reason := extra_name_problem(struct, member):
        raise ConfigurationError(f"{name}: {member!r} {reason}")


def _extra(values: Mapping[str, CellValue]) -> dict[str, CellValue] | None:
    """Return the extra members, sorted by name: the journal compares earlier payloads as text."""
    found = {name.removeprefix(EXTRA): value for name, value in values.items() if name.startswith(EXTRA)}
    return dict(sorted(found.items())) or None


def _own(values: Mapping[str, CellValue], nested: str = EXTRA) -> Any:
    return {name: value for name, value in values.items() if not name.startswith((nested, EXTRA))}


def _product(values: dict[str, CellValue], _lines: Sequence[Mapping[str, CellValue]]) -> FulfillmentProduct:
    own = _own(values, "packaging.")
    own.setdefault("seller_product_reference", own["gtin"])
    measures: Any = {name: values[f"packaging.{name}"] for name in _PACKAGING if f"packaging.{name}" in values}
    box = Packaging(**measures) if measures else None
    return FulfillmentProduct(packaging=box, extra=_extra(values), **own)


def _lines_of(lines: Sequence[Mapping[str, CellValue]]) -> list[ShipmentLine]:
    return [
        ShipmentLine(**cast("Any", {field.removeprefix("lines."): value for field, value in line.items()}))
        for line in lines
    ]


def _order(values: dict[str, CellValue], lines: Sequence[Mapping[str, CellValue]]) -> OutboundShipmentRequest:
    own = _own(values, "delivery_address.")
    address: Any = {name: values.get(f"delivery_address.{name}") for name in modelled_fields(DeliveryAddress)}
    for name in _ADDRESS_NEEDED:
        address[name] = address[name] or ""
    to = DeliveryAddress(**address)
    return OutboundShipmentRequest(lines=_lines_of(lines), delivery_address=to, extra=_extra(values), **own)


def _supply(values: dict[str, CellValue], lines: Sequence[Mapping[str, CellValue]]) -> InboundShipmentRequest:
    return InboundShipmentRequest(lines=_lines_of(lines), extra=_extra(values), **_own(values))


def _reference(values: dict[str, CellValue], _lines: Sequence[Mapping[str, CellValue]]) -> str:
    return cast("str", values["seller_product_reference"])


def _none(_item: Any) -> list[FieldProblem]:
    return []


def _order_problems(order: OutboundShipmentRequest) -> list[FieldProblem]:
    """Return the problems of an order, and of a postal code whose zeros a spreadsheet dropped."""
    found = outbound_problems(order)
    to = order.delivery_address
    code = to.postal_code
    if to.country_code in _FIVE_DIGITS and code.isascii() and code.isdigit() and len(code) in {3, 4}:
        reason = f"has {len(code)} digits, and those of {to.country_code} have 5: did a spreadsheet drop a zero of "
        found.append(FieldProblem("delivery_address.postal_code", code, f"{reason}{code.zfill(5)}?"))
    return found


_FIVE_DIGITS: Final = frozenset({"DE", "ES", "FR", "IT"})
"""Countries whose postal codes have five digits, some of them with a leading zero."""
_NUMBERLIKE: Final = frozenset({"postal_code", "phone"})
_ADDRESS_NEEDED: Final = ("first_name", "last_name", "address_line1", "postal_code", "city", "country_code")

PRODUCTS: Final = ItemType(
    name="product",
    plural="products",
    key="seller_product_reference",
    key_from="gtin",
    fields={
        "gtin": read.gtin,
        "seller_product_reference": read.code,
        "title": read.text,
        "product_condition": read.text,
        **{f"packaging.{name}": read.number for name in _PACKAGING},
        "origin_country": read.text,
        "customs_code": read.text,
        "un_code": read.text,
        "icpe_code": read.text,
        "is_traceable": read.flag,
    },
    needed=frozenset({"gtin"}),
    filled=frozenset({"gtin", "seller_product_reference", "title", *(f"packaging.{name}" for name in _PACKAGING)}),
    all_or_none=tuple(f"packaging.{name}" for name in _PACKAGING),
    build=_product,
    problems=product_problems,
    struct=FulfillmentProduct,
)
ORDERS: Final = ItemType(
    name="order",
    plural="orders",
    key="reference",
    fields={
        "reference": read.code,
        "delivery_mode": read.text,
        "storage_country": read.text,
        **{
            f"delivery_address.{name}": read.code if name in _NUMBERLIKE else read.text
            for name in modelled_fields(DeliveryAddress)
        },
        **_LINE,
    },
    needed=frozenset(
        {"reference", "delivery_mode", "storage_country", "lines.quantity"}
        | {f"delivery_address.{name}" for name in _ADDRESS_NEEDED}
    ),
    filled=frozenset({"reference", "delivery_mode", "storage_country", "lines.quantity"}),
    any_of=("lines.seller_product_reference", "lines.product_id"),
    build=_order,
    problems=_order_problems,
    struct=OutboundShipmentRequest,
)
SUPPLIES: Final = ItemType(
    name="supply order",
    plural="supply orders",
    key="reference",
    fields={
        "reference": read.code,
        "storage_country": read.text,
        "expected_delivery_date": read.moment,
        **_LINE,
    },
    needed=frozenset({"reference", "storage_country", "lines.seller_product_reference", "lines.quantity"}),
    filled=frozenset({"reference", "storage_country", "lines.seller_product_reference", "lines.quantity"}),
    build=_supply,
    problems=inbound_problems,
    struct=InboundShipmentRequest,
)
REFERENCES: Final = ItemType(
    name="reference",
    plural="references",
    key="seller_product_reference",
    fields={"seller_product_reference": read.code},
    needed=frozenset({"seller_product_reference"}),
    filled=frozenset({"seller_product_reference"}),
    build=_reference,
    problems=_none,
)
