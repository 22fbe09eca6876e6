"""Who may talk to a server on loopback: not the web pages of others, which a browser on this machine may have open."""

import re
from functools import lru_cache

_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE)


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
