"""APIs that say the same as ours in other words: each a table of data, and the OpenAPI document that describes it.

The tables do not come from the package, so that what the package makes of a document can be held against them.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from octoffm_async.contract.contract_file import registry
from octoffm_async.contract.openapi.export import openapi_document

Schema = dict[str, Any]
Path = tuple[str, ...]

STRUCTS = {
    "FulfillmentProduct": "gtin! seller_product_reference! title product_condition!:ProductCondition"
    " packaging:Packaging origin_country customs_code un_code icpe_code is_traceable:boolean",
    "Packaging": "length_cm!:number width_cm!:number height_cm!:number weight_g!:number",
    "ProductResult": "seller_product_reference! status!:RegistrationStatus code message",
    "SellerReference": "seller_product_reference! seller_id product_id stock_id gtin product_condition:ProductCondition"
    " created_at:time",
    "InboundShipmentRequest": "reference! storage_country! lines!:[ShipmentLine] expected_delivery_date:time",
    "InboundShipment": "inbound_shipment_id! reference code storage_country expected_delivery_date:time"
    " status:InboundStatus lines:[InboundLine] created_at:time updated_at:time refusal:Refusal",
    "InboundLine": "seller_product_reference quantity:integer received_quantity:integer undelivered_quantity:integer",
    "ShipmentLine": "quantity!:integer seller_product_reference product_id product_condition",
    "Refusal": "code message",
    "DocumentAnswer": "content url file_name media_type",
    "Stock": "id! product_id product_state:ProductState product_condition:ProductCondition gtin updated_at:time"
    " quantities:Quantities localizations:[Localization]",
    "Quantities": "available:integer allocated:integer blocked:integer litigation:integer removal:integer"
    " return_:integer logistic_operations:integer",
    "Localization": "storage_country quantities:Quantities updated_at:time update_reason",
    "OutboundShipmentRequest": "reference! lines!:[ShipmentLine] delivery_address!:DeliveryAddress"
    " delivery_mode!:DeliveryMode storage_country!",
    "DeliveryAddress": "first_name! last_name! address_line1! postal_code! city! country_code! civility company_name"
    " address_line2 address_line3 state_or_region email phone",
    "OutboundShipment": "outbound_shipment_id! reference status:OutboundStatus state:ShipmentState storage_country"
    " delivery_mode:DeliveryMode delivery_address:ShippedTo lines:[ParcelLine] created_at:time updated_at:time"
    " status_updated_at:time refusal:Refusal parcels:[Parcel]",
    "ShippedTo": "first_name last_name address_line1 postal_code city country_code civility company_name address_line2"
    " address_line3 state_or_region email phone",
    "ParcelLine": "quantity:integer seller_product_reference product_id product_condition",
    "Parcel": "parcel_id carrier tracking_number tracking_url lines:[ParcelLine]",
    "OutboundCancellationRequest": "outbound_shipment_id! reason",
    "OutboundCancellation": "outbound_cancellation_request_id! outbound_shipment_id status:CancellationStatus"
    " created_at:time updated_at:time",
    "Return": "return_id! type:ReturnType status:ReturnStatus reason:ReturnReason"
    " recommended_return_reason:ReturnReason comment warehouse_comment outbound_shipment_id reference"
    " order_seller_id parcel_id receipt_date:time"
    " created_at:time updated_at:time lines:[ReturnLine] has_label:boolean label_url undeclared_quantity:integer",
    "ReturnLine": "seller_product_reference quantity:integer received_quantity:integer state:ReturnLineState",
    "ReturnRequest": "reason!:ReturnReason lines!:[ShipmentLine] outbound_shipment_id reference comment",
}
"""The fields of each struct; ``!`` marks a required one, a text has no type."""

_PLAIN = {str: "", datetime: ":time", int: ":integer", float: ":number", bool: ":boolean"}
for _name, _struct in registry.STRUCTS.items():
    for _field in registry.fields_of(_struct).values() if _name in STRUCTS else ():
        # A plain field that the package has and the table does not is one that a maintainer has just added.
        if not re.search(rf"\b{_field.name}\b", STRUCTS[_name]):
            _kinds = registry.plain_types(_field.type) & _PLAIN.keys()
            STRUCTS[_name] += "".join(f" {_field.name}{_PLAIN[kind]}" for kind in _kinds)

VALUES = {
    "ProductCondition": "New LikeNew",
    "RegistrationStatus": "Accepted Refused",
    "InboundStatus": "Created Accepted Receiving PartiallyReceived Received Refused Cancelled",
    "OutboundStatus": "Created Accepted InPreparation Shipped Refused Cancelled",
    "ShipmentState": "Valid Invalid",
    "DeliveryMode": "TrackedHomeDelivery SignedHomeDelivery ExpressHomeDelivery NotTrackedHomeDelivery"
    " FixedDateHomeDelivery SpecificRoomHomeDelivery WithSetupHomeDelivery",
    "CancellationStatus": "Pending Accepted Refused",
    "ProductState": "New Used Refurbished",
    "QuantityType": "Available Allocated Blocked Litigation Removal Return LogisticOperations",
    "SortOrder": "Asc Desc",
    "ReturnType": "Customer Carrier",
    "ReturnStatus": "Created Referencing Referenced Accepted Pending Completed",
    "ReturnReason": "ReferenceError Damaged Retraction TransportDamage",
    "ReturnLineState": "Good Damaged Wrong",
}

_PERIODS = "created_at_min:time created_at_max:time updated_at_min:time updated_at_max:time"
_INBOUND = f"status:InboundStatus storage_country {_PERIODS}"
_OUTBOUND = "state:ShipmentState status_updated_at_min:time status_updated_at_max:time"
_RETURNS = f"type:ReturnType status:ReturnStatus {_PERIODS}"
_PAGE = " limit:integer cursor"


@dataclass(frozen=True)
class Operation:
    """An operation as this package has it. ``answer`` is ``list``, ``object``, ``id``, ``count`` or ``document``."""

    method: str
    path: str
    answer: str
    read: str = ""
    sent: str = ""
    filters: str = ""
    many: bool = False
    identifier: str = ""


OPERATIONS = {
    "products.create": Operation(
        "post", "/fulfillment-products", "list", "ProductResult", sent="FulfillmentProduct", many=True
    ),
    "products.references": Operation("get", "/stock-seller-references", "list", "SellerReference", filters=_PAGE),
    "inbound.count": Operation("get", "/inbound-shipments/count", "count", filters=_INBOUND),
    "inbound.list": Operation("get", "/inbound-shipments", "list", "InboundShipment", filters=_INBOUND + _PAGE),
    "inbound.create": Operation(
        "post", "/inbound-shipments", "id", sent="InboundShipmentRequest", identifier="inbound_shipment_id"
    ),
    "inbound.get": Operation("get", "/inbound-shipments/{inboundShipmentId}", "object", "InboundShipment"),
    "inbound.delivery_note": Operation(
        "get", "/inbound-shipments/{inboundShipmentId}/delivery-notes", "document", "DocumentAnswer"
    ),
    "stocks.list": Operation(
        "get",
        "/stocks",
        "list",
        "Stock",
        filters="updated_at_min:time updated_at_max:time storage_country delivery_country seller_product_reference"
        " sort:QuantityType order:SortOrder" + _PAGE,
    ),
    "stocks.get": Operation("get", "/stocks/{stockId}", "object", "Stock"),
    "outbound.count": Operation("get", "/outbound-shipments/count", "count", filters=_OUTBOUND),
    "outbound.list": Operation("get", "/outbound-shipments", "list", "OutboundShipment", filters=_OUTBOUND + _PAGE),
    "outbound.create": Operation(
        "post", "/outbound-shipments", "id", sent="OutboundShipmentRequest", identifier="outbound_shipment_id"
    ),
    "outbound.get": Operation("get", "/outbound-shipments/{outboundShipmentId}", "object", "OutboundShipment"),
    "outbound.request_cancellation": Operation(
        "post",
        "/outbound-cancellation-requests",
        "id",
        sent="OutboundCancellationRequest",
        identifier="outbound_cancellation_request_id",
    ),
    "outbound.get_cancellation": Operation(
        "get",
        "/outbound-cancellation-requests/{outboundCancellationRequestId}",
        "object",
        "OutboundCancellation",
    ),
    "returns.count": Operation("get", "/returns/count", "count", filters=_RETURNS),
    "returns.list": Operation("get", "/returns", "list", "Return", filters=_RETURNS + _PAGE),
    "returns.create": Operation("post", "/returns", "id", sent="ReturnRequest", identifier="return_id"),
    "returns.get": Operation("get", "/returns/{returnId}", "object", "Return"),
    "returns.label": Operation("get", "/returns/{returnId}/labels", "document", "DocumentAnswer"),
}


@dataclass(frozen=True)
class Spelled:
    """Where a field stands on the wire (an empty path: spread into its parent); the wire value is ours x ``scale``."""

    path: Path
    scale: float = 1.0
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """How an operation differs on the wire. ``query`` holds all filters."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    wrap: str | None = None
    items: Path = ("items",)
    result: Path = ()
    identifier: Path = ()
    count: Path = ()


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """An API in other words. ``fields`` and ``calls`` are complete; ``values`` and ``extra`` hold what differs."""

    name: str
    version: str
    prefix: str
    fields: Mapping[str, Mapping[str, Spelled]]
    values: Mapping[str, Mapping[str, str]]
    calls: Mapping[str, Call]
    extra: Mapping[str, Mapping[str, Schema]]
    sent_extra: Mapping[str, Mapping[str, Any]]
    """Values that the required members in ``extra`` may have."""
    padding: int = 0
    """Bytes that other operations add to the document."""


def parsed(fields: str) -> dict[str, tuple[str, bool]]:
    """Type and need of each field."""
    found = (re.fullmatch(r"([a-z0-9_]+)(!?)(?::(.+))?", one) for one in fields.split())
    return {one[1]: (one[3] or "text", one[2] == "!") for one in found if one is not None}


def camel(name: str) -> str:
    """``address_line1`` as ``addressLine1``; a unit is no part of a name."""
    first, *rest = re.sub(r"_(cm|g)$|_$", "", name).split("_")
    return first + "".join(map(str.capitalize, rest))


def pascal(name: str) -> str:
    return name[:1].upper() + camel(name)[1:]


def snake(name: str) -> str:
    """A Python name is written in snake case as it is."""
    return re.sub(r"_(cm|g)$|_$", "", name)


def upper_snake(value: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).upper()


def _fields(style: Callable[[str], str], others: Mapping[str, Spelled | str]) -> dict[str, dict[str, Spelled]]:
    """All fields in one style, but for those that are named, as ``field`` or as ``Struct.field``."""
    made: dict[str, dict[str, Spelled]] = {}
    for struct, fields in STRUCTS.items():
        for name in parsed(fields):
            other = others.get(f"{struct}.{name}", others.get(name, style(name)))
            spelled = Spelled(tuple(other.split("."))) if isinstance(other, str) else other
            made.setdefault(struct, {})[name] = spelled
    return made


def _queries(style: Callable[[str], str], others: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        name: {one: others.get(f"{name}.{one}", others.get(one, style(one))) for one in parsed(operation.filters)}
        for name, operation in OPERATIONS.items()
    }


def _dialect_b() -> Dialect:
    fields = _fields(
        snake,
        {
            "title": "label",
            "gtin": "ean",
            "seller_product_reference": "sku",
            "customs_code": "hs_code",
            "origin_country": "country_of_origin",
            "FulfillmentProduct.packaging": "package",
            "ReturnRequest.lines": "items",
            "InboundShipmentRequest.lines": "items",
            "OutboundShipmentRequest.lines": "items",
            "lines": "products",
            "delivery_address": "shipping_address",
            "delivery_mode": "shipping.mode",
            "address_line1": "address1",
            "address_line2": "address2",
            "address_line3": "address3",
            "postal_code": "zip_code",
            "country_code": "country",
            "storage_country": "warehouse_country",
            "reference": "external_reference",
            "status": "current_status",
            "OutboundShipment.status": "shipment_status",
            "tracking_number": "tracking_code",
            "updated_at": "last_update",
            "created_at": "creation_date",
            "received_quantity": "quantity_received",
            "InboundShipment.inbound_shipment_id": "id",
            "OutboundShipment.outbound_shipment_id": "order_id",
            "outbound_shipment_id": "order_id",
            "Return.return_id": "id",
            "Stock.id": "stock_id",
            "length_cm": Spelled(("length_mm",), 10.0),
            "width_cm": Spelled(("width_mm",), 10.0),
            "height_cm": Spelled(("height_mm",), 10.0),
            "DocumentAnswer.content": "base64",
        },
    )
    values = {enum: {value: upper_snake(value) for value in values.split()} for enum, values in VALUES.items()}
    values["OutboundStatus"]["Refused"] = values["InboundStatus"]["Refused"] = "REJECTED"
    values["OutboundStatus"]["Cancelled"] = "CANCELED"
    queries = _queries(
        snake,
        {
            "limit": "page_size",
            "updated_at_min": "updated_since",
            "updated_at_max": "updated_until",
            "status_updated_at_min": "status_changed_since",
            "storage_country": "warehouse_country",
            "seller_product_reference": "sku",
        },
    )
    calls: dict[str, Call] = {}
    for name, operation in OPERATIONS.items():
        head, *rest = operation.path.strip("/").split("/")
        path = "/" + "/".join([head.replace("-", "_"), *rest])
        identifier = fields_path(fields, operation.identifier)
        calls[name] = Call(
            path=path,
            query=queries[name],
            wrap={"outbound.create": "order", "inbound.create": "supply_order"}.get(name),
            items=("results",),
            result=("result",) if operation.answer == "object" else (),
            identifier=("result", *identifier) if operation.answer == "id" else (),
            count=("total",) if operation.answer == "count" else (),
        )
    return Dialect(
        name="B",
        version="3.1.0",
        prefix="",
        fields=fields,
        values=values,
        calls=calls,
        extra={"OutboundShipmentRequest": {"sales_channel": {"type": "string", "enum": ["CDISFR"]}}},
        sent_extra={"OutboundShipmentRequest": {"sales_channel": "CDISFR"}},
    )


def fields_path(fields: Mapping[str, Mapping[str, Spelled]], identifier: str) -> Path:
    """Where a creation's id stands, which is where the thing itself has it."""
    owner = {
        "inbound_shipment_id": "InboundShipment",
        "outbound_shipment_id": "OutboundShipment",
        "outbound_cancellation_request_id": "OutboundCancellation",
        "return_id": "Return",
    }.get(identifier)
    return () if owner is None else fields[owner][identifier].path


def _dialect_c() -> Dialect:
    fields = _fields(
        camel,
        {
            "FulfillmentProduct.packaging": Spelled(()),
            "weight_g": Spelled(("packagedWeight",), 0.001, "Weight of the packaged product, in kg."),
            "length_cm": Spelled(("packagedLength",), 10.0, "Longueur du colis en mm"),
            "width_cm": Spelled(("packagedWidth",), 10.0, "(mm)"),
            "height_cm": Spelled(("packagedHeight",), 10.0, "Height in millimetres"),
            "title": "productName",
            "seller_product_reference": "sellerReference",
            "OutboundShipmentRequest.delivery_address": Spelled(()),
            "OutboundShipmentRequest.lines": "orderLines",
            "OutboundShipment.lines": "orderLines",
            "OutboundShipment.delivery_address": "recipient",
            "DeliveryAddress.address_line1": "street",
            "ShippedTo.address_line1": "street",
            "postal_code": "zipCode",
            "DeliveryAddress.country_code": "deliveryCountry",
            "DeliveryAddress.city": "deliveryCity",
            "phone": "phoneNumber",
            "OutboundShipment.outbound_shipment_id": "shipmentId",
            "OutboundShipment.status": "tracking.status",
            "InboundShipment.inbound_shipment_id": "inboundId",
            "OutboundCancellation.outbound_cancellation_request_id": "cancellationId",
            "quantities": "stockLevels",
            "Quantities.allocated": "Reserved",
            "refusal": "rejection",
            "InboundShipment.refusal": "rejection",
            "Parcel.parcel_id": "packageId",
            "parcels": "packages",
            "carrier": "transporter",
            "updated_at": "modifiedAt",
            "receipt_date": "receivedAt",
            "ReturnLine.state": "condition",
            "file_name": "filename",
            "media_type": "contentType",
            "stock_id": "stockID",
            **{
                f"Quantities.{name}": pascal(name)
                for name in ("available", "blocked", "litigation", "removal", "return_", "logistic_operations")
            },
        },
    )
    queries = _queries(
        pascal, {"limit": "PageSize", "cursor": "PageToken", "created_at_min": "CreatedFrom", "sort": "SortBy"}
    )
    calls = {
        name: Call(
            path="/".join("{id}" if "{" in part else part for part in operation.path.split("/")),
            query=queries[name],
            wrap={"products.create": "products", "returns.create": "return"}.get(name),
            items=("data",),
            result=("data",) if operation.answer == "object" else (),
            identifier=("data", *fields_path(fields, operation.identifier)) if operation.answer == "id" else (),
            count=("total", "count") if operation.answer == "count" else (),
        )
        for name, operation in OPERATIONS.items()
    }
    return Dialect(
        name="C",
        version="3.0.3",
        prefix="/seller/v2",
        fields=fields,
        values={
            "OutboundStatus": {"Refused": "Rejected", "Cancelled": "Canceled", "Shipped": "Dispatched"},
            "InboundStatus": {"Cancelled": "Canceled"},
            "QuantityType": {"Allocated": "Reserved"},
        },
        calls=calls,
        extra={"InboundShipmentRequest": {"warehouseCode": {"type": "string"}}},
        sent_extra={"InboundShipmentRequest": {"warehouseCode": "FR01"}},
        padding=650_000,
    )


B = _dialect_b()
C = _dialect_c()
DIALECTS = (B, C)


def openapi(dialect: Dialect) -> Schema:
    """The document that describes a dialect."""
    return json.loads(json.dumps(_Document(dialect).made()))  # nothing is shared


class _Document:
    """Makes a document. Version 3.0 has nulls, references and parts of objects in the ways of that version."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.old = dialect.version.startswith("3.0")
        self.schemas: dict[str, Schema] = {}

    def made(self) -> Schema:
        paths: dict[str, Schema] = {}
        for name, operation in OPERATIONS.items():
            path = self.dialect.prefix + self.dialect.calls[name].path
            paths.setdefault(path, {})[operation.method] = self._operation(name, operation)
        self._pad(paths)
        self._add_untold(paths)
        server = "https://api.octopia-io.net" + ("" if self.dialect.prefix else "/seller/v2")
        return {
            "openapi": self.dialect.version,
            "info": {"title": "API REST Seller V2", "version": "2"},
            "servers": [{"url": server}],
            "paths": paths,
            "components": {"schemas": self.schemas},
        }

    def _add_untold(self, paths: dict[str, Schema]) -> None:
        """Add what the package has and the tables do not, such as an assumed operation, in the package's own words."""
        ours = openapi_document()
        told = {(one.method, one.path) for one in OPERATIONS.values()}
        for path, item in ours["paths"].items():
            for method, operation in item.items():
                if (method, path) not in told:
                    paths.setdefault(self.dialect.prefix + path, {})[method] = operation
                    self.schemas = ours["components"]["schemas"] | self.schemas

    def _operation(self, name: str, operation: Operation) -> Schema:
        call = self.dialect.calls[name]
        placeholders = re.findall(r"\{([^{}]+)\}", call.path)
        listed = [{"name": one, "in": "path", "required": True, "schema": {"type": "string"}} for one in placeholders]
        for one, (kind, _) in parsed(operation.filters).items():
            required = name == "stocks.list" and one == "limit"
            parameter = {"name": call.query[one], "in": "query", "required": required, "schema": self._plain(kind)}
            listed.append(parameter)
        listed.append({"name": "SellerId", "in": "header", "required": True, "schema": {"type": "string"}})
        listed.append({"name": "SalesChannelId", "in": "header", "required": False, "schema": {"type": "string"}})
        made: Schema = {"operationId": f"Operation_{len(name)}_{name.title()}", "parameters": listed}
        if operation.sent:
            schema = self._struct(operation.sent)
            schema = {"type": "array", "items": schema} if operation.many else schema
            if call.wrap:
                schema = {"type": "object", "properties": {call.wrap: schema}, "required": [call.wrap]}
            made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        answer = {"description": "OK", "content": {"application/json": {"schema": self._answer(operation, call)}}}
        return made | {"responses": {"201" if operation.answer == "id" else "200": answer}}

    def _answer(self, operation: Operation, call: Call) -> Schema:
        match operation.answer:
            case "list":
                rows: Schema = {"type": "array", "items": self._struct(operation.read)}
                paging = {"type": "object", "properties": {"pages": {"type": "integer"}}}
                return self._at(call.items, rows, {"paging": paging})
            case "id":
                return self._at(call.identifier, {"type": "string"}, {})
            case "count":
                return self._at(call.count, {"type": "integer"}, {})
            case _:
                return self._at(call.result, self._struct(operation.read), {})

    def _at(self, path: Path, schema: Schema, beside: Schema) -> Schema:
        for name in reversed(path):
            schema = {"type": "object", "properties": {name: schema, **beside}}
        return schema

    def _struct(self, name: str) -> Schema:
        component = f"Seller.V2.{name}Dto"
        if component not in self.schemas:
            self.schemas[component] = {}  # its place in the order
            schema = self._object(name)
            if self.old and len(schema["properties"]) > 3:
                self.schemas[component] = self._split(component, schema)
            else:
                self.schemas[component] = schema
        return {"$ref": f"#/components/schemas/{component}"}

    def _split(self, component: str, schema: Schema) -> Schema:
        names = list(schema["properties"])
        parts = [
            {
                "type": "object",
                "properties": {one: schema["properties"][one] for one in some},
                "required": [one for one in some if one in schema["required"]],
            }
            for some in (names[::2], names[1::2])
        ]
        self.schemas[component + "Base"] = parts[0]
        return {"allOf": [{"$ref": f"#/components/schemas/{component}Base"}, parts[1]]}

    def _object(self, struct: str) -> Schema:
        made: Schema = {"type": "object", "properties": {}, "required": []}
        for name, (kind, required) in parsed(STRUCTS[struct]).items():
            spelled = self.dialect.fields[struct][name]
            if not spelled.path:
                inner = self._object(kind)
                made["properties"] |= inner["properties"]
                made["required"] += inner["required"]
                continue
            schema = self._value(kind, nullable=not required)
            if spelled.text:
                schema["description"] = spelled.text
            here = made
            for step in spelled.path[:-1]:
                if required:
                    here["required"] = [*dict.fromkeys([*here["required"], step])]
                here = here["properties"].setdefault(step, {"type": "object", "properties": {}, "required": []})
            here["properties"][spelled.path[-1]] = schema
            if required:
                here["required"].append(spelled.path[-1])
        for name, schema in self.dialect.extra.get(struct, {}).items():
            made["properties"][name] = schema
            made["required"].append(name)
        return made

    def _value(self, kind: str, *, nullable: bool) -> Schema:
        if kind.startswith("["):
            return {"type": "array", "items": self._struct(kind[1:-1])}
        if kind in STRUCTS:
            schema = self._struct(kind)
            if self.old:
                return {"allOf": [schema], "nullable": True} if nullable else schema
            return {"oneOf": [schema, {"type": "null"}]} if nullable else schema
        schema = self._plain(kind)
        if nullable and self.old:
            return schema | {"nullable": True}
        return schema | {"type": [schema["type"], "null"]} if nullable and "enum" not in schema else schema

    def _plain(self, kind: str) -> Schema:
        if kind in VALUES:
            spelled = self.dialect.values.get(kind, {})
            return {"type": "string", "enum": [spelled.get(value, value) for value in VALUES[kind].split()]}
        match kind:
            case "text":
                return {"type": "string"}
            case "time":
                return {"type": "string", "format": "date-time"}
            case _:
                return {"type": kind}

    def _pad(self, paths: dict[str, Schema]) -> None:
        """Add operations of other parts of the API until the document is as large as the real one."""
        written = len(json.dumps([paths, self.schemas]))
        number = 0
        while written < self.dialect.padding:
            number += 1
            properties = {f"field{one}": {"type": "string", "description": "A field of offers."} for one in range(40)}
            self.schemas[f"Seller.V2.Offer{number}Dto"] = {"type": "object", "properties": properties}
            schema = {"$ref": f"#/components/schemas/Seller.V2.Offer{number}Dto"}
            answer = {"description": "OK", "content": {"application/json": {"schema": schema}}}
            item: Schema = {"get": {"operationId": f"GetOffer{number}", "responses": {"200": answer}}}
            paths[f"{self.dialect.prefix}/offers/{number}/prices"] = item
            written += len(json.dumps([properties, item]))
