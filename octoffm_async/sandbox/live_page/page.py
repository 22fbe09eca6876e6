"""The live page at ``/``: one HTML file with its style and its script, and no external resource."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from ..http.responses import HTML, HttpReply

_INLINE = re.compile(rb"<(script|style)>(.*?)</\1>", re.DOTALL)


@cache
def live_page_response() -> HttpReply:
    """Return the page. Its policy allows its own script and style by hash, and requests to its own server only."""
    body = (files("octoffm_async.sandbox") / "page.html").read_bytes()
    sources: dict[bytes, list[str]] = {b"script": [], b"style": []}
    for kind, content in _INLINE.findall(body):
        sources[kind].append(f"'sha256-{b64encode(sha256(content).digest()).decode()}'")
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(sources[b"script"]),
        "style-src": " ".join(sources[b"style"]),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {source}" for name, source in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return HttpReply(200, body, HTML, headers)
