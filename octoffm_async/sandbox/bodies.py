"""Request bodies: bounded in size, with ``100 Continue`` for clients that wait for it."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.http import HttpVersion11

from .replies import ProblemError

BODY_MAX = 8 * 1024 * 1024
"""Largest request body, in bytes. The largest body of the contract, 100 products, has some tens of thousands."""


def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Make a request object that allows ``BODY_MAX``: aiohttp's own limit is 1 MiB, with no problem as response."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_MAX)


async def receive_body(request: web.BaseRequest) -> bytes:
    """Read the whole body.

    Raises:
        ProblemError: 413 if the body is too large, 417 for an unknown ``Expect`` header.
    """
    if (request.content_length or 0) > BODY_MAX:  # refused before the client sends it
        raise _too_large()
    await _invite(request)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None


def has_unread_body(request: web.BaseRequest) -> bool:
    """Return True if an announced body may never arrive; the connection then cannot carry another request."""
    announced = (request.content_length or 0) > BODY_MAX or "Expect" in request.headers
    return announced and not request.content.is_eof()


async def _invite(request: web.BaseRequest) -> None:
    """Send ``100 Continue`` if the client waits for it (``Expect: 100-continue``; curl does for large bodies)."""
    expected = request.headers.get("Expect")
    if expected is None or request.version < HttpVersion11:
        return
    if expected.strip().casefold() != "100-continue":
        raise ProblemError(417, f"The expectation '{expected}' is not supported; only 100-continue is.")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # these bytes are not part of a body


def _too_large() -> ProblemError:
    return ProblemError(413, f"The body of a request may have {BODY_MAX:,} bytes; send fewer items at a time.")
