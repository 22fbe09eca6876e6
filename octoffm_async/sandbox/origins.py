"""Who may talk to a server on loopback: not the web pages of others, which a browser on this machine may have open."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_OWN_SITES = (None, "same-origin", "none")  # "none" is an address that somebody typed in
_FORM = "application/x-www-form-urlencoded"
_OTHER_FORMS = ("text/plain", "multipart/form-data")


class Refusal(NamedTuple):
    """Why a control order is not taken, and the status that says so."""

    status: int
    reason: str


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a ``Host`` header names this machine.

    A page whose name was pointed at 127.0.0.1 after it was loaded (DNS rebinding) counts as of the sandbox's origin for
    the browser; its ``Host`` header gives it away.
    """
    return _LOOPBACK.fullmatch(host) is not None


def is_foreign(origin: str | None, host: str) -> bool:
    """Whether an ``Origin`` header names another origin than the server's own. Only browsers send one."""
    return origin is not None and origin.casefold() != f"http://{host}".casefold()


def refusal_of(method: str, headers: Mapping[str, str], host: str) -> Refusal | None:
    """Why a control order is refused, or ``None`` if it is the page's own or no browser's.

    A page of another origin gives itself away by ``Origin`` or ``Sec-Fetch-Site``. A browser too old to send either can
    post to other origins with a form's types alone. ``curl -d`` uses one of them as well; it is taken with a body,
    because a browser encodes a form of that type so that it never is JSON. A form of ``text/plain`` can be.
    """
    if is_foreign(headers.get("Origin"), host) or headers.get("Sec-Fetch-Site") not in _OWN_SITES:
        return Refusal(403, "control orders are not taken from web pages of another origin")
    if method != "POST":
        return None
    kind = headers.get("Content-Type", "").partition(";")[0].strip().casefold()
    if kind in _OTHER_FORMS or (kind == _FORM and headers.get("Content-Length") == "0"):
        return Refusal(415, f"control orders are not taken as {kind}; send application/json")
    return None
