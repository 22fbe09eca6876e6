"""Rate limits: of one client, learned from the API, and shared by many processes (:mod:`.shared`).

:class:`KeyValueLimits` keeps limits in any store of :mod:`octoffm_async.stores`. The author of another kind of store
implements :class:`LimitStore` with :func:`advance`, the arithmetic of a limit.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .shared.gcra import LeaseReply, LeaseRequest, LimitState, advance
    from .shared.store import KeyValueLimits, LimitStore, MemoryLimits
    from .stats import Health, KeyStats, Stats
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "octoffm_async.ratelimit.shared.gcra": (
                "LeaseReply",
                "LeaseRequest",
                "LimitState",
                "advance",
            ),
            "octoffm_async.ratelimit.shared.store": (
                "KeyValueLimits",
                "LimitStore",
                "MemoryLimits",
            ),
            "octoffm_async.ratelimit.stats": (
                "Health",
                "KeyStats",
                "Stats",
            ),
        },
    )

__all__ = [
    "Health",
    "KeyStats",
    "KeyValueLimits",
    "LeaseReply",
    "LeaseRequest",
    "LimitState",
    "LimitStore",
    "MemoryLimits",
    "Stats",
    "advance",
]
