"""Parsers of response headers and addresses: ``Retry-After``, limits, ``Date``, ``Location``, ``Link``. Pure."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

from ..contract.requests.checks import FieldProblem
from ..errors import PagingError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

_CAPITALS = re.compile(r"(?=[A-Z])")  # where a wire name gets an underscore in Python
_PLAIN = re.compile(r"[\w-]+", re.ASCII)
"""Text that needs no encoding in a path: most ids."""
_AGE = re.compile(r"\s*(\d{1,9})")
_WITH_UNIT = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?(ms|s|secs?|seconds?|mins?|minutes?)", re.ASCII | re.IGNORECASE)
_UNITS = {"ms": 1e-3, "s": 1.0, "se": 1.0, "mi": 60.0}
_LONGEST_RESET = 86_400.0
"""Seconds: a reset further away than a day is a Unix time, and a longer window is not believed."""
_SHORTEST_WINDOW, _MOST = 1e-3, 1e12
"""Seconds, and calls: values beyond are not believed either."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PARAMETER = r";\s*([\w!#$&+.^`|~*-]+)(?:\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^'\",;]*)'|([^\s\",;]+)))?"
_LINK = re.compile(rf"<([^<>]*)>((?:\s*{_PARAMETER})*)")
_PARAMETERS = re.compile(_PARAMETER)
_SIGN = re.compile(r"[^\s,;]")
"""A character that is not a separator between links."""


def parse_retry_after(value: str | None, *, wall_now: float) -> float | None:
    """Return the seconds to wait by a ``Retry-After`` header in either form (assumed); None if it is not usable.

    A unit behind the number is read too, such as ``30s``, ``500 ms`` or ``2 minutes``.
    """
    if not value:
        return None
    value = value.strip()
    number = _WITH_UNIT.fullmatch(value)
    try:
        seconds = float(number[1]) * _UNITS[number[2][:2].lower()] if number else float(value)
    except ValueError:
        if (moment := http_date(value)) is None:
            return None
        try:
            seconds = moment.timestamp() - wall_now
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


_TRACES = ("traceresponse", "traceparent", "X-Trace-Id", "Trace-Id", "X-Request-Id", "Request-Id", "X-Correlation-Id")
_LONGEST_TRACE_ID = 200


def trace_id_of(headers: Mapping[str, str]) -> str:
    """Return the id under which a server's operators find a request (names assumed), empty if no header has one."""
    found = (headers.get(name, "").strip() for name in _TRACES)
    return next((value for value in found if 0 < len(value) <= _LONGEST_TRACE_ID and value.isprintable()), "")


class RateAdvice(NamedTuple):
    """The content of rate headers: requests per second, and for how many seconds the limit is exhausted."""

    rate: float | None
    exhausted_for: float


def rate_advice(headers: Mapping[str, str], *, wall_now: float) -> RateAdvice | None:
    """Return the limit by a response's headers, in any of the forms in use (assumed); None if none is usable.

    ``RateLimit-Policy: 100;w=60``, ``RateLimit: limit=100, remaining=9, reset=5`` (or ``"default";r=9;t=5``),
    ``RateLimit-Limit`` / ``-Remaining`` / ``-Reset`` and the same with ``X-``. A reset is in seconds, or a Unix time.
    """
    limit = headers.get("RateLimit-Limit") or headers.get("X-RateLimit-Limit") or ""
    combined = headers.get("RateLimit") or ""
    policy = headers.get("RateLimit-Policy") or limit
    if not (limit or combined or policy):
        return None
    now_left = _number(headers.get("RateLimit-Remaining") or headers.get("X-RateLimit-Remaining"))
    reset = _number(headers.get("RateLimit-Reset") or headers.get("X-RateLimit-Reset"))
    if now_left is None:
        now_left = _named(combined, "remaining", "r")
    if reset is None:
        reset = _named(combined, "reset", "t")
    if reset is not None and reset > _LONGEST_RESET:
        reset -= wall_now
    rates: list[float] = []
    for part in policy.split(","):
        calls = _named(part, "q")
        window = _named(part, "w")
        calls = _number(part.partition(";")[0]) if calls is None else calls
        if calls and window:
            rates += _believable_rate(calls, window)
    usable = now_left is not None and reset is not None and 0 < reset <= _LONGEST_RESET
    if usable and now_left and reset:
        rates += _believable_rate(now_left, reset)
    exhausted_for = reset if usable and reset and now_left == 0 else 0.0
    return (
        RateAdvice(min(rates), exhausted_for) if rates else RateAdvice(None, exhausted_for) if exhausted_for else None
    )


def _believable_rate(calls: float, seconds: float) -> list[float]:
    return [calls / seconds] if calls >= 1 and _SHORTEST_WINDOW <= seconds <= _LONGEST_RESET and calls < _MOST else []


def _number(text: str | None) -> float | None:
    try:
        number = float((text or "").split(",")[0].split(";")[0])
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _named(text: str, *names: str) -> float | None:
    for part in re.split(r"[;,]", text):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() in names:
            return _number(value)
    return None


def http_date(value: str | None) -> datetime | None:
    """Return an HTTP date as an aware time; None if the text is none."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment  # in GMT, named or not


def age_of(headers: MultiMapping[str]) -> int:
    """Return the seconds for which a cache has kept a response, by its ``Age`` header; 0 without one."""
    age = _AGE.match(headers.get("Age", ""))
    return int(age[1]) if age is not None else 0


def clock_of(headers: MultiMapping[str]) -> datetime | None:
    """Return the server's clock when its response was received: its ``Date``, and the time in a cache since.

    None for a year that no clock shows.
    """
    date = http_date(headers.get("Date"))
    return date + timedelta(seconds=age_of(headers)) if date is not None and 1970 < date.year < 9000 else None


def origin(url: str) -> str:
    """Return scheme, host and port of an address; an unreadable address has an origin of its own."""
    try:
        parts = urlsplit(url)
        port = _DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError:
        return f"unreadable:{url}"
    return f"{parts.scheme}://{parts.hostname}:{port}"


def next_target(link: str | None) -> str | None:
    """Return the address with ``rel="next"`` in a ``Link`` header, as written (usually relative), or None.

    ``&amp;`` in it, from a server that escapes for HTML, is read as ``&``.

    Raises:
        PagingError: Two next pages differ; or none can be read, and the header cannot be read completely, or mentions
            a next page.
    """
    if not link:
        return None
    targets: list[str] = []
    parameters: list[str] = []
    unread: list[str] = []
    read = 0
    for found in _LINK.finditer(link):
        parameters += link[read : found.start()], found[2]
        read = found.end()
        relations = [values for name, *values in _PARAMETERS.findall(found[2]) if name.lower() == "rel"]
        if any("next" in "".join(values).lower().split() for values in relations):
            targets.append(found[1].replace("&amp;", "&"))
        if not relations:  # it may be meant for the next page
            unread.append(found[0])
    if targets:
        if len({target.rpartition("?")[2] for target in targets}) > 1:
            raise PagingError("the Link header names several next pages: which one is meant is not known")
        return targets[0]
    unread += [*parameters[::2], link[read:]]
    if any(_SIGN.search(part) for part in unread) or "next" in "".join(parameters).lower():
        raise PagingError("the Link header cannot be read: whether there is a next page is not known")
    return None


def next_query(link: str | None, *, requested: str) -> dict[str, str] | None:
    """Return the query of the next page; None on the last one.

    Only the query is used: the next request goes to the same address as this one. So a proxy with another prefix works,
    and the server cannot direct a token elsewhere.

    Raises:
        PagingError: The link cannot be read, leads to another origin or another list, or gives a parameter two values.
    """
    target = next_target(link)
    if target is None:
        return None
    try:
        absolute = urljoin(requested, target)
    except ValueError:
        raise PagingError("the address of the next page cannot be read: not followed") from None
    if origin(absolute) != origin(requested):
        raise PagingError(f"the next page is on another origin, {origin(absolute)}: not followed")
    here, there = (urlsplit(url).path.rstrip("/").rpartition("/")[2] for url in (requested, absolute))
    if here != there:
        raise PagingError(f"the next page of {here} is said to be on {there}: not followed")
    pairs = parse_qsl(urlsplit(absolute).query, keep_blank_values=True)
    if len(query := dict(pairs)) < len(set(pairs)):
        raise PagingError("the address of the next page has a parameter more than once: not followed")
    return query


def identifier_in(headers: Mapping[str, str], *, collection: str) -> str | None:
    """Return the id at the end of ``Location`` or ``Content-Location`` (seen elsewhere in the API).

    Only an address of that ``collection`` (``outbound-shipments``) with one segment behind it contains an id: that of
    an operation, an error or a login page does not.
    """
    for name in ("Location", "Content-Location"):
        try:
            path = urlsplit(headers.get(name, "")).path
        except ValueError:
            continue
        before, _, tail = path.rstrip("/").rpartition("/")
        if before.rpartition("/")[2].casefold() == collection.casefold() and (found := unquote(tail)).strip():
            return found
    return None


def path_segment(name: str, value: str, *, operation: str = "call") -> str:
    """Return ``value`` as one segment of a path; a ``/`` in it is encoded.

    Raises:
        ValidationError: The value is not text, is empty, ``.`` or ``..``, or contains control characters.
    """
    if type(value) is str and _PLAIN.fullmatch(value):
        return value
    if not isinstance(cast("object", value), str):
        reason = f"is {type(value).__name__}, not text"
    elif not value.strip():
        reason = "is empty"
    elif value in (".", "..") or not value.isprintable():
        reason = "cannot be part of an address"
    else:
        return quote(value, safe="")
    raise ValidationError(operation, problems=[FieldProblem(_CAPITALS.sub("_", name).lower(), value, reason)])
