"""The contract file: a table from the package's names to the names that an API uses on the wire.

A contract file is TOML. The left side names a struct, a field, a known value or an operation of this package; the right
side gives the API's spelling. Names that the file does not list stay as the package has them::

    [fields.OutboundShipmentRequest]       # a struct of the package, its Python field names on the left
    delivery_address = "shippingAddress"   # another name
    delivery_mode = "shipping.mode"        # deeper: a path
    [fields.FulfillmentProduct]
    packaging = "."                        # a nested object spread into its parent
    [fields.Packaging]
    weight_g = { name = "packagedWeight", scale = 0.001 }   # wire value = our value x scale
    [values.OutboundStatus]
    Refused = "Rejected"                   # another spelling of a known value
    [operations."products.create"]
    body = { wrap = "products" }           # or "array", "object"; both: { wrap = "products", as = "object" }
    path = "/fulfillment-products"
    [operations."outbound.list"]
    query = { status_updated_at_min = "updatedAtMin" }      # names of filters
    items = "data"                         # path to the rows of a list; result: to the object of a single answer
    [operations."outbound.create"]
    id = "orderId"                         # path to the id of a creation; count: to the number of a count
    [extra.OutboundShipmentRequest]        # members that the API requires and the package does not model: sent as is
    salesChannel = "CDISFR"

This module holds the parsed form only; it reads no file and does no I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class FieldMapping:
    """The place of one field on the wire.

    ``path`` holds the wire names from the enclosing object inwards; an empty one means that the nested object is spread
    into its parent. The wire value is the package's value times ``scale``.
    """

    path: tuple[str, ...]
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class OperationMapping:
    """The differences of one operation on the wire; ``None`` or empty means as the package has it.

    ``wrap`` is the name of the member that wraps a request body; ``body`` says whether a request that can hold many
    items is sent as an array or as a single object. ``query`` maps filters (Python names) to parameters. ``items``,
    ``result``, ``identifier`` and ``count`` are paths to the rows of a list, to the object of an answer, to the id of a
    creation and to the number of a count.
    """

    path: str | None = None
    wrap: str | None = None
    body: Literal["array", "object"] | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    items: tuple[str, ...] | None = None
    result: tuple[str, ...] | None = None
    identifier: tuple[str, ...] | None = None
    count: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class ContractFile:
    """A parsed and checked contract file.

    ``fields`` is keyed by the name of a struct, then by Python field name; ``values`` by the name of an open enum, then
    by the package's text of a value; ``operations`` by operation name; ``extra`` by the name of a request struct.
    """

    fields: Mapping[str, Mapping[str, FieldMapping]] = field(default_factory=dict[str, Mapping[str, FieldMapping]])
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    operations: Mapping[str, OperationMapping] = field(default_factory=dict[str, OperationMapping])
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    source: str = ""
