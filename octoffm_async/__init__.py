"""The asyncio client for Octopia's fulfillment API (Cdiscount and 50 more marketplaces).

``FulfillmentClient`` is the entry point; its ``products``, ``stocks``, ``inbound``, ``outbound`` and ``returns`` make
single calls, its ``bulk`` runs over many items.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (else an older Python fails on a name that it does not have)
    raise ImportError(
        f"octoffm_async needs Python 3.11 or later, and this is {sys.version.split()[0]} ({sys.executable}): "
        "install a newer one, and make the virtual environment with it"
    )

from .bulk.changes import Change, ChangeFeed
from .bulk.journal import Journal
from .bulk.outcomes import Created, Failed, Found, Missing, Outcome, Refused, Skipped, Summary, Unknown
from .bulk.readers import ProductRows
from .bulk.rejects import RejectedRow, RejectsReport
from .bulk.run import Run
from .bulk.scanning import StockScan
from .client import FulfillmentClient, SellerClient
from .config import Config, Limit, Secret
from .contract.checks import FieldProblem
from .contract.common import Document, Refusal, ShipmentLine
from .contract.inbound import InboundLine, InboundShipment, InboundShipmentRequest, InboundStatus
from .contract.outbound import (
    CancellationStatus,
    DeliveryAddress,
    DeliveryMode,
    OutboundCancellation,
    OutboundShipment,
    OutboundShipmentRequest,
    OutboundStatus,
    Parcel,
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
from .contract.returns import (
    Return,
    ReturnLine,
    ReturnLineState,
    ReturnReason,
    ReturnRequest,
    ReturnStatus,
    ReturnType,
)
from .contract.stocks import Localization, ProductState, Quantities, QuantityType, SortOrder, Stock
from .errors import (
    AnsweredError,
    AnswerTimeoutError,
    AuthenticationError,
    BadRequestError,
    BadRowError,
    CallError,
    CircuitOpenError,
    ClosedError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    CredentialsRefusedError,
    DeadlineExceededError,
    ErrorBudgetExceededError,
    FencedError,
    JournalDamagedError,
    JournalError,
    JournalInUseError,
    JournalWriteError,
    NotAnsweredError,
    NotFoundError,
    NotReadyError,
    OctoffmError,
    OtherEnvironmentError,
    OverloadedError,
    PagingError,
    PayloadConflictError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    StatusUnreachableError,
    StoreError,
    TLSError,
    UnprocessableError,
    UnusableAnswerError,
    ValidationError,
    is_outcome_unknown,
)
from .events import ContractDrift, DriftKind, Event, Hook, LoggingHook
from .session.file_tokens import FileTokenStore
from .session.limit_stores import LimitStore, MemoryLimits
from .session.paging import Page, Pager
from .session.response import Response
from .session.stats import KeyStats, Stats
from .session.token_stores import MemoryTokenStore, TokenStore
from .version import __version__

__all__ = [
    "AnswerTimeoutError",
    "AnsweredError",
    "AuthenticationError",
    "BadRequestError",
    "BadRowError",
    "CallError",
    "CancellationStatus",
    "Change",
    "ChangeFeed",
    "CircuitOpenError",
    "ClosedError",
    "Config",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectionLostError",
    "ContractDrift",
    "Created",
    "CredentialsRefusedError",
    "DeadlineExceededError",
    "DeliveryAddress",
    "DeliveryMode",
    "Document",
    "DriftKind",
    "ErrorBudgetExceededError",
    "Event",
    "Failed",
    "FencedError",
    "FieldProblem",
    "FileTokenStore",
    "Found",
    "FulfillmentClient",
    "FulfillmentProduct",
    "Hook",
    "InboundLine",
    "InboundShipment",
    "InboundShipmentRequest",
    "InboundStatus",
    "Journal",
    "JournalDamagedError",
    "JournalError",
    "JournalInUseError",
    "JournalWriteError",
    "KeyStats",
    "Limit",
    "LimitStore",
    "Localization",
    "LoggingHook",
    "MemoryLimits",
    "MemoryTokenStore",
    "Missing",
    "NotAnsweredError",
    "NotFoundError",
    "NotReadyError",
    "OctoffmError",
    "OtherEnvironmentError",
    "OutboundCancellation",
    "OutboundShipment",
    "OutboundShipmentRequest",
    "OutboundStatus",
    "Outcome",
    "OverloadedError",
    "Packaging",
    "Page",
    "Pager",
    "PagingError",
    "Parcel",
    "PayloadConflictError",
    "PermissionDeniedError",
    "ProductCondition",
    "ProductResult",
    "ProductRows",
    "ProductState",
    "Quantities",
    "QuantityType",
    "RateLimitedError",
    "Refusal",
    "Refused",
    "RegistrationStatus",
    "RejectedRow",
    "RejectsReport",
    "Response",
    "Return",
    "ReturnLine",
    "ReturnLineState",
    "ReturnReason",
    "ReturnRequest",
    "ReturnStatus",
    "ReturnType",
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
    "StatusUnreachableError",
    "Stock",
    "StockScan",
    "StoreError",
    "Summary",
    "TLSError",
    "TokenStore",
    "Unknown",
    "UnprocessableError",
    "UnusableAnswerError",
    "ValidationError",
    "__version__",
    "is_outcome_unknown",
]
