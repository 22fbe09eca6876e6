"""Compressed answers: whole by their own end, or a transfer that broke; and heads of any size that servers send."""

from __future__ import annotations

import gzip
import zlib

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import ConnectionLostError, UnusableAnswerError
from octoffm_async.transport.codings import BodyTooLargeError, decode_body
from tests.unit.transport.test_aiohttp_transport import (
    HELLO,
    MOST,
    OK,
    Server,
    get,
    opened,
    way,
)

__all__ = ["way"]

WHOLE = b'{"count": 1234, "padding": "' + b"p" * 300 + b'"}'


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress(WHOLE),
    "x-gzip": gzip.compress(WHOLE),
    "GZip": gzip.compress(WHOLE),
    "X-GZIP": gzip.compress(WHOLE),
    "identity, gzip": gzip.compress(WHOLE),
    "deflate": zlib.compress(WHOLE),
    " deflate ": raw_deflate(WHOLE),
    "gzip, gzip": gzip.compress(gzip.compress(WHOLE)),
    "deflate, gzip": gzip.compress(zlib.compress(WHOLE)),
    "identity": WHOLE,
}


def with_length(body: bytes) -> bytes:
    return f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def in_chunks(body: bytes) -> bytes:
    parts = (body[at : at + 7] for at in range(0, len(body), 7))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def until_closed(body: bytes) -> bytes:
    return b"Connection: close\r\n\r\n" + body


WAYS = {"with a length": with_length, "in chunks": in_chunks, "until closed": until_closed}
over_each_way = pytest.mark.parametrize("transfer", WAYS.values(), ids=WAYS.keys())


@over_each_way
async def test_a_compressed_answer_is_unpacked_whatever_its_coding_is_called(transfer) -> None:
    async with Server() as server, opened() as transport:
        for coding, packed in PACKED.items():
            server.pieces = (OK + f"Content-Encoding: {coding}\r\n".encode() + transfer(packed),)
            assert (await get(transport, server.url)).body == WHOLE, coding


@over_each_way
async def test_a_compressed_answer_that_is_cut_off_is_a_transfer_that_broke(transfer) -> None:
    async with Server() as server, opened() as transport:
        for coding, packed in PACKED.items():
            if coding == "identity":
                continue
            for cut in (packed[:-1], packed[:-4], packed[:-12], packed[:1]):
                server.pieces = (OK + f"Content-Encoding: {coding}\r\n".encode() + transfer(cut),)
                with pytest.raises(ConnectionLostError) as caught:
                    await get(transport, server.url)
                assert (caught.value.retryable, caught.value.bytes_left) == (True, True), (coding, cut)


BEHIND = {"zeros": b"\0" * 512, "a warning": b"\n<b>Warning</b>: headers already sent", "a line end": b"\r\n"}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND.keys())
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_what_stands_behind_a_compressed_answer_is_no_part_of_it(coding, behind) -> None:
    head = OK + f"Content-Encoding: {coding}\r\n".encode()
    async with Server(head + with_length(PACKED[coding] + behind)) as server, opened() as transport:
        assert (await get(transport, server.url)).body == WHOLE


async def test_a_second_part_that_is_cut_off_makes_the_whole_broken() -> None:
    body = gzip.compress(WHOLE[:9]) + gzip.compress(WHOLE[9:])
    assert decode_body(body, "gzip", MOST) == WHOLE
    for end in (len(gzip.compress(WHOLE[:9])) + 1, len(body) - 9, len(body) - 1):
        head = OK + b"Content-Encoding: gzip\r\n" + with_length(body[:end])
        async with Server(head) as server, opened() as transport:
            with pytest.raises(ConnectionLostError):
                await get(transport, server.url)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip", "pack200-gzip"])
async def test_a_coding_that_nobody_asked_for_is_named(coding) -> None:
    head = OK + f"Content-Encoding: {coding}\r\n".encode() + with_length(PACKED["gzip"])
    async with Server(head) as server, opened() as transport:
        with pytest.raises(UnusableAnswerError, match="was not asked for") as caught:
            await get(transport, server.url)
        assert caught.value.status == 200
    accepted = next(line for line in server.heads[0].lower().split(b"\r\n") if line.startswith(b"accept-encoding"))
    assert b"br" not in accepted


async def test_an_empty_body_needs_no_end_where_its_length_is_told() -> None:
    told = b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"
    none = b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
    async with Server(OK + told) as server, opened() as transport:
        assert (await get(transport, server.url)).body == b""
    async with Server(OK + none) as server, opened() as transport:
        with pytest.raises(ConnectionLostError):
            await get(transport, server.url)


@given(st.binary(max_size=400), st.sampled_from(["gzip", "deflate"]), st.data())
def test_no_part_of_a_compressed_body_is_ever_a_body(data: bytes, coding: str, drawn: st.DataObject) -> None:
    packers = [gzip.compress] if coding == "gzip" else [zlib.compress, raw_deflate]
    packed = drawn.draw(st.sampled_from(packers))(data)
    assert decode_body(packed, coding, 400) == data
    end = drawn.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(Exception, match="compressed body"):
        decode_body(packed[:end], coding, 400)


def test_a_body_grows_to_its_bound_and_has_a_bounded_number_of_parts() -> None:
    with pytest.raises(BodyTooLargeError):
        decode_body(gzip.compress(b"\0" * 5_000_000), "gzip", 100_000)
    with pytest.raises(aiohttp.ClientPayloadError, match="more than 4096 parts"):
        decode_body(gzip.compress(b"ab") * 5000, "gzip", 100_000)
    assert decode_body(gzip.compress(b"x" * 100), "gzip", 100) == b"x" * 100
    with pytest.raises(BodyTooLargeError):
        decode_body(gzip.compress(b"x" * 100), "gzip", 99)


async def test_an_empty_answer_that_may_have_been_cut_off_is_not_believed() -> None:
    whole = (b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    for told in whole:
        async with Server(OK + told) as server, opened() as transport:
            assert (await get(transport, server.url)).body == b""
    async with Server(OK + b"Connection: close\r\n\r\n") as server, opened() as transport:
        with pytest.raises(ConnectionLostError):
            await get(transport, server.url)
        assert (await transport.send("POST", server.url, {}, b"{}", 2.0)).body == b""  # its Location is all there is


# Heads


def headers(count: int, size: int) -> bytes:
    return b"".join(b"X-%d: %b\r\n" % (number, b"v" * size) for number in range(count))


HEADS = {
    "one of 9,000": headers(1, 9_000),
    "one of 32 KiB": headers(1, 2**15),
    "200 of them": headers(200, 1),
    "1,000 of them": headers(1000, 1),
    "many large ones": headers(50, 8_000),
    "a long name": b"X-" + b"n" * 20_000 + b": 1\r\n",
    "Latin-1": "X-Zone: Français\r\n".encode("latin-1"),
}


@pytest.mark.parametrize("more", HEADS.values(), ids=HEADS.keys())
async def test_large_headers_are_read(more: bytes) -> None:
    async with Server(OK + more + b"Content-Length: 2\r\n\r\nhi") as server, opened() as transport:
        assert (await get(transport, server.url)).body == b"hi"


TOO_LARGE = {
    "one of 100,000": headers(1, 100_000),
    "one of 40,000 without an end": b"X: " + b"v" * 40_000,
    "2,000 of them": headers(2000, 1),
    "a name of 40,000": b"n" * 40_000 + b": 1\r\n",
}


@pytest.mark.parametrize("more", TOO_LARGE.values(), ids=TOO_LARGE.keys())
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_headers_beyond_the_bound_have_an_error_of_their_own(method: str, more: bytes) -> None:
    async with Server(OK + more + b"\r\nContent-Length: 2\r\n\r\nhi") as server, opened() as transport:
        with pytest.raises(UnusableAnswerError, match="headers of the answer are too large"):
            await transport.send(method, server.url, {}, b"{}", 2.0)
        assert len(server.heads) == 1


# The end of TLS


def cut(pieces: bytes):
    """A server of TLS that sends this, then is gone without the goodbye that proves an end."""

    class Cut(Server):
        async def _talk(self, reader, writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(pieces)
            await writer.drain()
            writer.transport.abort()

    return Cut


@pytest.mark.parametrize("body", [b"12", b"", b'{"count": 12}'])
async def test_an_answer_without_a_length_needs_the_end_of_tls(body, server_tls, client_tls) -> None:
    whole = OK + b"Connection: close\r\n\r\n" + body
    async with Server(whole, ssl_context=server_tls) as server, opened(ssl_context=client_tls) as transport:
        assert (await get(transport, server.url)).body == body
    async with cut(whole)(ssl_context=server_tls) as server, opened(ssl_context=client_tls) as transport:
        with pytest.raises(ConnectionLostError) as caught:
            await get(transport, server.url)
    assert caught.value.retryable


async def test_an_answer_with_a_length_needs_no_end_of_tls(server_tls, client_tls) -> None:
    for whole in (HELLO, OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"):
        async with cut(whole)(ssl_context=server_tls) as server, opened(ssl_context=client_tls) as transport:
            assert (await get(transport, server.url)).body == b"hi"
