"""HTTP: connections, requests and answers, and nothing of the API."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .aiohttp_transport import AiohttpTransport, Transport
    from .response import Response
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "octoffm_async.transport.aiohttp_transport": (
                "AiohttpTransport",
                "Transport",
            ),
            "octoffm_async.transport.response": ("Response",),
        },
    )

__all__ = [
    "AiohttpTransport",
    "Response",
    "Transport",
]
