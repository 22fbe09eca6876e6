"""The kinds of items that rows can become: products, shipping orders, supply orders, references to look up."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..contract.base import modelled_fields
from ..contract.common import ShipmentLine
from ..contract.inbound import InboundShipmentRequest
from ..contract.outbound import DeliveryAddress, OutboundShipmentRequest
from ..contract.products import FulfillmentProduct, Packaging
from ..contract.requests.checks import FieldProblem
from ..contract.requests.validation import extra_name_problem, inbound_problems, outbound_problems, product_problems
from ..errors import ConfigurationError
from .cells import parsers as read
from .cells.countries import POSTAL_DIGITS, postal_code
from .formats.encodings import GUESSED, doubt_of_country
from .formats.jsonl_table import snake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from ..contract.base import Request
    from .cells.notes import ReadingNotes
    from .cells.parsers import CellParser
    from .cells.readers import ReadingOptions

EXTRA: Final = "extra."
"""Prefix of a member that the API has and the package does not model; the rest of the name is the API's."""
_PACKAGING: Final = modelled_fields(Packaging)
_LINE: Final[Mapping[str, CellParser]] = {
    "lines.seller_product_reference": read.code,
    "lines.quantity": read.whole,
    "lines.product_id": read.code,
    "lines.product_condition": read.text,
}
Values: TypeAlias = dict[str, dict[str, Any]]
"""The values of an item's fields by the object that they are members of: empty for the item itself."""


@dataclass(frozen=True, kw_only=True)
class ItemType:
    """One kind of item. Fields have dotted names; ``build`` takes the values, and those of each line.

    ``needed`` fields must be mapped or set, ``filled`` ones may not be empty where they are mapped, ``all_or_none``
    ones go together.
    """

    name: str
    plural: str
    key: str
    fields: Mapping[str, CellParser]
    needed: frozenset[str]
    filled: frozenset[str]
    build: Callable[[Values, Sequence[dict[str, Any]]], Any]
    problems: Callable[[Any], list[FieldProblem]]
    struct: type[Request] | None = None
    """The struct of the request; without one, an item has no extra members."""
    all_or_none: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    """Fields of which one must be mapped or set."""
    key_from: str = ""
    """The field that replaces the key where the key is neither mapped nor set."""
    parts_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Fields by a field that holds them all, such as the full name; a file has one or the others."""
    settle: Callable[[Values, ReadingOptions, ReadingNotes], list[FieldProblem]] | None = None
    """The function that mends values which depend on each other; it changes them and returns what it cannot mend."""

    def full_name(self, name: str) -> str:
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
        """Return the full name of a field as :meth:`full_name` does; empty if there is none."""
        field = snake(name)
        wire = {"length": "length_cm", "width": "width_cm", "height": "height_cm", "weight": "weight_g"}
        head, _, last = field.rpartition(".")
        if head == "packaging":
            field = f"packaging.{wire.get(last, last)}"
        return field if field in self.fields else self._short.get(field, "")

    @cached_property
    def _short(self) -> dict[str, str]:
        times = Counter(field.rpartition(".")[2] for field in self.fields)
        return {short: field for field in self.fields if times[short := field.rpartition(".")[2]] == 1}

    @cached_property
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


def _extra(values: Values) -> dict[str, Any] | None:
    """Return the extra members, sorted by name: the journal compares earlier payloads as text."""
    return dict(sorted(found.items())) if (found := values.get("extra")) else None


def _product(values: Values, _lines: Sequence[dict[str, Any]]) -> FulfillmentProduct:
    own, measures = values[""], values.get("packaging")
    own.setdefault("seller_product_reference", own["gtin"])
    return FulfillmentProduct(packaging=Packaging(**measures) if measures else None, extra=_extra(values), **own)


def _lines_of(lines: Sequence[dict[str, Any]]) -> list[ShipmentLine]:
    return [ShipmentLine(**line) for line in lines]


def _order(values: Values, lines: Sequence[dict[str, Any]]) -> OutboundShipmentRequest:
    to = DeliveryAddress(**_NO_ADDRESS | values["delivery_address"])
    return OutboundShipmentRequest(lines=_lines_of(lines), delivery_address=to, extra=_extra(values), **values[""])


def _supply(values: Values, lines: Sequence[dict[str, Any]]) -> InboundShipmentRequest:
    return InboundShipmentRequest(lines=_lines_of(lines), extra=_extra(values), **values[""])


def _reference(values: Values, _lines: Sequence[dict[str, Any]]) -> str:
    found: str = values[""]["seller_product_reference"]
    return found


def _none(_item: Any) -> list[FieldProblem]:
    return []


def _settle_order(values: Values, options: ReadingOptions, notes: ReadingNotes) -> list[FieldProblem]:
    """Split a full name, and check what the cells of an address tell only together or by their field."""
    found: list[FieldProblem] = []
    address = values["delivery_address"]
    if full := address.pop("full_name", None):
        first, _, last = full.rpartition(" ")
        if not first or "," in first:
            reason = "is not a first and a last name with a blank between: map both from columns of their own"
            found.append(FieldProblem(_FULL_NAME, full, reason))
        address |= {"first_name": first.strip(), "last_name": last}
        notes.changed(_FULL_NAME, "split at its last blank", full, f"{first.strip()} + {last}")
    country, given = address.get("country_code"), address.get("postal_code")
    if country and given and _POSTAL_CODE not in options.literal:
        filled, reason = postal_code(country, given)
        if filled and options.fill_zeros:
            address["postal_code"] = filled
            notes.changed(_POSTAL_CODE, "dropped zeros were filled", given, filled)
        elif reason:
            hint = " (--fill-zeros fills them)" if filled else ""
            found.append(FieldProblem(_POSTAL_CODE, given, f"{reason}{hint}"))
    literal = {name.removeprefix("delivery_address.") for name in options.literal}
    if country and notes.facts.get("encoding") == GUESSED:
        for member, text in address.items():
            if member not in literal and (doubt := doubt_of_country(text, country)):
                found.append(FieldProblem(f"delivery_address.{member}", text, doubt))
    if "0" in address.values():
        found += _zeros(address, literal, notes)
    if not (given and address.get("first_name") and address.get("last_name")):
        found += _blanks(address, literal, notes)
    return found + _misplaced(address, literal)


def _blanks(address: Mapping[str, Any], literal: AbstractSet[str], notes: ReadingNotes) -> list[FieldProblem]:
    """Return the problems of an address without a postal code or without a name; note one that has half a name."""
    found: list[FieldProblem] = []
    country = address.get("country_code")
    if not address.get("postal_code") and country in POSTAL_DIGITS and "postal_code" not in literal:
        reason = f"is empty, and addresses of {country} have one (--literal {_POSTAL_CODE} sends it so)"
        found.append(FieldProblem(_POSTAL_CODE, "", reason))
    empty = [name for name in (_FIRST_NAME, _LAST_NAME) if not address.get(name.rpartition(".")[2])]
    if len(empty) == 2 and not address.get("company_name") and literal.isdisjoint(_NAMES):
        reason = f"is empty, and so are the others: who gets the parcel? (--literal {_LAST_NAME} sends it so)"
        found.append(FieldProblem(_LAST_NAME, "", reason))
    for name in empty:
        notes.changed(name, "an empty name is sent empty", "", "")
    return found


def _misplaced(address: Mapping[str, Any], literal: AbstractSet[str]) -> list[FieldProblem]:
    """Return the problems of cells that cannot be of their field: a separator may have shifted the columns."""
    found: list[FieldProblem] = []
    email = address.get("email")
    if email and not _MAIL.fullmatch(email) and "email" not in literal:
        reason = f"is not one e-mail address: are the columns of this row shifted? (--literal {_EMAIL} sends it)"
        found.append(FieldProblem(_EMAIL, email, reason))
    for member in _NAMES:
        text = address.get(member)
        if not text or text[0].isalpha() or member in literal:
            continue
        if not any(map(str.isalpha, text)):
            reason = "has no letter: are the columns of this row shifted by a separator?"
            found.append(FieldProblem(f"delivery_address.{member}", text, reason))
    return found


def _zeros(address: dict[str, Any], literal: AbstractSet[str], notes: ReadingNotes) -> list[FieldProblem]:
    """Leave out the zeros that programs write for empty cells, and return those that stand for a needed value."""
    found: list[FieldProblem] = []
    for member in [member for member, text in address.items() if text == "0" and member not in literal]:
        name = f"delivery_address.{member}"
        if member not in _ADDRESS_NEEDED:
            del address[member]
            notes.changed(name, "a zero in place of an empty value was left out", "0", "")
        elif member not in _NAMES:
            found.append(FieldProblem(name, "0", "is a zero in place of a value"))
    return found


_MAIL: Final = re.compile(r"[^\s@;,<>]+@[^\s@;,<>]+")
_EMAIL: Final = "delivery_address.email"
_FULL_NAME: Final = "delivery_address.full_name"
_FIRST_NAME: Final = "delivery_address.first_name"
_LAST_NAME: Final = "delivery_address.last_name"
_POSTAL_CODE: Final = "delivery_address.postal_code"
_NAMES: Final = ("first_name", "last_name", "city")
_PARSERS: Final[Mapping[str, CellParser]] = {"postal_code": read.code, "phone": read.code, "country_code": read.country}
_ADDRESS_NEEDED: Final = ("first_name", "last_name", "address_line1", "postal_code", "city", "country_code")
_NO_ADDRESS: Final[dict[str, Any]] = dict.fromkeys(_ADDRESS_NEEDED, "")

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
            f"delivery_address.{name}": _PARSERS.get(name, read.text)
            for name in ("full_name", *modelled_fields(DeliveryAddress))
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
    problems=outbound_problems,
    parts_of={_FULL_NAME: (_FIRST_NAME, _LAST_NAME)},
    settle=_settle_order,
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
