"""The mapping of aiohttp's errors to this package's: they say whether the request may have reached the API."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from ..errors import AnswerTimeoutError, ConnectError, ConnectionLostError, FencedError, TLSError

if TYPE_CHECKING:
    from ..errors import NotAnsweredError

__all__ = ["to_package_error"]

_REASON_MOST = 100
"""Characters of a proxy's own message that an error contains."""


def to_package_error(error: Exception, url: str, *, request_sent: bool = True) -> NotAnsweredError | FencedError:
    """Return the corresponding error of this package; to be raised from the original.

    ``request_sent`` says whether any byte of the request may have been sent: before that, a connection to a proxy may
    be refused, lost or silent, and the API has received nothing.
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
        case _ if not request_sent:
            return ConnectError(f"no connection to {host}: {reason}")
        case TimeoutError():
            return AnswerTimeoutError(f"{host} did not answer in time")
        case _:
            return ConnectionLostError(f"connection to {host} lost: {reason}")
