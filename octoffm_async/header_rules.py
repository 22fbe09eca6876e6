"""Rules for headers that a program or a hook adds to requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from .errors import ConfigurationError

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[!-~]([\t -~]*[!-~])?")
_OWN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "proxy-authorization",
        "sellerid",
        "saleschannelid",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
"""Headers that the client sets, or that would change how a request is read."""


def checked_headers(name: str, headers: Any) -> dict[str, str]:
    """Return headers to add to requests, as a dictionary.

    Raises:
        ConfigurationError: One is the client's own, or cannot be sent; the error names it, never its value.
    """
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"{name} must map names to values, not be {type(headers).__name__}")
    found: dict[str, str] = {}
    for header, value in cast("dict[Any, Any]", headers).items():
        if not isinstance(header, str) or not _HEADER_NAME.fullmatch(header):
            raise ConfigurationError(f"{name}: {header!r} is not a header's name")
        if header.lower() in _OWN_HEADERS:
            cure = {"user-agent": "use app_info", "sellerid": "use client.seller(…)"}.get(
                header.lower(), "leave it out"
            )
            raise ConfigurationError(f"{name}: the client sets {header} itself; {cure}")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(f"{name}: the value of {header} is not text of printable ASCII")
        if header.lower() in map(str.lower, found):
            raise ConfigurationError(f"{name}: {header} is given twice")
        found[header] = value
    return found
