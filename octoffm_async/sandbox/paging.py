"""Cursor paging: opaque cursors, the page's body in the chosen shape, and the ``Link`` to the next page."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlencode

from .replies import Reply, invalid, json_reply

Order = Literal["created", "changed", "sorted"]

_CURSOR = re.compile(rf"({'|'.join(get_args(Order))}):(-?\d{{1,15}}(?:,-?\d{{1,15}})?)")


class Cursor(NamedTuple):
    """Where a list goes on: which order it is in, and the position (or the sort key) of the next row."""

    order: Order
    position: tuple[int, ...]

    def encode(self) -> str:
        """The opaque text of this cursor."""
        text = f"{self.order}:{','.join(map(str, self.position))}"
        return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_cursor(text: str | None, order: Order, *, numbers: int = 1) -> tuple[int, ...] | None:
    """The position in a cursor that this same list gave out; anything else is refused with a problem."""
    if text is None:
        return None
    try:
        plain = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        plain = ""
    matched = _CURSOR.fullmatch(plain)
    if matched is None or matched[1] != order:
        raise invalid({"cursor": ["The cursor is not valid."]})
    position = tuple(map(int, matched[2].split(",")))
    # Base64 decoders skip what they do not know; only the exact text that was given out is a cursor.
    if len(position) != numbers or Cursor(order, position).encode() != text:
        raise invalid({"cursor": ["The cursor is not valid."]})
    return position


def next_link(prefix: str, query: Mapping[str, str], cursor: str) -> str:
    """A ``Link`` header to the next page: the same query at another cursor. ``prefix`` is the URL without its query."""
    return f'<{prefix}?{urlencode({**query, "cursor": cursor})}>; rel="next"'


def page_reply(rows: Sequence[object], limit: int, *, bare: bool, link: str | None) -> Reply:
    """One page, as an object or as a bare array."""
    body = rows if bare else {"itemsPerPage": limit, "items": rows}
    return json_reply(body, headers={"Link": link} if link else None)
