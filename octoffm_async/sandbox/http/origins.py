"""Protection of a loopback server from web pages of other origins that a browser on this machine has open."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_OWN_SITES = (None, "same-origin", "none")  # "none" is an address that the user typed
_FORM = "application/x-www-form-urlencoded"
_OTHER_FORMS = ("text/plain", "multipart/form-data")


class ControlRefusal(NamedTuple):
    """The status and the reason with which the server refuses a control request."""

    status: int
    reason: str


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Return True if a ``Host`` header names this machine.

    A page whose name resolves to 127.0.0.1 after the browser has loaded it (DNS rebinding) has the sandbox's origin in
    the eyes of the browser; its ``Host`` header still has the name of the page.
    """
    return _LOOPBACK.fullmatch(host) is not None


def is_foreign(origin: str | None, host: str) -> bool:
    """Return True if an ``Origin`` header differs from the server's own origin. Only browsers send the header."""
    return origin is not None and origin.casefold() != f"http://{host}".casefold()


def check_control_request(method: str, headers: Mapping[str, str], host: str) -> ControlRefusal | None:
    """Return the refusal of a control request, or ``None`` if the live page or no browser sent it.

    ``Origin`` or ``Sec-Fetch-Site`` show a request from a page of another origin. A browser too old for both headers
    can post to other origins only with the media types of a form. ``curl -d`` uses one of these types as well; the
    server accepts it with a body, because a browser encodes a form of that type so that it is never valid JSON. A
    form of type ``text/plain`` can be valid JSON, so the server refuses it.
    """
    if is_foreign(headers.get("Origin"), host) or headers.get("Sec-Fetch-Site") not in _OWN_SITES:
        return ControlRefusal(403, "the sandbox refuses control requests from web pages of another origin")
    if method != "POST":
        return None
    kind = headers.get("Content-Type", "").partition(";")[0].strip().casefold()
    if kind in _OTHER_FORMS or (kind == _FORM and headers.get("Content-Length") == "0"):
        return ControlRefusal(415, f"the sandbox refuses control requests of type {kind}; send application/json")
    return None
