"""How an answer goes on the wire: as it should, cut short, swollen, drop by drop, or not at all."""

import asyncio
import math
from email.utils import formatdate
from functools import lru_cache
from weakref import WeakSet

from aiohttp import web

from .replies import Reply

_CHUNK = b" " * 65536
_DROPS = 50  # pieces a second that a slow body comes in at most
_CLIENT_CHECK = 0.02  # seconds between two looks at whether a stalled client is still there


def response_of(reply: Reply) -> web.Response:
    """The answer as it should be."""
    headers = dict(reply.headers)
    if reply.body:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=reply.body, headers=headers)


@lru_cache(maxsize=4)
def http_date(second: int) -> str:
    """What ``Date`` says at this second of the sandbox's clock, which also rules the times in the bodies."""
    return formatdate(second, usegmt=True)


def abort(request: web.BaseRequest) -> None:
    """Drop the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()


async def send_truncated(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Promise the whole body and more, send a half, and end the connection."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type, **reply.headers})
    response.content_length = len(reply.body) + 100
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()  # unlike abort(), what was written still goes out
    return response


async def send_huge(request: web.BaseRequest, reply: Reply, size: float) -> web.StreamResponse:
    """Send the body behind ``size`` bytes of white space, never holding them in memory."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type, **reply.headers})
    await response.prepare(request)
    left = int(size)
    while left > 0:
        await response.write(_CHUNK[:left])
        left -= len(_CHUNK)
    await response.write(reply.body)
    return response


async def send_slowly(
    request: web.BaseRequest, reply: Reply, rate: float, stopping: asyncio.Event
) -> web.StreamResponse:
    """Send the body at ``rate`` bytes a second, in the smallest pieces that this allows."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type, **reply.headers})
    response.content_length = len(reply.body)
    await response.prepare(request)
    size = math.ceil(rate / _DROPS)
    for start in range(0, len(reply.body), size):
        await linger(stopping, size / rate)
        if stopping.is_set():
            abort(request)
            break
        await response.write(reply.body[start : start + size])
    return response


class StaleConnections:
    """Connections that are dead on the server's side, as their clients will learn from the next request on them."""

    def __init__(self) -> None:
        self._doomed: WeakSet[asyncio.BaseTransport] = WeakSet()

    def doom(self, request: web.BaseRequest) -> None:
        """Let the next request on this connection find it dying."""
        if request.transport is not None:
            self._doomed.add(request.transport)

    def drop(self, request: web.BaseRequest) -> bool:
        """Whether the connection of this request was doomed; it is dropped if so."""
        if request.transport not in self._doomed:
            return False
        abort(request)
        return True


async def linger(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than the server runs."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def stall(request: web.BaseRequest, stopping: asyncio.Event) -> None:
    """Wait until the client goes away or the server stops.

    aiohttp does not cancel a handler whose client has left, so the connection is looked at now and then.
    """
    while not (stopping.is_set() or request.transport is None or request.transport.is_closing()):
        await linger(stopping, _CLIENT_CHECK)
