"""The next page is asked for when a page's headers are there, if the transport tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from octoffm_async import Config, ConnectionLostError, FulfillmentClient, PagingError
from octoffm_async.transport.aiohttp_transport import as_head_reporting
from octoffm_async.transport.http1 import Http1Transport
from octoffm_async.transport.response import Response
from tests.support.fakes import Answer, FakeTransport, Sent, answer, config
from tests.unit.session.test_pagination import ids, link, numbered, query_of

BODY = 0.5
"""Seconds between the headers and the body."""


class SlowBodies(FakeTransport):
    """Headers at once, bodies later; ``script`` is asked for both."""

    async def send(  # type: ignore[override]
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        read_timeout: float = 30.0,
        *,
        on_head: Callable[[Response], None] | None = None,
    ) -> Response:
        sent = Sent(asyncio.get_running_loop().time(), method, url, headers, body)
        if url.endswith("/token"):
            return await super().send(method, url, headers, body, read_timeout)
        self.sent.append(sent)
        await asyncio.sleep(self.latency)
        given = self.script(sent)
        if on_head is not None and isinstance(given, Response):
            on_head(given._replace(body=b"", url=url))
        await asyncio.sleep(BODY)
        broken = self.broken(sent)
        if broken is not None:
            raise broken
        if isinstance(given, BaseException):
            raise given
        return given._replace(url=url)

    def broken(self, sent: Sent) -> BaseException | None:
        return None


def test_transports_without_heads_are_transports_too() -> None:
    assert as_head_reporting(FakeTransport()) is None
    reporting = SlowBodies()
    assert as_head_reporting(reporting) is reporting


@pytest.mark.virtual_time
async def test_the_next_request_leaves_before_the_body_is_there() -> None:
    transport = SlowBodies(numbered(30), latency=1.0)
    async with FulfillmentClient(config(), transport=transport) as client:
        assert [stock.id async for stock in client.stocks.list(limit=10)] == ids(30)
    first, *others = [sent.at for sent in transport.sent]
    assert [round(at - first, 2) for at in others] == [1.0, 2.0]  # with the bodies they would be 1.5 and 3.0


@pytest.mark.virtual_time
@pytest.mark.parametrize("pace", [0.0, 0.7, 5.0])
async def test_there_is_still_no_more_than_one_page_ahead(pace: float) -> None:
    transport = SlowBodies(numbered(80), latency=1.0)
    delivered = 0
    async with FulfillmentClient(config(), transport=transport) as client:
        async for _ in client.stocks.list(limit=10).pages():
            delivered += 1
            assert len(transport.sent) <= delivered + 1
            await asyncio.sleep(pace)
    assert (delivered, len(transport.sent)) == (8, 8)


@pytest.mark.virtual_time
@pytest.mark.parametrize("target", ["https://evil.example/seller/v2/stocks?cursor=b", "?limit=10"])
async def test_a_wrong_link_is_refused_and_not_followed(target: str) -> None:
    transport = SlowBodies(lambda _: answer(200, [{"id": "x"}], **link(target)))
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(PagingError, match=r"not followed|already read") as caught:
            async for _ in client.stocks.list():
                pass
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(transport.sent) == 1
    assert (caught.value.operation, caught.value.seller_id) == ("stocks.list", "12345")


@pytest.mark.virtual_time
@pytest.mark.parametrize("moved", [False, True])
async def test_a_page_whose_body_was_lost_is_read_again_and_followed_once(moved: bool) -> None:
    class Breaking(SlowBodies):
        losses = 2

        def broken(self, sent: Sent) -> BaseException | None:
            if "cursor" in sent.url or not self.losses:
                return None
            self.losses -= 1
            return ConnectionLostError("cut")

    pages = numbered(30)

    def script(sent: Sent) -> Answer:
        query = query_of(sent)
        if "cursor" not in query and moved:  # each attempt is told of another way on; only the last one counts
            return answer(200, [{"id": str(n)} for n in range(10)], **link(f"?cursor=at-{transport.losses}"))
        if query.get("cursor", "").startswith("at-"):
            assert query["cursor"] == f"at-{transport.losses}" or transport.losses
            return answer(200, [{"id": str(n)} for n in range(10, 20)], **link("?cursor=20"))
        return pages(sent)

    transport = Breaking(script, latency=0.1)
    async with FulfillmentClient(config(), transport=transport) as client:
        assert [stock.id async for stock in client.stocks.list(limit=10)] == ids(30)
    assert transport.losses == 0
    assert sum("cursor" not in sent.url for sent in transport.sent) == 3


@pytest.mark.virtual_time
async def test_leaving_while_a_body_is_under_way_leaves_nothing_behind() -> None:
    transport = SlowBodies(numbered(80), latency=1.0)
    async with FulfillmentClient(config(), transport=transport) as client:
        await client.check()
        pages = client.stocks.list(limit=10).pages()
        reading = asyncio.ensure_future(anext(pages))
        await asyncio.sleep(1.2)
        assert len(transport.sent) == 2
        reading.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert client._scope.session._calls_running == 0
        assert [stock.id async for page in pages for stock in page.items] == ids(80)


@asynccontextmanager
async def holding_server(release: asyncio.Event, both: asyncio.Event, seen: list[str]) -> AsyncIterator[str]:
    """An API of two pages over a real socket: the first one's headers come at once, its body when released."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                line = request.split(b"\r\n", 1)[0].decode()
                if "/token" in line:
                    length = int(request.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                    await reader.readexactly(length)
                    body = b'{"access_token":"t","expires_in":7200}'
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                    continue
                seen.append(line)
                last = "cursor" in line
                more = b"" if last else b'Link: <?cursor=b>; rel="next"\r\n'
                body = b'[{"id":"b"}]' if last else b'[{"id":"a"}]'
                writer.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (more, len(body)))
                if last:
                    both.set()
                else:
                    await release.wait()
                writer.write(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("through_session", [False, True])
async def test_over_a_real_socket_the_next_request_leaves_before_the_body(
    through_session: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if through_session:
        monkeypatch.setattr("octoffm_async.transport.aiohttp_transport.usable", lambda: False)
    release, both, seen = asyncio.Event(), asyncio.Event(), list[str]()
    async with holding_server(release, both, seen) as origin:
        settings = Config(
            client_id="c",
            client_secret="s",
            seller_id="1",
            base_url=f"{origin}/seller/v2",
            token_url=f"{origin}/token",
            limit=None,
        )
        async with FulfillmentClient(settings) as client:
            transport = client._scope.session._transport
            assert isinstance(transport._wire, Http1Transport) is not through_session  # type: ignore[attr-defined]
            pages = client.stocks.list().pages()
            first = asyncio.ensure_future(anext(pages))
            await asyncio.wait_for(both.wait(), 5)
            assert not first.done()
            release.set()
            assert [stock.id for stock in (await first).items] == ["a"]
            assert [stock.id for stock in (await anext(pages)).items] == ["b"]
