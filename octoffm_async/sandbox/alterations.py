"""Faults that change the body or a header of a response, but not the way in which the server sends it."""

from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import parse_qsl

import msgspec

from octoffm_async.contract.operations import Shape

from .calls import IncomingRequest
from .faults import Fault
from .paging import Cursor, next_link
from .replies import HTML, JSON, HttpReply

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
