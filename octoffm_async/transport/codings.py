"""The content codings of bodies: ``gzip`` (also called ``x-gzip``) and ``deflate``, decoded whole, within a bound.

aiohttp's parser leaves a compressed stream that ends too early unnoticed, and the part of a count is a count too.
Therefore the parser does not decode: a stream without its own end is a transfer that broke, like a body that is
shorter than announced.
"""

from __future__ import annotations

import zlib

import aiohttp

__all__ = ["ACCEPTED", "BodyTooLargeError", "UnknownCodingError", "decode_body"]

ACCEPTED = "gzip, deflate"
"""The codings that requests ask for."""
_GZIP_BITS, _RAW_BITS = 16 + zlib.MAX_WBITS, -zlib.MAX_WBITS
_GZIP_START = b"\x1f"
_CODINGS_MOST = 2
_MEMBERS_MOST = 4096
_PIECE = 2**16
"""Bytes that are decoded at a time."""


class BodyTooLargeError(Exception):
    """An error: a body is larger than allowed once it is decoded."""


class UnknownCodingError(Exception):
    """An error: a body has a coding that was not asked for."""


def decode_body(body: bytes, codings: str, most: int) -> bytes:
    """Return a body without the ``codings`` of its ``Content-Encoding`` header, of at most ``most`` bytes.

    Raises:
        aiohttp.ClientPayloadError: The stream is damaged, or ends too early.
        BodyTooLargeError: The body is too large.
        UnknownCodingError: The coding was not asked for.
    """
    names = [name for part in codings.lower().split(",") if (name := part.strip()) not in ("", "identity")]
    if len(names) > _CODINGS_MOST:
        raise UnknownCodingError(f"{len(names)} content codings")
    for name in reversed(names):
        if name.removeprefix("x-") == "gzip":
            body = _inflated(body, _GZIP_BITS, most, members=_MEMBERS_MOST)
        elif name == "deflate":
            body = _inflated(body, zlib.MAX_WBITS if _is_zlib(body) else _RAW_BITS, most)
        else:
            raise UnknownCodingError(f"the content coding {name[:50]!r}")
    return body


def _inflated(body: bytes, bits: int, most: int, *, members: int = 1) -> bytes:
    # Data behind the last member that begins no other one is no part of the body: zeros that fill a block, a warning
    # that a server wrote behind its answer. The members before it are proven by their own ends.
    decoded: list[bytes] = []
    position = 0
    for _ in range(members):
        stream = zlib.decompressobj(bits)
        while not stream.eof:
            piece = body[position : position + _PIECE]
            if not piece:
                raise aiohttp.ClientPayloadError("its compressed body ends too early")
            try:
                decoded.append(stream.decompress(piece, most + 1))
            except zlib.error as error:
                raise aiohttp.ClientPayloadError(f"its compressed body is damaged: {error}") from None
            most -= len(decoded[-1])
            if most < 0:
                raise BodyTooLargeError
            position += len(piece) - len(stream.unused_data)
        if members == 1 or not body.startswith(_GZIP_START, position):
            return decoded[0] if len(decoded) == 1 else b"".join(decoded)
    raise aiohttp.ClientPayloadError(f"its compressed body has more than {members} parts")


def _is_zlib(data: bytes) -> bool:
    return len(data) > 1 and data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
