"""The live page at ``/``: one file of HTML, with its styles and its script inside, and nothing from elsewhere."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from .replies import HTML, Reply

_INLINE = re.compile(rb"<(script|style)>(.*?)</\1>", re.DOTALL)


@cache
def page_reply() -> Reply:
    """The page. Its policy lets it run the script that it was made with, and talk to its own server only."""
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
    return Reply(200, body, HTML, headers)
