"""What the API says in headers and addresses: ``Retry-After``, ``Link``, ``Location``. Pure functions."""

from __future__ import annotations

import math
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

from ..contract.validation import FieldProblem
from ..errors import PagingError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+\s*=\s*(?:\"[^\"]*\"|[^\s\",;]+))*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]+))", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def retry_after(value: str | None, *, wall_now: float) -> float | None:
    """Seconds to wait by a ``Retry-After`` header in either form (**A**), or ``None`` if it says nothing usable."""
    if not value:
        return None
    value = value.strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - wall_now
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def next_target(link: str | None) -> str | None:
    """The address with ``rel="next"`` in a ``Link`` header, as written (usually relative), or ``None``."""
    for target, parameters in _LINK.findall(link or ""):
        if (rel := _REL.search(parameters)) and "next" in (rel[1] or rel[2]).lower().split():
            return str(target)
    return None


def next_query(link: str | None, *, requested: str) -> dict[str, str] | None:
    """The query of the next page, or ``None`` on the last one.

    Only the query is taken: the next request goes to the same address as this one. So a proxy with another prefix
    works, and nothing the server writes can send a token elsewhere.

    Raises:
        PagingError: the link leads to another origin or another list.
    """
    target = next_target(link)
    if target is None:
        return None
    absolute = urljoin(requested, target)
    if origin(absolute) != origin(requested):
        raise PagingError(f"the next page is on another origin, {origin(absolute)}: not followed")
    here, there = (urlsplit(url).path.rstrip("/").rpartition("/")[2] for url in (requested, absolute))
    if here != there:
        raise PagingError(f"the next page of {here} is said to be on {there}: not followed")
    return dict(parse_qsl(urlsplit(absolute).query, keep_blank_values=True))


def origin(url: str) -> str:
    """Scheme, host and port of an address; an address that cannot be read has an origin of its own."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return f"unreadable:{url}"
    return f"{parts.scheme}://{parts.hostname}:{port}"


def identifier_in(headers: Mapping[str, str]) -> str | None:
    """The id at the end of ``Location`` or ``Content-Location`` (**S** elsewhere in the API)."""
    for name in ("Location", "Content-Location"):
        tail = unquote(urlsplit(headers.get(name, "")).path.rstrip("/").rpartition("/")[2])
        if tail:
            return tail
    return None


def path_segment(name: str, value: str) -> str:
    """``value`` as one segment of a path.

    Raises:
        ValidationError: it is empty, ``.`` or ``..``, or holds control characters.
    """
    if not value.strip():
        reason = "is empty"
    elif value in (".", "..") or not value.isprintable():
        reason = "cannot be part of an address"
    else:
        return quote(value, safe="")
    raise ValidationError("call", problems=[FieldProblem(name, value, reason)])
