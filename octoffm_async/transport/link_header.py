"""Parser of the ``Link`` header, which names the next page of a list. Pure functions."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urljoin, urlsplit

from ..errors import PagingError
from .headers import origin

_PARAMETER = r";\s*([\w!#$&+.^`|~*-]+)(?:\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^'\",;]*)'|([^\s\",;]+)))?"
_LINK = re.compile(rf"<([^<>]*)>((?:\s*{_PARAMETER})*)")
_PARAMETERS = re.compile(_PARAMETER)
_SIGN = re.compile(r"[^\s,;]")
"""A character that is not a separator between links."""


def next_target(link: str | None) -> str | None:
    """Return the address with ``rel="next"`` in a ``Link`` header, as written (usually relative), or None.

    ``&amp;`` in it, from a server that escapes for HTML, is read as ``&``.

    Raises:
        PagingError: No next page can be read, and the header cannot be read completely, or mentions a next page.
    """
    if not link:
        return None
    parameters: list[str] = []
    unread: list[str] = []
    read = 0
    for found in _LINK.finditer(link):
        parameters += link[read : found.start()], found[2]
        read = found.end()
        relations = [values for name, *values in _PARAMETERS.findall(found[2]) if name.lower() == "rel"]
        if any("next" in "".join(values).lower().split() for values in relations):
            return found[1].replace("&amp;", "&")
        if not relations:  # it may be meant for the next page
            unread.append(found[0])
    unread += [*parameters[::2], link[read:]]
    if any(_SIGN.search(part) for part in unread) or "next" in "".join(parameters).lower():
        raise PagingError("the Link header cannot be read: whether there is a next page is not known")
    return None


def next_query(link: str | None, *, requested: str) -> dict[str, str] | None:
    """Return the query of the next page; None on the last one.

    Only the query is used: the next request goes to the same address as this one. So a proxy with another prefix works,
    and the server cannot direct a token elsewhere.

    Raises:
        PagingError: The link cannot be read, or leads to another origin or another list.
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
    return dict(parse_qsl(urlsplit(absolute).query, keep_blank_values=True))
