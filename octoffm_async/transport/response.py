"""A response, and the reading of its body: whole, up to a bound, and with a time-out for silence.

The module evaluates its annotations, which tools for references read: a named tuple does not tell where it was defined.
"""

import asyncio
from typing import Any, NamedTuple

import aiohttp
import msgspec
from multidict import CIMultiDict, MultiMapping

from ..errors import UnusableAnswerError
from .codings import BodyTooLargeError, UnknownCodingError, decode_body
from .connection_history import ConnectionHistory

__all__ = ["BoundedBodyReader", "Response"]


class Response(NamedTuple):
    """A response with its whole body. Header names ignore case."""

    status: int
    headers: MultiMapping[str]
    body: bytes
    url: str
    history: ConnectionHistory | None = None
    """The record of other responses on the same connection, if this package manages the connection itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy without the connection, and with headers of a kind that can be pickled."""
        return type(self), (self.status, CIMultiDict(self.headers), self.body, self.url)

    def json(self, type: Any = Any) -> Any:  # noqa: A002  (msgspec's name for it)
        """Decode the body as JSON, to ``type`` (any that msgspec supports) if given.

        Raises:
            UnusableAnswerError: The body is not JSON, or not of that type.
        """
        try:
            return msgspec.json.decode(self.body, type=type)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UnusableAnswerError(f"the body cannot be read as JSON: {error}", status=self.status) from None


class BoundedBodyReader:
    """A reader of bodies of at most ``most`` bytes."""

    def __init__(self, most: int) -> None:
        self.most: int = most

    async def read(
        self, content: aiohttp.StreamReader, status: int, headers: MultiMapping[str], read_timeout: float
    ) -> bytes:
        """Return a body, however it is transferred.

        Raises:
            UnusableAnswerError: The body is too large, or announced to be.
            TimeoutError: No byte was received for ``read_timeout`` seconds.
        """
        self.check_size(_announced(headers), status)
        if content.is_eof() and content.exception() is None:  # it was received with its head: no timer is needed
            whole = content.read_nowait(-1)
            self.check_size(len(whole), status)
            return whole
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout(None) as bound:
            while not content.at_eof():
                if not content.is_eof():
                    bound.reschedule(asyncio.get_running_loop().time() + read_timeout)
                chunks.append(await content.readany())
                size += len(chunks[-1])
                self.check_size(size, status)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def finish(self, response: Response, method: str) -> bytes:
        """Return the body without its content codings.

        An empty body must be proven: by its length, by chunks, or by the end of TLS. Else the connection may have been
        lost behind the head, and an empty list would be one without orders.

        Raises:
            aiohttp.ClientPayloadError: The body is damaged, or ends too early.
            UnusableAnswerError: The body is too large, or its coding was not asked for.
        """
        status, headers, body, url, _ = response
        if not body and (status != 200 or headers.get("Content-Length") == "0"):
            return body
        if not body and method == "GET" and "Transfer-Encoding" not in headers and not url.startswith("https:"):
            raise aiohttp.ClientPayloadError("Response payload is not completed: nothing came behind the headers")
        try:
            return decode_body(body, headers.get("Content-Encoding", ""), self.most)
        except BodyTooLargeError:
            self.check_size(self.most + 1, status)
            raise
        except UnknownCodingError as reason:
            raise UnusableAnswerError(f"the answer has {reason}, which was not asked for", status=status) from None

    def check_size(self, size: int, status: int) -> None:
        """Check the size of a body.

        Raises:
            UnusableAnswerError: The body is too large.
        """
        if size > self.most:
            raise UnusableAnswerError(
                f"the answer is larger than max_answer_bytes ({self.most} bytes): not read", status=status
            )


def _announced(headers: MultiMapping[str]) -> int:
    length = headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() else 0
