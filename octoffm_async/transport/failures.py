"""The mapping of aiohttp's errors to this package's: they say whether the request may have reached the API."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING, cast

import aiohttp
from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from yarl import URL

from ..errors import AnswerTimeoutError, ConnectError, ConnectionLostError, FencedError, TLSError, UnusableAnswerError
from ..settings.network import proxy_of_environment

if TYPE_CHECKING:
    from ..errors import NotAnsweredError

__all__ = ["to_package_error", "unreadable_head"]

_REASON_MOST = 100
"""Characters of a proxy's own message that an error contains."""
_SELF_SIGNED, _HOST_MISMATCH, _ADDRESS_MISMATCH = 18, 62, 64
_UNKNOWN_AUTHORITY = (2, 19, 20, 21, 27)
"""OpenSSL's codes for a certificate whose chain ends at an authority that is not among the trusted ones."""
_WANTS_CERTIFICATE = re.compile(r"ALERT_(?:HANDSHAKE_FAILURE|.*CERTIFICATE.*|UNKNOWN_CA|ACCESS_DENIED)$")
"""The reasons of a server that is not content with the client's certificate, or with its having none. In TLS 1.3 they
come behind the handshake, perhaps after a request was written; the server has not read it."""


def unreadable_head(error: Exception) -> Exception:
    """Return the error for bytes that aiohttp's parser does not take for a response."""
    reason = error.message if isinstance(error, HttpProcessingError) else repr(error)
    if isinstance(error, LineTooLong) or (isinstance(error, BadHttpMessage) and "too many headers" in reason.lower()):
        return UnusableAnswerError(
            "the headers of the answer are too large (a line over 32 KiB, or more than a thousand of them): not read"
        )
    return aiohttp.ClientPayloadError(f"not an HTTP answer: {reason}")


def is_refused_certificate(error: BaseException | None) -> bool:
    """Return True for the alert of a server that did not accept the client's certificate, or wants one."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__
    return error is not None and _WANTS_CERTIFICATE.search(error.reason or "") is not None


def to_package_error(  # noqa: PLR0911  (one for each kind)
    error: Exception, url: str, *, request_sent: bool = True, is_direct: bool = False
) -> NotAnsweredError | FencedError | UnusableAnswerError:
    """Return the corresponding error of this package; to be raised from the original.

    ``request_sent`` says whether any byte of the request may have been sent: before that, a connection to a proxy may
    be refused, lost or silent, and the API has received nothing. ``is_direct`` says that no proxy was used.
    """
    if isinstance(error.__cause__, FencedError):
        return error.__cause__
    host = URL(url, encoded=True).authority
    reason = _reason(error)
    match error:
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            return TLSError(f"no TLS connection to {host}: {reason}{_cure(error)}")
        case aiohttp.ClientOSError() if is_refused_certificate(error):
            return TLSError(f"no TLS connection to {host}: {reason}{_cure(error)}")
        case aiohttp.ClientResponseError(__cause__=HttpProcessingError(__cause__=Exception() as cause)) if isinstance(
            unreadable := unreadable_head(cause), UnusableAnswerError
        ):
            return unreadable
        case aiohttp.ClientHttpProxyError(status=status, message=message):
            said = "".join(sign for sign in message if sign.isprintable())[:_REASON_MOST]
            return ConnectError.of_proxy(f"a proxy refused to connect to {host}: {status} {said}".rstrip(), status)
        case aiohttp.ClientProxyConnectionError():
            return ConnectError(f"no connection to {host}, nor to the proxy: {reason}")
        case aiohttp.ClientConnectorError():
            return ConnectError(f"no connection to {host}: {reason}{_unused_proxy(url) if is_direct else ''}")
        case aiohttp.ConnectionTimeoutError():
            return ConnectError(f"no connection to {host} in time{_unused_proxy(url) if is_direct else ''}")
        case _ if not request_sent:
            return ConnectError(f"no connection to {host}: {reason}")
        case TimeoutError():
            return AnswerTimeoutError(f"{host} did not answer in time")
        case _:
            return ConnectionLostError(f"connection to {host} lost: {reason}")


def _reason(error: Exception) -> str:
    """Return the reason for which a connection failed; aiohttp's text repeats the host, and shows an ``ssl`` object."""
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        error = error.os_error
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _cure(error: BaseException | None) -> str:
    """Return what to do about a TLS error: an unknown authority is another matter than a bad certificate."""
    if isinstance(error, (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError)):
        name = "os_error" if isinstance(error, aiohttp.ClientConnectorSSLError) else "certificate_error"
        error = cast("BaseException", getattr(error, name))
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        if code in _UNKNOWN_AUTHORITY:
            return f"; the server's certificate is signed by an authority that is not trusted here{_authority_file()}"
        if code == _SELF_SIGNED:
            return (
                "; the server's certificate is signed by itself, so it does not prove who answers: if it is a server \
of your own, name its certificate with ca_file (OCTOFFM_CA_FILE)"
            )
        if code in (_HOST_MISMATCH, _ADDRESS_MISMATCH):
            return "; the server's certificate is of another name: look at base_url and token_url"
        return "; the server's certificate itself is bad: its owner, or a wrong clock here, has to be put right"
    if is_refused_certificate(error):
        return "; the server wants a client certificate, or another one: name it with client_certificate"
    return ""


def _unused_proxy(url: str) -> str:
    if proxy_of_environment(URL(url, encoded=True)) is None:
        return ""
    return "; the environment names a proxy, which is used only with trust_env=True (OCTOFFM_TRUST_ENV=true)"


def _authority_file() -> str:
    path = os.environ.get("SSL_CERT_FILE")
    if not path:
        return ": if it is your company's, put its certificate into a file for ca_file (OCTOFFM_CA_FILE)"
    if not os.access(path, os.R_OK):
        return f", and SSL_CERT_FILE = {path!r} cannot be read"
    return f" (nor is it in SSL_CERT_FILE = {path!r})"
