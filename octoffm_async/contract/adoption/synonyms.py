"""Synonyms of field names and values in APIs of this kind, each row with its reason.

A synonym counts only if the JSON type is the same and no field has the exact name; the written file marks each entry
that was found by a synonym. A key is a Python field name, or ``Struct.field`` for a name with that meaning in one
struct only.
"""

import difflib
import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from ..answers.names import folded


class _Row(NamedTuple):
    ours: str
    theirs: str
    reason: str


def _folds(names: str) -> frozenset[str]:
    return frozenset(map(folded, names.split()))


_FIELDS = (
    _Row("title", "label name designation productTitle productName productLabel", "what a product is called"),
    _Row("gtin", "ean ean13 barcode upc gtinCode eanCode", "the number under the bar code; an EAN is a GTIN"),
    _Row(
        "seller_product_reference",
        "sellerReference sku sellerSku productReference sellerProductId sellerProductCode merchantSku itemReference",
        "the seller's own reference of a product",
    ),
    _Row("product_id", "octopiaProductId catalogProductId catalogueProductId", "Octopia's id of a product"),
    _Row("product_condition", "condition offerCondition itemCondition", "the condition of a product"),
    _Row("product_state", "state itemState", "the state of the product that a stock holds"),
    _Row("packaging", "package packagedProduct packageMeasures dimensions measures", "the packaged product's measures"),
    _Row("length_cm", "depth", "the third measure of a box is called its depth, too"),
    _Row("weight_g", "grossWeight mass", "the weight with its packaging is the gross weight"),
    _Row("origin_country", "countryOfOrigin madeIn originCountryCode", "where a product was made"),
    _Row(
        "customs_code",
        "hsCode customsTariffCode tariffCode commodityCode harmonizedCode nomenclatureCode",
        "the Harmonised System's code is the customs code",
    ),
    _Row("un_code", "unNumber onuCode dangerousGoodsCode", "the United Nations' number of dangerous goods"),
    _Row("icpe_code", "icpe icpeNumber icpeClass", "the French class of goods that endanger their surroundings"),
    _Row("is_traceable", "traceable traceability hasTraceability lotManaged", "whether each item is traced"),
    _Row(
        "lines", "items products orderLines details articles rows content contents productLines", "the rows of a thing"
    ),
    _Row("quantity", "qty count units orderedQuantity requestedQuantity expectedQuantity", "how many"),
    _Row("received_quantity", "receivedQty qtyReceived acceptedQuantity", "how many arrived"),
    _Row("undelivered_quantity", "missingQuantity notReceivedQuantity undeliveredQty", "how many did not arrive"),
    _Row("undeclared_quantity", "unexpectedQuantity unannouncedQuantity", "how many arrived that were not announced"),
    _Row(
        "delivery_address",
        "shippingAddress shipTo deliverTo recipientAddress recipient destinationAddress destination",
        "where a parcel goes",
    ),
    _Row(
        "delivery_mode",
        "shippingMode shippingMethod deliveryMethod deliveryService shippingService carrierService deliveryType",
        "how a parcel travels",
    ),
    _Row(
        "storage_country",
        "warehouseCountry warehouseCountryCode storageCountryCode stockCountry fulfillmentCountry",
        "the country of the warehouse",
    ),
    _Row("delivery_country", "shippingCountry destinationCountry deliveryCountryCode", "the country of the customer"),
    _Row("first_name", "givenName forename", "a person's first name"),
    _Row("last_name", "familyName surname", "a person's last name"),
    _Row("civility", "salutation honorific", "how a person is addressed"),
    _Row("company_name", "company organisation organization businessName", "a company"),
    _Row("address_line1", "address1 street street1 line1 streetLine1 addressLine streetAddress", "the first line"),
    _Row("address_line2", "address2 street2 line2 streetLine2 addressComplement", "the second line"),
    _Row("address_line3", "address3 street3 line3 streetLine3", "the third line"),
    _Row("postal_code", "zipCode zip postcode postalcode", "a postal code is called zip code in the United States"),
    _Row("city", "town cityName locality", "a city"),
    _Row("country_code", "country countryIso countryIsoCode isoCountry countryIso2", "a country by its ISO code"),
    _Row("state_or_region", "state region province county stateProvince", "a part of a country"),
    _Row("email", "emailAddress mail contactEmail", "an address of electronic mail"),
    _Row("phone", "phoneNumber telephone mobile mobilePhone telephoneNumber contactPhone", "a telephone number"),
    _Row(
        "reference",
        "externalReference clientReference customerReference orderReference sellerOrderReference externalId "
        "merchantReference orderNumber sellerOrderId sellerShipmentReference shipmentReference",
        "the seller's own reference of an order",
    ),
    _Row("OutboundShipmentRequest.reference", "sellerReference", "the seller's own reference of an order"),
    _Row("OutboundShipment.reference", "sellerReference", "the seller's own reference of an order"),
    _Row("InboundShipmentRequest.reference", "sellerReference", "the seller's own reference of an order"),
    _Row("InboundShipment.reference", "sellerReference", "the seller's own reference of an order"),
    _Row("ReturnRequest.reference", "sellerReference", "the seller's own reference of an order"),
    _Row("Return.reference", "sellerReference", "the seller's own reference of an order"),
    _Row("ShipmentLine.seller_product_reference", "reference", "in a line the reference is the product's"),
    _Row("ParcelLine.seller_product_reference", "reference", "in a line the reference is the product's"),
    _Row("InboundLine.seller_product_reference", "reference", "in a line the reference is the product's"),
    _Row("ReturnLine.seller_product_reference", "reference", "in a line the reference is the product's"),
    _Row("SellerReference.seller_product_reference", "reference", "in this list the reference is the product's"),
    _Row("ProductResult.seller_product_reference", "reference", "in this list the reference is the product's"),
    _Row(
        "outbound_shipment_id", "shipmentId orderId outboundId outboundOrderId shippingOrderId", "a shipping order's id"
    ),
    _Row("inbound_shipment_id", "inboundId supplyOrderId inboundOrderId shipmentId", "a supply order's id"),
    _Row("return_id", "customerReturnId returnRequestId returnOrderId", "a return's id"),
    _Row(
        "outbound_cancellation_request_id",
        "cancellationRequestId cancellationId cancelRequestId",
        "the id of a request to cancel",
    ),
    _Row("OutboundShipment.outbound_shipment_id", "id", "the id of the thing itself"),
    _Row("InboundShipment.inbound_shipment_id", "id", "the id of the thing itself"),
    _Row("Return.return_id", "id", "the id of the thing itself"),
    _Row("OutboundCancellation.outbound_cancellation_request_id", "id", "the id of the thing itself"),
    _Row("Stock.id", "stockId", "the id of the thing itself"),
    _Row("parcel_id", "packageId parcelNumber colisId", "a parcel's id"),
    _Row("Parcel.parcel_id", "id", "the id of the thing itself"),
    _Row("parcels", "packages colis shipments", "the parcels of a shipment"),
    _Row("carrier", "carrierName transporter carrierCode shippingCarrier", "who carries a parcel"),
    _Row("tracking_number", "trackingCode trackingId parcelTrackingNumber tracking", "by which a parcel is traced"),
    _Row("tracking_url", "trackingLink trackingUri followUpUrl", "where a parcel is traced"),
    _Row(
        "status",
        "shipmentStatus orderStatus currentStatus inboundStatus outboundStatus returnStatus requestStatus "
        "supplyOrderStatus cancellationStatus",
        "where a thing is on its way",
    ),
    _Row("OutboundShipment.state", "validity validityState", "whether a shipment is valid"),
    _Row("ProductResult.status", "result outcome", "what became of one product"),
    _Row("code", "errorCode reasonCode", "a reason as a code"),
    _Row("message", "errorMessage reasonText explanation", "a reason in words"),
    _Row("InboundShipment.code", "octopiaCode internalCode", "the code that Octopia gives"),
    _Row("refusal", "rejection refusalReason rejectionReason", "why the warehouse will not do it"),
    _Row("created_at", "creationDate createdOn created creationTime dateCreated createdDate", "when it was made"),
    _Row(
        "updated_at",
        "lastUpdate lastUpdated lastUpdatedAt updateDate modifiedAt lastModified updated updatedOn modificationDate "
        "lastUpdateDate dateUpdated",
        "when it changed last",
    ),
    _Row(
        "status_updated_at", "statusDate statusChangedAt lastStatusChange statusUpdateDate", "when its status changed"
    ),
    _Row(
        "expected_delivery_date",
        "expectedDate estimatedDeliveryDate plannedDate expectedArrival eta",
        "when goods come",
    ),
    _Row("receipt_date", "receivedAt receptionDate receivedDate", "when it arrived"),
    _Row("reason", "motive returnReason cancellationReason cause", "why"),
    _Row("recommended_return_reason", "recommendedReason suggestedReason", "the reason that Octopia proposes"),
    _Row("comment", "note sellerComment remark customerComment", "words of the seller"),
    _Row("warehouse_comment", "warehouseNote logisticComment", "words of the warehouse"),
    _Row("order_seller_id", "sellerOrderId", "the seller's id of an order"),
    _Row("type", "returnType kind", "the kind of a return"),
    _Row("ReturnLine.state", "condition lineState inspectionState inspectionResult", "what the inspection found"),
    _Row("has_label", "labelAvailable isLabelAvailable", "whether there is a label"),
    _Row("label_url", "labelLink labelUri", "where the label is"),
    _Row("quantities", "stock stockLevels quantityByType stocks levels", "how many by type"),
    _Row("localizations", "locations warehouses stockByCountry countries", "a stock by country"),
    _Row("update_reason", "changeReason lastUpdateReason", "why it changed"),
    _Row("allocated", "reserved", "what orders have reserved is allocated"),
    _Row("content", "data base64 fileContent bytes", "a document's bytes"),
    _Row("url", "link href uri downloadUrl", "where a document is"),
    _Row("file_name", "filename name", "a file's name"),
    _Row("media_type", "contentType mimeType", "a document's type"),
    _Row("limit", "pageSize itemsPerPage perPage size top maxResults", "how many rows a page has"),
    _Row("cursor", "pageToken nextToken continuationToken next pageCursor", "where a list goes on"),
    _Row("created_at_min", "createdFrom createdAfter createdSince creationDateMin creationDateFrom", "from when"),
    _Row("created_at_max", "createdTo createdBefore createdUntil creationDateMax creationDateTo", "until when"),
    _Row(
        "updated_at_min",
        "updatedFrom updatedAfter updatedSince modifiedSince lastUpdateMin updateDateMin lastUpdateFrom",
        "from when",
    ),
    _Row(
        "updated_at_max", "updatedTo updatedBefore updatedUntil lastUpdateMax updateDateMax lastUpdateTo", "until when"
    ),
    _Row(
        "status_updated_at_min",
        "statusUpdatedFrom statusUpdatedSince statusChangedSince statusDateMin statusDateFrom",
        "from when",
    ),
    _Row("status_updated_at_max", "statusUpdatedTo statusUpdatedUntil statusDateMax statusDateTo", "until when"),
    _Row("sort", "sortBy orderBy", "by what rows are ordered"),
    _Row("order", "sortOrder sortDirection direction", "in which direction rows are ordered"),
)

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "Packaging": ("packaged", "packaging", "package", "packed", "parcel"),
    "DeliveryAddress": ("delivery", "shipping", "recipient", "shipTo", "deliveryAddress", "shippingAddress", "address"),
    "ShippedTo": ("delivery", "shipping", "recipient", "shipTo", "deliveryAddress", "shippingAddress", "address"),
    "Refusal": ("refusal", "rejection", "refused", "rejected"),
    "Quantities": ("quantity", "stock", "qty"),
}
"""Prefixes of the fields of a nested object that is spread into its parent: ``packagedWeight``."""

PREFIX_NEEDED = frozenset({"Refusal"})
"""Structs whose field names (``code``) are too general to match in another object without a prefix."""

NEUTRAL = _folds(
    "address attributes contact data dates details dimensions identification info information measurements measures "
    "packaging product shipping timestamps tracking customs"
)
"""Names of objects that only group their members."""

COUNTS = _folds("count total totalCount totalItems totalItemCount itemCount itemsCount numberOfItems totalElements")
"""Names of the number of a count."""

_VALUES = (
    _Row("Refused", "Rejected Declined Denied", "both words live in this family of APIs"),
    _Row("Cancelled", "Canceled Annulled", "British and American spelling"),
    _Row("InPreparation", "Preparing Preparation InPicking Picking BeingPrepared", "goods are being picked and packed"),
    _Row("Shipped", "Dispatched Expedited Sent", "the parcel has left"),
    _Row("Accepted", "Approved", "the warehouse takes it"),
    _Row("PartiallyReceived", "PartlyReceived ReceivedPartially", "some of it has arrived"),
    _Row("Receiving", "InReception ReceptionInProgress", "it is arriving"),
    _Row("LikeNew", "AsNew", "used and without a trace of it"),
    _Row("Refurbished", "Reconditioned", "made as new"),
    _Row("TransportDamage", "DamagedInTransport DamagedDuringTransport", "damaged on its way"),
    _Row("Retraction", "Withdrawal ChangedMind", "the customer's right to send it back"),
    _Row("LogisticOperations", "LogisticsOperations LogisticOperation", "singular and plural"),
    _Row("Allocated", "Reserved", "what orders have reserved is allocated"),
    _Row("Asc", "Ascending", "an abbreviation"),
    _Row("Desc", "Descending", "an abbreviation"),
)


def _by_name(rows: tuple[_Row, ...]) -> dict[str, dict[str, str]]:
    """Return their folded names with the reason, by our name."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.ours, {}).update(dict.fromkeys(map(folded, row.theirs.split()), row.reason))
    return found


_BY_FIELD, _BY_VALUE = _by_name(_FIELDS), _by_name(_VALUES)


@cache
def field_synonyms(struct: str, field: str, default: str) -> Mapping[str, str]:
    """Return the folded synonyms of a field, each with its reason."""
    found = _BY_FIELD.get(field, {}) | _BY_FIELD.get(f"{struct}.{field}", {})
    names = [folded(default), *found]
    for prefix in PREFIXES.get(struct, ()):
        reason = f"{prefix} names what the field belongs to"
        for name in names:
            found = {folded(prefix + name): reason, folded(name + prefix): reason} | found
    return {name: reason for name, reason in found.items() if name != folded(default)}


def value_synonyms(value: str) -> Mapping[str, str]:
    """Return the folded synonyms of a known value, each with its reason."""
    return _BY_VALUE.get(value, {})


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case."""
    return [word.casefold() for word in _WORD.findall(name)] or [name.casefold()]


def name_similarity(one: str, other: str) -> float:
    """Return the similarity of two names from 0 to 1: by letters, or by the words that they share."""
    ours, theirs = set(words_of(one)), set(words_of(other))
    shared = len(ours & theirs) / len(ours | theirs)
    return max(shared, difflib.SequenceMatcher(None, one.casefold(), other.casefold()).ratio())
