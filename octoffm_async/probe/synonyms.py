"""Other names under which APIs of this family give what the contract calls by its own. Pure data, each with its reason.

Names that differ but for case, ``_`` and ``-`` need no entry: the reader takes them for the same.
"""

from __future__ import annotations

from ..contract.names import folded

_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("title", ("label", "name", "productName")),  # the catalogue routes say label
    ("addressLine1", ("address1", "street", "street1")),  # the order routes number without "line"
    ("addressLine2", ("address2", "street2")),
    ("addressLine3", ("address3", "street3")),
    ("postalCode", ("zipCode", "zip", "postCode")),
    ("countryCode", ("country", "countryIso", "countryIsoCode")),
    ("stateOrRegion", ("state", "region", "province")),
    ("companyName", ("company",)),
    ("phone", ("phoneNumber", "mobilePhone", "telephone")),
    ("email", ("mail", "emailAddress")),
    ("civility", ("title", "salutation")),
    ("lines", ("items", "products", "orderLines", "shipmentLines")),
    ("deliveryAddress", ("shippingAddress", "address", "shipTo")),
    ("deliveryMode", ("shippingMode", "shippingMethod", "deliveryMethod")),
    ("storageCountry", ("warehouseCountry", "country", "storageCountryCode")),
    ("status", ("shipmentStatus", "orderStatus", "returnStatus", "inboundStatus", "currentStatus")),
    ("state", ("validity", "shipmentState", "validityState")),
    ("trackingNumber", ("trackingCode", "trackingId")),
    ("trackingUrl", ("trackingLink",)),
    ("carrier", ("carrierName", "carrierCode")),
    ("parcels", ("packages", "parcelList")),
    ("updatedAt", ("lastUpdate", "lastUpdatedAt", "lastUpdateDate", "updateDate", "modifiedAt")),
    ("createdAt", ("creationDate", "createdDate", "creationTime")),
    ("statusUpdatedAt", ("statusUpdateDate", "lastStatusUpdate", "statusDate")),
    ("updateReason", ("reason", "changeReason")),
    ("reference", ("sellerReference", "externalReference", "orderReference", "clientReference")),
    ("sellerProductReference", ("sku", "sellerSku", "sellerReference", "productReference", "sellerProductId")),
    ("productCondition", ("condition", "productState")),
    ("gtin", ("ean", "ean13", "barcode")),
    ("customsCode", ("hsCode", "customCode")),
    ("originCountry", ("countryOfOrigin", "madeIn")),
    ("quantity", ("qty", "value", "orderedQuantity", "expectedQuantity")),
    ("receivedQuantity", ("quantityReceived",)),
    ("undeliveredQuantity", ("quantityUndelivered", "missingQuantity")),
    ("undeclaredQuantity", ("quantityUndeclared", "unexpectedQuantity")),
    ("quantities", ("stockQuantities", "quantityByType")),
    ("localizations", ("locations", "localisations", "stockLocalizations")),
    ("refusal", ("rejection", "refusalReason", "error")),
    ("code", ("errorCode", "reasonCode")),
    ("message", ("description", "errorMessage", "label")),
    ("receiptDate", ("receivedAt", "receptionDate")),
    ("expectedDeliveryDate", ("deliveryDate", "estimatedDeliveryDate")),
    ("hasLabel", ("labelAvailable", "isLabelAvailable")),
    ("id", ("stockId",)),
    ("inboundShipmentId", ("id", "shipmentId")),
    ("outboundShipmentId", ("id", "shipmentId")),
    ("outboundCancellationRequestId", ("id", "cancellationRequestId")),
    ("returnId", ("id",)),
)

SYNONYMS: dict[str, frozenset[str]] = {folded(name): frozenset(map(folded, others)) for name, others in _FAMILIES}
"""For the folded name of a field the folded names that are known to mean the same."""

VALUE_SYNONYMS: dict[str, frozenset[str]] = {
    "refused": frozenset({"rejected"}),  # both words live in this API family
    "cancelled": frozenset({"canceled"}),
}
"""The same for values of enums."""
