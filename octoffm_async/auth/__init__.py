"""Access tokens: the current one, its renewal by one client or one of many processes, and where it is kept.

The author of a store implements :class:`TokenStore`; :class:`QuotaBucket` counts its calls of the token endpoint.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .keyvalue_store import FileTokenStore, KeyValueTokenStore, MemoryTokenStore
    from .store import QuotaBucket, SharedRefusal, SharedToken, TokenAccount, TokenRecord, TokenStore
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "octoffm_async.auth.keyvalue_store": ("FileTokenStore", "KeyValueTokenStore", "MemoryTokenStore"),
            "octoffm_async.auth.store": (
                "QuotaBucket",
                "SharedRefusal",
                "SharedToken",
                "TokenAccount",
                "TokenRecord",
                "TokenStore",
            ),
        },
    )

__all__ = [
    "FileTokenStore",
    "KeyValueTokenStore",
    "MemoryTokenStore",
    "QuotaBucket",
    "SharedRefusal",
    "SharedToken",
    "TokenAccount",
    "TokenRecord",
    "TokenStore",
]
