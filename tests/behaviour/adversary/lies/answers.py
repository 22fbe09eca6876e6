"""Lies of the answers to creations: no id, another's id, an error for what was done, a success for what was not."""

from __future__ import annotations

import asyncio
from typing import Any

from ..server import ORDERS, Adversary, Order, Reply
from .lie import Lie, lie

LATE = 2.5
"""Seconds after which an order is created whose connection was closed: longer than any patience of the trials."""
CONCURRENCY = 8
"""Creations that the trials have under way."""
HTML = {"Content-Type": "text/html"}
PROBLEM = {"Content-Type": "application/problem+json"}


def _odd(status: int, body: Any, **headers: str) -> Any:
    """Return an ``odd`` hook that always answers the same."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda *_: Reply(status, body, dict(named))


def _small_number(server: Adversary, *_: object) -> Reply:
    """Answer with 1 where real ids are known to look otherwise: the first id that is ever seen may be anything."""
    known = len(server.answered) > CONCURRENCY
    return Reply(201, {"outboundShipmentId": 1}) if known else Reply(aborts=True)


def _another(server: Adversary, _: Order | None, __: str) -> Reply:
    """Repeat the answer to an earlier creation: one that the client has read long before."""
    before = server.answered[:-CONCURRENCY]
    return Reply(201, {"outboundShipmentId": before[-1].id}) if before else Reply(aborts=True)


def _another_in_location(server: Adversary, order: Order | None, reference: str) -> Reply:
    reply = _another(server, order, reference)
    if reply.aborts:
        return reply
    return Reply(201, b"", {"Location": f"{ORDERS}/{reply.body['outboundShipmentId']}"})


def _shifted(server: Adversary, reply: Reply, order: Order | None, connection: dict[str, Any]) -> Reply:
    """From the second creation of a connection on, give each the answer of the one before it."""
    connection["creations"] = connection.get("creations", 0) + 1
    if connection["creations"] == 1:
        return reply
    if order is not None:
        order.lost = True
    held: Reply = connection.get("held") or Reply(504, {"status": 504}, date=server.now())
    connection["held"] = reply
    return held


def _late(server: Adversary, order: Order | None, reference: str) -> Reply:
    """Close the connection, and create the order long after."""
    if order is None:
        asyncio.get_running_loop().call_later(LATE, server.create, reference)
    return Reply(aborts=True)


def _created_without_body(_: Adversary, order: Order | None, __: str) -> Reply:
    return Reply(202)


def _login(_: Adversary, __: Order | None, ___: str) -> Reply:
    return Reply(200, b"<html><form action=/login></form></html>", HTML | {"Location": "/login"})


def _conflict(_: Adversary, __: Order | None, reference: str) -> Reply:
    detail = {"title": "Conflict", "detail": "an order with this reference exists", "status": 409}
    return Reply(409, detail, dict(PROBLEM))


NIL = "00000000-0000-0000-0000-000000000000"
MAINTENANCE = "Service temporarily unavailable"

LIES: list[Lie] = [
    lie("login_page", "a login page (HTML) with 200 and a Location", "honest", odd=_login),
    lie(
        "html_named_json",
        "a page that says it is JSON",
        "honest",
        odd=_odd(200, b"<!DOCTYPE html><p>Sorry 12345678</p>"),
    ),
    lie(
        "problem_200",
        "a problem with 200",
        "honest",
        odd=_odd(200, {"status": 500, "id": "4711-0815"}, Content_Type="application/problem+json"),
    ),
    lie(
        "problem_with_location",
        "a problem with 200 and the Location of an order",
        "honest",
        odd=_odd(200, {"title": "Down"}, Content_Type="application/problem+json", Location=f"{ORDERS}/77"),
    ),
    lie("errors_200", "errors with 200", "honest", odd=_odd(200, {"errors": ["out of stock"], "id": "77000"})),
    lie(
        "location_of_operation",
        "202 and the Location of an operation",
        "honest",
        odd=_odd(202, b"", Location="/seller/v2/operations/op-77"),
    ),
    lie(
        "location_of_collection",
        "201 and the Location of the collection",
        "honest",
        odd=_odd(201, b"", Location=ORDERS),
    ),
    lie(
        "location_of_count",
        "201 and a Location that is no order",
        "honest",
        odd=_odd(201, b"", Location=f"{ORDERS}/count"),
    ),
    lie("redirected", "302 to a login page", "honest", odd=_odd(302, b"", Location="/login")),
    lie("see_other", "303 to the list", "honest", odd=_odd(303, b"", Location=ORDERS)),
    lie("sentence", "a sentence in place of an object", "honest", odd=_odd(200, MAINTENANCE)),
    lie("sentence_as_id", "a sentence as id", "honest", odd=_odd(200, {"outboundShipmentId": MAINTENANCE})),
    lie("word", "the word OK", "honest", odd=_odd(200, "OK")),
    lie("word_as_id", "the word accepted as id", "honest", odd=_odd(200, {"outboundShipmentId": "accepted"})),
    lie("status_as_id", "the number 200 as text", "honest", odd=_odd(200, "200")),
    lie("small_number_as_id", "the number 1 as id", "honest", odd=_small_number),
    lie("zero", "the id 0", "honest", odd=_odd(201, {"outboundShipmentId": 0})),
    lie("zero_text", "the id 0 as text", "honest", odd=_odd(201, {"outboundShipmentId": "0"})),
    lie("minus_one", "the id -1", "honest", odd=_odd(201, {"outboundShipmentId": -1})),
    lie("minus_one_text", "the id -1 as text", "honest", odd=_odd(201, {"outboundShipmentId": "-1"})),
    lie("null_text", "the id null as text", "honest", odd=_odd(201, {"outboundShipmentId": "null"})),
    lie("null", "the id null", "honest", odd=_odd(201, {"outboundShipmentId": None})),
    lie("nil_guid", "a GUID of zeros", "honest", odd=_odd(201, {"outboundShipmentId": NIL})),
    lie("nil_guid_bare", "a GUID of zeros alone, in braces", "honest", odd=_odd(201, f"{{{NIL}}}")),
    lie("empty_id", "an empty id", "honest", odd=_odd(201, {"outboundShipmentId": ""})),
    lie("empty_object", "an empty object", "honest", odd=_odd(200, {})),
    lie("empty_answer", "201 without a body", "honest", odd=_odd(201, b"")),
    lie(
        "accepted",
        "202 without a body, for what was created",
        "honest",
        odd=_created_without_body,
        always_carried_out=True,
    ),
    lie("ids_of_others", "the id of another order (a replayed answer)", "honest", odd=_another),
    lie("location_of_others", "the Location of another order", "honest", odd=_another_in_location),
    lie(
        "shifted", "on a connection each answer is of the creation before", "told", is_seen_later=True, replied=_shifted
    ),
    lie("conflict", "409 to a first creation, for what was created", "honest", odd=_conflict, always_carried_out=True),
    lie("conflict_perhaps", "409 to what was created, and to what was not", "told", odd=_conflict),
    lie(
        "duplicate_422",
        "422 that says that the reference is used, for what was created",
        "honest",
        odd=_odd(422, {"code": "DuplicateReference", "status": 422}),
        always_carried_out=True,
    ),
    lie("error_500", "500 after the creation, or without one", "honest", odd=_odd(500, {"status": 500})),
    lie(
        "error_502",
        "502 with a page of a gateway",
        "honest",
        odd=_odd(502, b"<html>Bad Gateway</html>", Content_Type="text/html"),
    ),
    lie(
        "error_503",
        "503 with Retry-After, after the creation or without one",
        "honest",
        odd=_odd(503, b"", Retry_After="0"),
    ),
    lie("error_504", "504, after the creation or without one", "honest", odd=_odd(504, b"")),
    lie("error_408", "408, after the creation or without one", "honest", odd=_odd(408, b"")),
    lie(
        "throttled_before",
        "429 to what was not created",
        "honest",
        odd=lambda _, order, __: Reply(500 if order else 429),
    ),
    lie(
        "throttled_after",
        "429 or 401 to what was created",
        "unprovable",
        odd=lambda server, *_: Reply(server.rng.choice((401, 429))),
        always_carried_out=True,
    ),
    lie("created_late", "the connection is closed, and the order created long after", "unprovable", odd=_late),
]
