"""Cursor pagination: opaque cursors, the body of a page in the form of the style, and the ``Link`` to the next."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlencode

from .responses import HttpReply, json_reply, validation_problem

Order = Literal["created", "changed", "sorted"]

_CURSOR = re.compile(rf"({'|'.join(get_args(Order))}):(-?\d{{1,15}}(?:,-?\d{{1,15}})?)")


class Cursor(NamedTuple):
    """The continuation of a list: its order, and the position (or the sort key) of the next row."""

    order: Order
    position: tuple[int, ...]

    def encode(self) -> str:
        """Return the opaque text of this cursor."""
        text = f"{self.order}:{','.join(map(str, self.position))}"
        return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_cursor(text: str | None, order: Order, *, numbers: int = 1) -> tuple[int, ...] | None:
    """Return the position in a cursor of the same list; raise a problem for any other text."""
    if text is None:
        return None
    try:
        plain = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        plain = ""
    matched = _CURSOR.fullmatch(plain)
    if matched is None or matched[1] != order:
        raise validation_problem({"cursor": ["The cursor is not valid."]})
    position = tuple(map(int, matched[2].split(",")))
    # Base64 decoders skip unknown characters; only the exact text of an earlier response is a cursor.
    if len(position) != numbers or Cursor(order, position).encode() != text:
        raise validation_problem({"cursor": ["The cursor is not valid."]})
    return position


def next_link(prefix: str, query: Mapping[str, str], cursor: str) -> str:
    """Return a ``Link`` header to the next page: the same query with another cursor, after the URL ``prefix``."""
    return f'<{prefix}?{urlencode({**query, "cursor": cursor})}>; rel="next"'


def page_reply(rows: Sequence[object], limit: int, *, bare: bool, link: str | None) -> HttpReply:
    """Return one page, as an object or as a bare array."""
    body = rows if bare else {"itemsPerPage": limit, "items": rows}
    return json_reply(body, headers={"Link": link} if link else None)
