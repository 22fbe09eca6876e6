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

_REASON_MOST = 100
"""Characters of a proxy's own words that are told."""


def as_ours(error: Exception, url: str, *, has_left: bool = True) -> NotAnsweredError | FencedError:
    """The error of this package that tells the same; to be raised from it.

    ``has_left`` says whether anything of the request can have left: before it has, a connection to a proxy may be
    refused, lost or silent, and the API has seen nothing.
    """
    if isinstance(error.__cause__, FencedError):
        return error.__cause__
    host = URL(url, encoded=True).authority
    reason = str(error) or type(error).__name__
    match error:
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            return TLSError(f"no TLS connection to {host}: {reason}")
        case aiohttp.ClientHttpProxyError(status=status, message=message):
            said = "".join(sign for sign in message if sign.isprintable())[:_REASON_MOST]
            return ConnectError.of_proxy(f"a proxy refused to connect to {host}: {status} {said}".rstrip(), status)
        case aiohttp.ClientConnectorError() | aiohttp.ClientProxyConnectionError():
            return ConnectError(f"no connection to {host}: {reason}")
        case aiohttp.ConnectionTimeoutError():
            return ConnectError(f"no connection to {host} in time")
        case _ if not has_left:
            return ConnectError(f"no connection to {host}: {reason}")
        case TimeoutError():
            return AnswerTimeoutError(f"{host} did not answer in time")
        case _:
            return ConnectionLostError(f"connection to {host} lost: {reason}")
