"""Sending of responses: normally, truncated, padded, slowly, or not at all."""

import asyncio
import math
from email.utils import formatdate
from functools import lru_cache
from weakref import WeakSet

from aiohttp import web

from .replies import HttpReply

_CHUNK = b" " * 65536
_DROPS = 50  # most pieces per second of a slow body
_CLIENT_CHECK = 0.02  # seconds between two checks that a stalled client is still connected


def response_of(reply: HttpReply) -> web.Response:
    """Return the response without any fault."""
    headers = dict(reply.headers)
    if reply.body:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=reply.body, headers=headers)


@lru_cache(maxsize=4)
def http_date(second: int) -> str:
    """Return the ``Date`` header for a second of the sandbox's clock, which also gives the times in the bodies."""
    return formatdate(second, usegmt=True)


def abort(request: web.BaseRequest) -> None:
    """Drop the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()


async def send_truncated(request: web.BaseRequest, reply: HttpReply) -> web.StreamResponse:
    """Declare 100 bytes more than the body has, send half of the body, and close the connection."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type, **reply.headers})
    response.content_length = len(reply.body) + 100
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()  # unlike abort(), close() still sends the written bytes
    return response


async def send_huge(request: web.BaseRequest, reply: HttpReply, size: float) -> web.StreamResponse:
    """Send ``size`` bytes of white space, in chunks, and then the body."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type, **reply.headers})
    await response.prepare(request)
    left = int(size)
    while left > 0:
        await response.write(_CHUNK[:left])
        left -= len(_CHUNK)
    await response.write(reply.body)
    return response


async def send_slowly(
    request: web.BaseRequest, reply: HttpReply, rate: float, stopping: asyncio.Event
) -> web.StreamResponse:
    """Send the body at ``rate`` bytes per second, in at most 50 pieces per second."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type, **reply.headers})
    response.content_length = len(reply.body)
    await response.prepare(request)
    size = math.ceil(rate / _DROPS)
    for start in range(0, len(reply.body), size):
        await sleep_unless_stopped(stopping, size / rate)
        if stopping.is_set():
            abort(request)
            break
        await response.write(reply.body[start : start + size])
    return response


class StaleConnections:
    """Connections that the server closes when the next request on them arrives."""

    def __init__(self) -> None:
        self._doomed: WeakSet[asyncio.BaseTransport] = WeakSet()

    def mark(self, request: web.BaseRequest) -> None:
        """Mark the connection of a request: the server drops it when the next request on it arrives."""
        if request.transport is not None:
            self._doomed.add(request.transport)

    def drop(self, request: web.BaseRequest) -> bool:
        """Drop the connection of a request if it is marked; return True if so."""
        if request.transport not in self._doomed:
            return False
        abort(request)
        return True


async def sleep_unless_stopped(stopping: asyncio.Event, seconds: float) -> None:
    """Wait for some seconds, or until the server stops."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def wait_for_disconnect(request: web.BaseRequest, stopping: asyncio.Event) -> None:
    """Wait until the client goes away or the server stops.

    aiohttp does not cancel a handler whose client has disconnected, so this function checks the connection regularly.
    """
    while not (stopping.is_set() or request.transport is None or request.transport.is_closing()):
        await sleep_unless_stopped(stopping, _CLIENT_CHECK)
