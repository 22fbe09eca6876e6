"""What the errors of aiohttp mean: whether the request may have reached the other side."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from ..errors import AnswerTimeoutError, ConnectError, ConnectionLostError, FencedError, TLSError

if TYPE_CHECKING:
    from ..errors import NotAnsweredError

__all__ = ["as_ours"]


def as_ours(error: Exception, url: str) -> NotAnsweredError | FencedError:
    """The error of this package that tells the same; to be raised from it."""
    if isinstance(error.__cause__, FencedError):
        return error.__cause__
    host = URL(url, encoded=True).authority
    reason = str(error) or type(error).__name__
    match error:
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            return TLSError(f"no TLS connection to {host}: {reason}")
        case aiohttp.ClientConnectorError() | aiohttp.ClientProxyConnectionError():
            return ConnectError(f"no connection to {host}: {reason}")
        case aiohttp.ConnectionTimeoutError():
            return ConnectError(f"no connection to {host} in time")
        case TimeoutError():
            return AnswerTimeoutError(f"{host} did not answer in time")
        case _:
            return ConnectionLostError(f"connection to {host} lost: {reason}")
