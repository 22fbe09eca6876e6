"""Bodies on the wire: asked for where the client waits to be asked, and refused with a problem when too large."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from octoffm_async.sandbox.http.request_reader import BODY_MAX

from ..api import Api, product

PATH = "/seller/v2/fulfillment-products"
WAITING = {"Expect": "100-continue"}


class Wire:
    """One connection of a client that sends what it likes, byte by byte."""

    def __init__(self, api: Api, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._headers = {**api.headers, "Host": "127.0.0.1", "Content-Type": "application/json"}
        self.reader = reader
        self.writer = writer

    def head(self, length: int, **more: str) -> None:
        headers = {**self._headers, "Content-Length": str(length), **more}
        lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode())

    async def status(self) -> int:
        """The status of the next answer, interim ones included; its head is read to the end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.last = head.decode().casefold()
        return int(head.split()[1])

    async def problem(self) -> dict[str, object]:
        length = int(self.last.partition("content-length: ")[2].split()[0])
        found: dict[str, object] = json.loads(await self.reader.readexactly(length))
        return found


@asynccontextmanager
async def connected(api: Api) -> AsyncIterator[Wire]:
    port = int(api.sandbox.base_url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(api, reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def padded(size: int) -> bytes:
    body = json.dumps([product(1)]).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("size", [1_000, 3 * 1024 * 1024])
async def test_a_client_that_waits_is_asked_for_its_body(api: Api, size: int) -> None:
    async with connected(api) as wire:
        wire.head(size, **WAITING)
        assert await wire.status() == 100
        wire.writer.write(padded(size))
        assert await wire.status() == 202
    assert api.sandbox.effects.products == {"REF-1": 1}


async def test_the_connection_serves_on_after_an_expectation(api: Api) -> None:
    async with connected(api) as wire:
        for status in (202, 202):
            wire.head(1_000, Expect="100-Continue")
            assert await wire.status() == 100
            wire.writer.write(padded(1_000))
            assert await wire.status() == status
            await wire.problem()  # the body, whatever it is


async def test_a_call_that_is_refused_does_not_ask_for_its_body_and_closes(api: Api) -> None:
    async with connected(api.with_headers(**{**api.headers, "Authorization": "Bearer none"})) as wire:
        wire.head(1_000, **WAITING)
        assert await wire.status() == 401
        assert "connection: close" in wire.last


async def test_an_unknown_expectation_is_417(api: Api) -> None:
    async with connected(api) as wire:
        wire.head(1_000, Expect="200-ok")
        assert await wire.status() == 417
        assert (await wire.problem())["status"] == 417


async def test_a_body_that_says_to_be_too_large_is_refused_before_it_is_sent(api: Api) -> None:
    async with connected(api) as wire:
        wire.head(BODY_MAX + 1, **WAITING)
        assert await wire.status() == 413
        assert f"{BODY_MAX:,}" in str((await wire.problem())["detail"])
        assert "connection: close" in wire.last


async def test_a_body_that_does_not_say_how_long_it_is_is_read_to_the_limit(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(BODY_MAX // 65_536 + 1):
            yield b" " * 65_536

    answer = await api.call(
        "POST", "/fulfillment-products", data=chunks(), headers={"Content-Type": "application/json"}
    )
    assert answer.is_problem(413)
    assert api.sandbox.requests.by["products.create", 413] == 1


async def test_a_body_of_exactly_the_limit_is_taken(api: Api) -> None:
    large = io.BytesIO(padded(BODY_MAX))
    answer = await api.call("POST", "/fulfillment-products", data=large, headers={"Content-Type": "application/json"})
    assert answer.status == 202
