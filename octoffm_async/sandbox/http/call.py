"""The request that a handler receives, and helpers for its response. Independent of the HTTP library."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from octoffm_async.contract.base import OpenEnum, Query
from octoffm_async.contract.operations import Operation
from octoffm_async.contract.requests.checks import FieldProblem
from octoffm_async.contract.requests.filters import filter_problems
from octoffm_async.contract.requests.validation import wire_path

from ..settings import ResponseStyle
from ..world.table import RowTable
from ..world.world import SellerAccount, World
from .paging import Cursor, Order, decode_cursor, next_link, page_reply
from .request_reader import BodyReader, typed_query
from .responses import HttpReply, ProblemError, json_reply, validation_problem

API_PATH = "/seller/v2"

BodyT = TypeVar("BodyT")
RowT = TypeVar("RowT")
FiltersT = TypeVar("FiltersT", bound=Query)
ChoiceT = TypeVar("ChoiceT", bound=OpenEnum)

_DECODE_ERROR = re.compile(r"(.*) - at `(.*)`")


@dataclass(frozen=True, kw_only=True, slots=True)
class IncomingRequest:
    """An admitted request. ``now`` is the sandbox's time; every event due by then has run."""

    world: World
    account: SellerAccount
    style: ResponseStyle
    operation: Operation[Any]
    origin: str
    path: str
    query: Mapping[str, str]
    resource_id: str
    body: bytes
    now: datetime
    over_quota: int = 0
    """Number of items, from the first on, that exceed the quota (fault QUOTA_EXCEEDED)."""

    def link_prefix(self, path: str) -> str:
        """Return ``path`` in the form of the style: relative to the origin or to the base URL, or absolute."""
        match self.style.links:
            case "relative":
                return path
            case "absolute":
                return self.origin + path
            case "base":
                return path.removeprefix(API_PATH)


Handler = Callable[[IncomingRequest], HttpReply]


class ListFilters(Protocol):
    """The filters that all lists have in common."""

    @property
    def limit(self) -> int:
        """Rows in a page."""
        ...

    @property
    def cursor(self) -> str | None:
        """Cursor of the page."""
        ...


def decode_body(call: IncomingRequest, reader: BodyReader[BodyT]) -> BodyT:
    """Return the decoded body, or raise a 400 that names the first field that cannot be read."""
    try:
        return reader.read(call.body)
    except (ValueError, RecursionError) as error:  # msgspec's own errors and UnicodeDecodeError are ValueErrors
        raise validation_problem(_located(str(error))) from error


def _located(message: str) -> dict[str, list[str]]:
    matched = _DECODE_ERROR.fullmatch(message)
    if matched is None:
        return {"$": [message]}
    return {matched[2].removeprefix("$").removeprefix(".") or "$": [matched[1]]}


def field_errors(problems: Iterable[FieldProblem], prefix: str = "") -> dict[str, list[str]]:
    """Return the findings of the validation by wire name; their reasons use wire names too."""
    errors: dict[str, list[str]] = {}
    for problem in problems:
        errors.setdefault(prefix + wire_path(problem.field), []).append(wire_path(problem.reason))
    return errors


def read_filters(call: IncomingRequest, kind: type[FiltersT]) -> FiltersT:
    """Return the query as typed filters, or raise a 400 that names the wrong parameter. Ignore unknown parameters."""
    if call.operation.limit_required and "limit" not in call.query:
        raise validation_problem({"limit": ["The limit field is required."]})
    try:
        filters = msgspec.convert(typed_query(call.query, kind), kind)
    except msgspec.ValidationError as error:
        raise validation_problem(_located(str(error))) from error
    if problems := filter_problems(filters):
        raise validation_problem(field_errors(problems))
    return filters


def enum_filter(name: str, kind: type[ChoiceT], text: str | None) -> frozenset[ChoiceT] | None:
    """Return the values that a filter accepts, separated by commas; ``None`` if the filter is absent."""
    if text is None:
        return None
    values = [kind(part.strip()) for part in text.split(",")]
    for value in values:
        if not value.known:
            raise validation_problem({name: [f"The value '{value}' is not valid."]})
    return frozenset(values)


def within(moment: datetime | None, low: datetime | None, high: datetime | None) -> bool:
    """Return True if a time lies between two inclusive bounds; ``None`` as a bound does not restrict it."""
    if moment is None:
        return low is None and high is None
    return (low is None or moment >= low) and (high is None or moment <= high)


def page_response(call: IncomingRequest, rows: list[Any], limit: int, following: Cursor | None) -> HttpReply:
    """Return one page of a list, with the ``Link`` to the next page if there is one."""
    link = None
    if following is not None:
        query = {"limit": str(limit), **call.query}
        link = next_link(call.link_prefix(call.path), query, following.encode())
    return page_reply(rows, limit, bare=call.style.list_shape == "array", link=link)


def list_response(
    call: IncomingRequest,
    table: RowTable[RowT],
    filters: ListFilters,
    *,
    keep: Callable[[RowT], bool] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> HttpReply:
    """Return one page of a table: in order of creation or, with ``since``, in order of change.

    With ``until``, the caller guarantees that no row accepted by ``keep`` has changed later.
    """
    order: Order = "created" if since is None else "changed"
    start = _start_of(filters, order)
    if since is None:
        piece = table.by_creation(start or 0, filters.limit, keep)
    else:
        first = table.first_change(since) if start is None else start
        piece = table.by_change(first, filters.limit, keep, until=until)
    following = None if piece.following is None else Cursor(order, (piece.following,))
    return page_response(call, piece.rows, filters.limit, following)


def count_response(call: IncomingRequest, table: RowTable[RowT], keep: Callable[[RowT], bool] | None) -> HttpReply:
    """Return the number of rows that a list with the same filters has, in the form of the style."""
    number = len(table) if keep is None else sum(map(keep, table.rows))
    form = call.style.count_form
    return json_reply(number if form == "integer" else {form: number})


def _start_of(filters: ListFilters, order: Order) -> int | None:
    position = decode_cursor(filters.cursor, order)
    if position is None:
        return None
    if position[0] < 0:
        raise validation_problem({"cursor": ["The cursor is not valid."]})
    return position[0]


def creation_response(call: IncomingRequest, key: str) -> HttpReply:
    """Return the response to a creation: the new id in the body, or at the end of one of two headers."""
    operation = call.operation
    where = call.link_prefix(f"{call.path}/{key}")
    match call.style.creation_answer:
        case "body":
            return json_reply({operation.identifier: key}, operation.success)
        case "id":
            return json_reply({"id": key}, operation.success)
        case "location":
            return HttpReply(operation.success, headers={"Location": where})
        case "content-location":
            return HttpReply(operation.success, headers={"Content-Location": where})


def resource_response(row: object | None, what: str, key: str) -> HttpReply:
    """Return one row, or raise a 404 that names the missing resource."""
    if row is None:
        raise ProblemError(404, f"{what} '{key}' was not found.")
    return json_reply(row)
