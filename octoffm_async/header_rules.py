"""Rules for headers that a program or a hook adds to requests."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from typing import Any, cast

import aiohttp

from .errors import ConfigurationError
from .version import __version__

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
        "range",
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


_CURES = {
    "user-agent": "use app_info",
    "sellerid": "use client.seller(…)",
    "saleschannelid": "use sales_channel_id",
    "authorization": "it holds the token; for another scheme give a transport= of yours",
}


def user_agent(app_info: str | None = None) -> str:
    """Return the ``User-Agent``: this package, what it runs on, and the program that uses it."""
    named = f"octoffm-async/{__version__} python/{platform.python_version()} aiohttp/{aiohttp.__version__}"
    return named if app_info is None else f"{named} {app_info}"


def check_app_info(text: object) -> None:
    """Reject a name of a program that cannot stand in a header.

    Raises:
        ConfigurationError: It is no text of printable ASCII.
    """
    if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
        raise ConfigurationError(f"app_info must be text of printable ASCII such as shop/1.2, not {text!r}")


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
            cure = _CURES.get(header.lower(), "leave it out")
            raise ConfigurationError(f"{name}: the client sets {header} itself; {cure}")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(f"{name}: the value of {header} is not text of printable ASCII")
        if header.lower() in map(str.lower, found):
            raise ConfigurationError(f"{name}: {header} is given twice")
        found[header] = value
    return found


def joined_headers(headers: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with more, which replace those of the same name in any case."""
    replaced = {name.lower() for name in more}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(more)
