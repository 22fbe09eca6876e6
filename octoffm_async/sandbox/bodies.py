"""Bodies of requests as they come over the wire: asked for where the client waits to be asked, and of bounded size."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.http import HttpVersion11

from .replies import ProblemError

BODY_MAX = 8 * 1024 * 1024
"""Bytes of a request's body. The largest that the contract allows, 100 products, has some tens of thousands."""


def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Make the requests of the server: aiohttp would refuse what has more than a mebibyte, without a word."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_MAX)


async def read_body(request: web.BaseRequest) -> bytes:
    """Read the whole body. Raises a problem: 413 if it is too large, 417 if the client expects what is not known."""
    if (request.content_length or 0) > BODY_MAX:  # it need not be sent to be refused
        raise _too_large()
    await _invite(request)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None


def is_left_unread(request: web.BaseRequest) -> bool:
    """Whether a body was announced that may now never come, so that nothing else can be read from this connection."""
    announced = (request.content_length or 0) > BODY_MAX or "Expect" in request.headers
    return announced and not request.content.is_eof()


async def _invite(request: web.BaseRequest) -> None:
    """Ask for the body if the client waits for that (``Expect: 100-continue``, which curl sends for large bodies)."""
    expected = request.headers.get("Expect")
    if expected is None or request.version < HttpVersion11:
        return
    if expected.strip().casefold() != "100-continue":
        raise ProblemError(417, f"The expectation '{expected}' is not known; only 100-continue is.")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # these bytes belong to no body


def _too_large() -> ProblemError:
    return ProblemError(413, f"The body of a request may have {BODY_MAX:,} bytes; send fewer items at a time.")
