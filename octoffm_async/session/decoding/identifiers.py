"""The id of a created object, read from the response to its creation and checked for plausibility. Pure.

A 2xx response does not prove that something was created: a login page, a problem document, the word "OK" and the
address of an operation all come with one. A false id would be reported as Created, and the order would be lost.
Therefore:

- A body that names the id (``outboundShipmentId``, in any spelling, or ``id``; also in an array of one, or within
  ``data`` or ``result``) gives it, if it is one word or a whole number, unless it reports a problem beside it: an item
  may be refused within a 2xx response, and the id be that of an earlier order.
- A bare text or number is believed if it looks like an id: a GUID, or one word with a digit in it that is no status,
  flag, count or date.
- ``Location`` and ``Content-Location`` give it if they name the collection and one segment behind it, unless the body
  is a page (HTML) or reports a problem.
- At every place an id has a digit, and is not zero or a negative number: "accepted" is a status, "count" behind the
  collection is not an order, and -1 is what programs write where they have no id. GUIDs, numbers and words of any form
  have digits. That an API has ids of letters only is improbable; all its orders would be looked up by reference.

- A body with the reference of another order is the response to another request (:func:`refuse_another`).

Any other response is unusable, and the outcome of the creation unknown: it is looked up by its reference.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import msgspec

from ...contract.answers.id_forms import GUID, LONGEST, NO_ID, can_be_id
from ...contract.contract_file.translation import value_at_path
from ...contract.operations import Repeatability
from ...transport.headers import identifier_in
from .unusable import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...contract.operations import Operation
    from ...transport.response import Response

_LEAST_BARE_NUMBER = 1000
"""A smaller bare number is a flag, a count or an HTTP status."""
_WRAPS = ("data", "result")
_SIGNS = ("status", "errors", "error", "success")
"""Members by which a body tells that the request failed."""
_WORD = re.compile(r"(?=[A-Za-z_.:~-]*[0-9])[A-Za-z0-9][\w.:~-]*", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T.*)?", re.ASCII)
_NIL = "00000000-0000-0000-0000-000000000000"
"""The text that .NET writes for a GUID that was never set."""
_DIGITS = frozenset("123456789")
"""Last characters of texts that, without a sign in front, cannot be zero or negative."""
_NOTHING = object()


class _IdLocation(NamedTuple):
    """The places of an id in an operation's responses: in the body, and the collection in an address."""

    name: str
    place: tuple[str, ...]
    collection: str


def identifier_of(operation: Operation[Any], response: Response) -> str:
    """Return the id in the response to a creation.

    Raises:
        UnusableError: The response has no id that can be believed.
    """
    return identifier_reader(operation)(response, False)  # noqa: FBT003  (one shape for all readers)


def identifier_reader(
    operation: Operation[Any], *, place: tuple[str, ...] | None = None, path: str | None = None
) -> Callable[[Response, bool], str]:
    """Return :func:`identifier_of` for one operation; for the usual body it costs a typed decoder.

    ``place`` (the path to the id in the body) and ``path`` (the operation's address) come from a contract file.
    """
    collection = (path or operation.path).rstrip("/").rpartition("/")[2]
    location = _IdLocation(operation.identifier, place or (operation.identifier,), collection)
    kind: Any = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
    for name in reversed(location.place):
        kind = msgspec.defstruct("Holder", [("held", kind)], rename={"held": name}, gc=False)
    decode = msgspec.json.Decoder[Any](kind).decode
    deeper = len(location.place) - 1
    # Bytes around an id of a body with room for the shortest of the signs: most have none.
    room = sum(len(name) + len('{"":}') for name in location.place) + len('""') + min(map(len, _SIGNS)) + len(',"":0')

    def read(response: Response, skip_bad_rows: bool) -> Any:  # noqa: ARG001, FBT001
        body = response.body
        try:
            found: Any = decode(body).held
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _odd_identifier(location, response)
        if deeper:
            for _ in range(deeper):
                found = found.held
        if len(body) - len(found) >= room:
            body = body.lower()
            if b"error" in body or b"success" in body or b"status" in body:  # it may tell of a failure, in any spelling
                return _odd_identifier(location, response)
        # The path of every order: few ids need the full check.
        if found[-1] in _DIGITS and found[0] != "-":
            can_be_one = True
        elif len(found) == 36 and found[8] == found[13] == "-":  # a GUID
            can_be_one = found != _NIL
        else:
            can_be_one = NO_ID.fullmatch(found) is None
        usual = can_be_one and " " not in found and found.isprintable()
        return found if usual else _odd_identifier(location, response)

    return read


def refuse_another(operation: Operation[Any], request: bytes | None, response: Response) -> None:
    """Check that the response to a creation does not have the reference of another order.

    An API may keep references in another spelling, or with a prefix or a suffix.

    Raises:
        UnusableError: It has: it answers another request, and so may others that came over its connection.
    """
    if (
        response.body.lower().find(b"reference") < 0  # `in` is slow: it first tries the bytes as a number
        or request is None
        or operation.repeatability is not Repeatability.VERIFY
    ):
        return
    ours, theirs = _reference_in(_json(request)), _reference_in(_json(response.body))
    if not ours or not theirs or ours in theirs or theirs in ours:
        return
    if response.history is not None:
        response.history.doubt("a response had the reference of another order")
        response.history.drop()
    raise UnusableError("it has the reference of another order")


def _reference_in(content: Any) -> str:
    """Return the letters and digits of the reference of an object, or an empty text."""
    found = _member(cast("dict[str, Any]", content), "reference") if isinstance(content, dict) else None
    return "".join(filter(str.isalnum, found)).casefold() if isinstance(found, str) else ""


def _odd_identifier(location: _IdLocation, response: Response) -> str:
    body = response.body.removeprefix(BOM_UTF8).strip()
    content = _json(body)
    if content is _NOTHING and body and _is_page(body, response.headers):
        raise UnusableError(f"no {location.name}: the body is a page, not an answer of the API")
    if (found := _in_body(content, location, response.headers)) is not None:
        return found
    if isinstance(content, dict) and _reports_a_problem(cast("dict[str, Any]", content), response.headers):
        raise UnusableError(f"no {location.name}: the body reports a problem")
    found = identifier_in(response.headers, collection=location.collection)
    if found is not None and can_be_id(found) and not _is_problem(response.headers):
        return found
    raise UnusableError(f"no {location.name} in the body, Location or Content-Location that looks like one")


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOTHING


def _in_body(content: Any, location: _IdLocation, headers: Mapping[str, str]) -> str | None:
    match content:
        case [only]:
            pass
        case _:
            only = content
    if not isinstance(only, dict):
        return _bare(content)
    outer = cast("dict[str, Any]", only)
    wraps = [_member(outer, name) for name in _WRAPS]
    for members in (outer, *(cast("dict[str, Any]", wrap) for wrap in wraps if isinstance(wrap, dict))):
        if _says_it_failed(members):
            return None
        if (found := _named(value_at_path(members, location.place)[1])) is not None:
            return found
        # "id" alone does not say whose id it is: not that of the created object, where the response is about another.
        other = _reports_a_problem(members, headers) or _leads_elsewhere(location.collection, headers)
        if not other and (found := _named(_member(members, "id"))) is not None:
            return found
    return None


def _member(members: Mapping[str, Any], name: str) -> Any:
    return value_at_path(members, (name,))[1]


def _named(value: object) -> str | None:
    """Return an id that is a member with its name."""
    text = _text(value)
    return text if can_be_id(text) else None


def _bare(value: object) -> str | None:
    """Return a bare text or number, if it looks like an id."""
    text = _text(value)
    if GUID.fullmatch(text):
        return text if can_be_id(text) else None
    looks_like_one = len(text) <= LONGEST and _WORD.fullmatch(text) and not _DATE.fullmatch(text)
    return text if looks_like_one and not (text.isdigit() and int(text) < _LEAST_BARE_NUMBER) else None


def _text(value: object) -> str:
    """Return a text, or a positive whole number as text; an empty text for all else."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**LONGEST:
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _is_page(body: bytes, headers: Mapping[str, str]) -> bool:
    start = body[:20].lower()
    return "html" in headers.get("Content-Type", "").lower() or start.startswith((b"<!doctype", b"<html"))


def _is_problem(headers: Mapping[str, str]) -> bool:
    return "problem" in headers.get("Content-Type", "").lower()


def _reports_a_problem(members: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    return _says_it_failed(members) or _is_problem(headers)


def _says_it_failed(members: Mapping[str, Any]) -> bool:
    status, errors, error, success = (_member(members, name) for name in _SIGNS)
    failed = isinstance(status, int) and not isinstance(status, bool) and status >= 400
    return failed or bool(errors or error) or success is False


def _leads_elsewhere(collection: str, headers: Mapping[str, str]) -> bool:
    """Return True if there is a Location, and it names neither the collection nor something in it."""
    path = headers.get("Location", "").partition("?")[0].rstrip("/")
    return bool(path) and collection.casefold() not in (part.casefold() for part in path.split("/")[-2:])
