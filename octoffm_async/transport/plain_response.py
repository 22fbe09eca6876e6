"""A quick reader of plain responses: success, framed by its length or one chunk, and whole within one piece of data.

Nearly all responses are of this form. One regular expression proves it, and the headers are parsed when one of them is
first read: a call rarely reads any. Two parsers that disagree about where a response ends would let a server slip one
response into another (*response splitting*), so the form leaves no choice: lines end with CR LF, names are tokens,
values visible ASCII, there is one ``Content-Length`` or one ``Transfer-Encoding: chunked``, no other header that may
change the frame, and not one byte behind the body. Whatever is of another form goes to aiohttp's parser, from its first
byte on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from multidict import CIMultiDict, MultiMapping

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, ValuesView

__all__ = ["LazyHeaders", "PlainResponse", "read_plain"]

PlainResponse: TypeAlias = "tuple[int, LazyHeaders, bytes]"
"""Status, headers and body."""

_HEAD_MOST = 4096
"""Bytes of a head; a longer one is not plain. So there are fewer lines than aiohttp's parser allows."""
_FRAMING = (
    rb"[Cc](?i:on(?:tent-(?:length|encoding)|nection(?!:[ ]?keep-alive\r)))"
    rb"|[PpSsTtUu](?i:roxy-connection|ec-websocket|ransfer-encoding|pgrade)"
)
"""Beginnings of header lines that frame a response or may change its frame; the first letter spares most lines more."""
_LINE = rb"(?!%b)[!#$%%&'*+.^_`|~0-9A-Za-z-]++:[\t -~]*+\r\n" % _FRAMING
"""One way to match, so a repetition of it goes back in linear time. Repeat it with ``*`` only: up to Python 3.11.4 a
possessive repetition (``*+``) of such a pattern does not match what it should."""
_HEAD = re.compile(
    rb"HTTP/1\.1 (20[0-2]) [\t -~]*\r\n(?:%b)*"
    rb"(?i:content-length:[ ]?([1-9][0-9]{0,8})|transfer-encoding:[ ]?chunked)\r\n(?:%b)*\r\n" % (_LINE, _LINE)
)
_STATUS = {b"200": 200, b"201": 201, b"202": 202}
_CHUNK = re.compile(rb"([1-9A-Fa-f][0-9A-Fa-f]{0,6})\r\n")
_LAST = b"\r\n0\r\n\r\n"
"""The end of a chunk, and the last chunk."""


class LazyHeaders(MultiMapping[str]):
    """The headers of a plain response. Names ignore case."""

    __slots__ = ("_head", "_parsed")

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._parsed: CIMultiDict[str] | None = None

    @property
    def _named(self) -> CIMultiDict[str]:
        if self._parsed is None:
            lines = (line.split(":", 1) for line in self._head.decode("ascii").split("\r\n")[1:-2])
            self._parsed = CIMultiDict((name, value.strip(" \t")) for name, value in lines)
        return self._parsed

    def __getitem__(self, key: str) -> str:
        return self._named[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __repr__(self) -> str:
        return repr(self._named)

    def getone(self, key: str, *args: Any, **default: Any) -> Any:
        """Return the first value of a header, or the default if there is one."""
        return self._named.getone(key, *args, **default)

    def getall(self, key: str, *args: Any, **default: Any) -> Any:
        """Return all values of a header, or the default if there is one."""
        return self._named.getall(key, *args, **default)

    def items(self) -> ItemsView[str, str]:
        """Return the lines as pairs."""
        return self._named.items()

    def values(self) -> ValuesView[str]:
        """Return the values, one for each line."""
        return self._named.values()


def read_plain(data: bytes) -> PlainResponse | None:
    """Return the response if ``data`` is a plain one and nothing else; None if another parser has to read it."""
    head = _HEAD.match(data, 0, _HEAD_MOST)
    if head is None:
        return None
    status, length = head.groups()
    start = end = head.end()
    if length is not None:
        stop = start + int(length)
        if len(data) != stop:
            return None
    elif chunk := _CHUNK.match(data, end):
        start = chunk.end()
        stop = start + int(chunk[1], 16)
        if data[stop:] != _LAST:
            return None
    else:
        return None
    return _STATUS[status], LazyHeaders(data[:end]), data[start:stop]
