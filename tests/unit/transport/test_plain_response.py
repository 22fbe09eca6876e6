"""Plain responses: read as aiohttp's parser reads them; what could be read in two ways is left to it."""

import asyncio
import copy
import pickle
from collections.abc import Iterator

import pytest
from aiohttp.base_protocol import BaseProtocol
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiMapping

from octoffm_async.transport.connection import _parser
from octoffm_async.transport.plain_response import read_plain
from octoffm_async.transport.response import Response

LENGTH = b"Content-Length: 2\r\n"
CHUNKED, LAST = b"Transfer-Encoding: chunked\r\n", b"\r\n0\r\n\r\n"
USUAL = b"HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\nX-Id:a\r\n" + LENGTH + b"x-id: \tb \r\n\r\nhi"

names = st.sampled_from(
    [b"Date", b"x-id", b"Content-Length", b"content-type", b"Connection", b"Transfer-Encoding", b"a"]
)
odd_names = st.sampled_from(
    [b"Content-Length ", b" a", b"", b"a\x0b", b"Upgrade", b"Content-Encoding", b"Sec-WebSocket-Key1"]
)
values = st.sampled_from(
    [b"2", b"02", b"+2", b"2, 2", b"2 ", b"", b"keep-alive", b"close", b"chunked", b"gzip", b"\xe9", b"\0"]
)
lines = st.tuples(
    st.one_of(names, names, odd_names),
    st.sampled_from([b": ", b": ", b":", b":\t", b" : ", b""]),
    st.one_of(values, st.text('a2 ;="\r\n', max_size=4).map(str.encode)),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n "]),
).map(b"".join)
starts = st.sampled_from(
    [b"HTTP/1.1 201 Created\r\n"] * 4
    + [
        b"HTTP/1.1 200 \r\n",
        b"HTTP/1.1 200\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 204 No\r\n",
        b"HTTP/1.1  200 OK\r\n",
    ]
)
bodies = st.sampled_from([b"hi", b"hi", b"h", b"", b"hi!", b"hi" + USUAL])
chunks = st.sampled_from(
    [b"2\r\nhi", b"2\r\nhi", b"02\r\nhi", b"2;a\r\nhi", b"2\nhi", b"1\r\nh\r\n1\r\ni", b"3\r\nhi", b""]
)
ends = st.sampled_from([LAST, LAST, b"\r\n0\r\nA: b\r\n\r\n", LAST + USUAL, b"\r\n0\r\n", b"0\r\n\r\n", b"\n0\n\n"])


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


heads = st.tuples(
    starts,
    st.lists(lines, max_size=3).map(b"".join),
    st.sampled_from([LENGTH, CHUNKED, b""]),
    st.one_of(st.just(b""), st.just(b"X: a\r\n"), lines),
)


@given(heads.map(b"".join), st.one_of(bodies, st.tuples(chunks, ends).map(b"".join)))
@example(b"HTTP/1.1 200 OK\r\nX: a\r\n" + LENGTH + b"connection:keep-alive\r\n", b"hi")
def test_a_plain_response_reads_as_the_parser_reads_it(
    loop: asyncio.AbstractEventLoop, head: bytes, body: bytes
) -> None:
    data = head + b"\r\n" + body
    if (plain := read_plain(data)) is None:
        return
    ((message, content),), upgraded, rest = _parser(BaseProtocol(loop), loop).feed_data(data)
    status, headers, read = plain
    assert (status, read) == (message.code, content.read_nowait(-1))
    assert content.is_eof()
    assert not any((message.should_close, message.compression, upgraded, rest))
    theirs = [(name.lower(), value) for name, value in message.headers.items()]
    assert [(name.lower(), value) for name, value in headers.items()] == theirs


def test_one_chunk_is_plain_and_no_more() -> None:
    whole = USUAL.replace(LENGTH, CHUNKED).replace(b"\r\nhi", b"\r\n2\r\nhi" + LAST)
    plain = read_plain(whole)
    assert plain is not None
    assert (plain[0], plain[1]["X-Id"], plain[2]) == (200, "a", b"hi")
    assert not any(read_plain(whole[:end]) for end in range(len(whole)))
    for odd in (
        b"2;a=b\r\nhi",
        b"02\r\nhi",
        b"2\nhi",
        b"2 \r\nhi",
        b"0x2\r\nhi",
        b"1\r\nh\r\n1\r\ni",
        b"1\r\nhi",
        b"3\r\nhi",
    ):
        assert read_plain(whole.replace(b"2\r\nhi", odd)) is None
    for last in (b"\r\n0\r\nA: b\r\n\r\n", LAST + b"\r\n", b"\r\n00\r\n\r\n", b"\n0\r\n\r\n"):
        assert read_plain(whole.replace(LAST, last)) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 2",  # a second one, even the same
        b"content-length: 0",
        b"Content-Length : 2",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"transfer-encoding: identity",
        b"Content-Encoding: gzip",
        b"Connection: close",
        b"Connection: keep-alive, upgrade",
        b"Proxy-Connection: close",
        b"Upgrade: h2c",
        b"Folded: a\r\n b",
        b"Bare: a\nContent-Length: 0",
        b"Bare: a\rContent-Length: 0",
        b"Null: \0",
        b"Latin: \xe9",
        b" Blank: a",
        b"Two Words: a",
        b": no name",
        b"no colon",
        b"Long: " + b"a" * 4096,
    ],
)
def test_what_could_be_read_in_two_ways_is_left_to_the_parser(line: bytes) -> None:
    assert read_plain(USUAL) is not None
    assert read_plain(USUAL.replace(LENGTH, line + b"\r\n" + LENGTH)) is None
    assert read_plain(USUAL.replace(LENGTH, LENGTH + line + b"\r\n")) is None


@pytest.mark.parametrize(
    "length", [b"02", b"+2", b"-2", b"2 ", b"2,2", b"0x2", b"2_0", b"", b"1", b"3", b"0", b"2" * 10]
)
def test_a_length_is_a_plain_number_and_fits_the_body(length: bytes) -> None:
    assert read_plain(USUAL.replace(LENGTH, b"Content-Length: %b\r\n" % length)) is None


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 206 Part", b"HTTP/1.1 100 Go", b"HTTP/1.1 404 No", b"X"],
)
def test_only_usual_successes_are_plain(start: bytes) -> None:
    assert read_plain(USUAL.replace(b"HTTP/1.1 200 OK", start)) is None


def test_the_parts_of_a_response_are_not_plain() -> None:
    assert not any(read_plain(USUAL[:end]) for end in range(len(USUAL)))


def test_headers_are_a_mapping_that_ignores_case_and_keeps_lines_of_one_name() -> None:
    plain = read_plain(USUAL)
    assert plain is not None
    headers: MultiMapping[str] = plain[1]
    assert headers["X-ID"] == headers.get("x-id") == headers.getone("X-Id") == "a"
    assert headers.getall("x-id") == ["a", "b"]
    assert "X-ID" in headers
    assert "Absent" not in headers
    assert (headers.get("Absent"), headers.get("Absent", "-"), headers.getall("Absent", [])) == (None, "-", [])
    pairs = [("Date", "Mon, 30 Nov 2026 12:00:00 GMT"), ("X-Id", "a"), ("Content-Length", "2"), ("x-id", "b")]
    same = CIMultiDict(pairs)
    assert (list(headers), len(headers), repr(headers)) == (list(same), 4, repr(same))
    assert (list(headers.keys()), list(headers.values())) == (list(same.keys()), list(same.values()))
    assert list(headers.items()) == pairs
    with pytest.raises(KeyError):
        headers.getone("Absent")
    response = Response(200, headers, b"", "")
    assert copy.deepcopy(response).headers == pickle.loads(pickle.dumps(response)).headers == same  # noqa: S301
