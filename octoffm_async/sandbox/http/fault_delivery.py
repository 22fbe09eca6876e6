"""Sending of responses: normally, truncated, padded, slowly, or not at all."""

import asyncio
import math
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import cast
from urllib.parse import parse_qsl
from weakref import WeakSet

import msgspec
from aiohttp import web

from octoffm_async.contract.operations import Shape

from ..faults import Fault
from .call import IncomingRequest
from .paging import Cursor, next_link
from .responses import HTML, JSON, HttpReply

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


FOREIGN_ORIGIN = "http://elsewhere.example"

_ENUM_FIELDS = frozenset({"status", "state", "productstate", "productcondition", "deliverymode", "updatereason"})
_UNAVAILABLE = (
    b"<html><head><title>503 Service Unavailable</title></head><body><h1>No server is available</h1></body></html>"
)
_MAINTENANCE = b"<html><head><title>Please wait</title></head><body><p>Checking your browser</p></body></html>"

UNAVAILABLE_HTML = HttpReply(503, _UNAVAILABLE, HTML)
HTML_200 = HttpReply(200, _MAINTENANCE, HTML)


def apply_fault(fault: Fault, reply: HttpReply, call: IncomingRequest | None) -> HttpReply:
    """Return the response as the fault changes it; other faults return it unchanged.

    The token endpoint has no ``call``, and its responses have no ``Link`` to change.
    """
    alter = _ALTERATIONS.get(fault)
    return reply if alter is None else alter(reply, call)


def _malformed(reply: HttpReply, _: IncomingRequest | None) -> HttpReply:
    return reply._replace(body=b'{"items": [{"id": ', content_type=JSON, headers={})


def _unknown_values(reply: HttpReply, _: IncomingRequest | None) -> HttpReply:
    if not reply.body or "json" not in reply.content_type:
        return reply
    return reply._replace(body=msgspec.json.encode(_estranged(msgspec.json.decode(reply.body))))


def _estranged(value: object) -> object:
    if isinstance(value, list):
        return [_estranged(entry) for entry in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, object]", value)
    strange = {
        name: "NotInvented" if _folded(name) in _ENUM_FIELDS and isinstance(field, str) else _estranged(field)
        for name, field in fields.items()
    }
    return {"fieldOfTomorrow": {"nested": [1, None, "x"]}, **strange}


def _folded(name: str) -> str:
    """Return the name of a member without underscores and case, whatever spelling the sandbox uses."""
    return name.replace("_", "").casefold()


def _foreign_link(reply: HttpReply, call: IncomingRequest | None) -> HttpReply:
    return _relinked(reply, call, FOREIGN_ORIGIN, None)


def _link_loop(reply: HttpReply, call: IncomingRequest | None) -> HttpReply:
    return _relinked(reply, call, "", None if call is None else call.query.get("cursor"))


def _relinked(reply: HttpReply, call: IncomingRequest | None, origin: str, cursor: str | None) -> HttpReply:
    if call is None or call.operation.shape is not Shape.PAGE or reply.status != call.operation.success:
        return reply
    prefix = origin + call.path if origin else call.link_prefix(call.path)
    link = next_link(prefix, call.query, cursor or _cursor_of(reply.headers) or Cursor("created", (0,)).encode())
    return reply._replace(headers={**reply.headers, "Link": link})


def _cursor_of(headers: Mapping[str, str]) -> str | None:
    target = headers.get("Link", "").partition(">")[0]
    return dict(parse_qsl(target.partition("?")[2])).get("cursor")


_ALTERATIONS: Mapping[Fault, Callable[[HttpReply, IncomingRequest | None], HttpReply]] = {
    Fault.MALFORMED_JSON: _malformed,
    Fault.UNKNOWN_VALUES: _unknown_values,
    Fault.FOREIGN_LINK: _foreign_link,
    Fault.LINK_LOOP: _link_loop,
}
