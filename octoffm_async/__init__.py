"""The asyncio client for Octopia's fulfillment API (Cdiscount and 50 more marketplaces).

``FulfillmentClient`` is the way in; its ``products``, ``stocks`` and ``outbound`` are single calls, its ``bulk`` many.
"""

from .bulk.outcomes import Created, Failed, Found, Missing, Outcome, Refused, Skipped, Summary, Unknown
from .bulk.readers import ProductRows
from .bulk.rejects import RejectedRow, RejectsReport
from .bulk.run import Run
from .client import FulfillmentClient, SellerClient
from .config import Config, Limit, Secret
from .contract.outbound import (
    DeliveryAddress,
    DeliveryMode,
    OutboundShipment,
    OutboundShipmentRequest,
    OutboundStatus,
    Parcel,
    ShipmentLine,
    ShipmentState,
)
from .contract.products import (
    FulfillmentProduct,
    Packaging,
    ProductCondition,
    ProductResult,
    RegistrationStatus,
    SellerReference,
)
from .contract.stocks import Localization, ProductState, Quantities, QuantityType, SortOrder, Stock
from .contract.validation import FieldProblem
from .errors import (
    AnsweredError,
    AnswerTimeoutError,
    AuthenticationError,
    BadRequestError,
    CallError,
    ClosedError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    CredentialsRefusedError,
    DeadlineExceededError,
    ErrorBudgetExceededError,
    NotAnsweredError,
    NotFoundError,
    OctoffmError,
    PagingError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TLSError,
    UnprocessableError,
    UnusableAnswerError,
    ValidationError,
    is_outcome_unknown,
)
from .events import Event, Hook, LoggingHook
from .session.journey import Stats
from .session.paging import Page, Pager

__version__ = "0.1.0"

__all__ = [
    "AnswerTimeoutError",
    "AnsweredError",
    "AuthenticationError",
    "BadRequestError",
    "CallError",
    "ClosedError",
    "Config",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectionLostError",
    "Created",
    "CredentialsRefusedError",
    "DeadlineExceededError",
    "DeliveryAddress",
    "DeliveryMode",
    "ErrorBudgetExceededError",
    "Event",
    "Failed",
    "FieldProblem",
    "Found",
    "FulfillmentClient",
    "FulfillmentProduct",
    "Hook",
    "Limit",
    "Localization",
    "LoggingHook",
    "Missing",
    "NotAnsweredError",
    "NotFoundError",
    "OctoffmError",
    "OutboundShipment",
    "OutboundShipmentRequest",
    "OutboundStatus",
    "Outcome",
    "Packaging",
    "Page",
    "Pager",
    "PagingError",
    "Parcel",
    "PermissionDeniedError",
    "ProductCondition",
    "ProductResult",
    "ProductRows",
    "ProductState",
    "Quantities",
    "QuantityType",
    "RateLimitedError",
    "Refused",
    "RegistrationStatus",
    "RejectedRow",
    "RejectsReport",
    "Run",
    "Secret",
    "SellerClient",
    "SellerReference",
    "ServerError",
    "ShipmentLine",
    "ShipmentState",
    "Skipped",
    "SortOrder",
    "Stats",
    "Stock",
    "Summary",
    "TLSError",
    "Unknown",
    "UnprocessableError",
    "UnusableAnswerError",
    "ValidationError",
    "__version__",
    "is_outcome_unknown",
]
