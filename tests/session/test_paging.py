"""Lists over pages: nothing left out, nothing read twice, nowhere else."""

import asyncio
from urllib.parse import parse_qsl, urlsplit

import pytest
from multidict import CIMultiDict

from octoffm_async import FulfillmentClient, NotFoundError, PagingError, UnusableAnswerError, ValidationError
from tests.fakes import FakeTransport, Sent, answer, config


def query_of(sent: Sent) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(sent.url).query, keep_blank_values=True))


def link(target: str) -> dict[str, str]:
    return {"Link": f'<{target}>; rel="next"'}


def three_pages(sent: Sent):
    cursor = query_of(sent).get("cursor")
    following = {None: "b", "b": "c"}.get(cursor)
    headers = {} if following is None else link(f"/seller/v2/stocks?cursor={following}")
    return answer(200, {"items": [{"id": f"{cursor}-{n}"} for n in (1, 2)]}, **headers)


EVERYTHING = ["None-1", "None-2", "b-1", "b-2", "c-1", "c-2"]


async def test_items_of_all_pages_come_in_order() -> None:
    transport = FakeTransport(three_pages)
    async with FulfillmentClient(config(), transport=transport) as client:
        assert [stock.id async for stock in client.stocks.list()] == EVERYTHING
    assert len(transport.sent) == 3


async def test_filters_are_kept_on_every_page() -> None:
    transport = FakeTransport(three_pages)
    async with FulfillmentClient(config(), transport=transport) as client:
        async for _ in client.stocks.list(storage_country="FR", sort="Available", limit=2):
            pass
    kept = {"limit": "2", "storageCountry": "FR", "sort": "Available"}
    assert [query_of(sent) for sent in transport.sent] == [kept, kept | {"cursor": "b"}, kept | {"cursor": "c"}]


async def test_what_the_link_says_wins() -> None:
    def script(sent: Sent):
        more = {} if "cursor" in query_of(sent) else link("?cursor=a%2Bb%20%26c&limit=7")
        return answer(200, [], **more)

    transport = FakeTransport(script)
    async with FulfillmentClient(config(), transport=transport) as client:
        assert [stock async for stock in client.stocks.list()] == []
    assert query_of(transport.sent[1]) == {"limit": "7", "cursor": "a+b &c"}


async def test_the_next_page_is_asked_for_at_our_address() -> None:
    def script(sent: Sent):
        return answer(200, [], **({} if "cursor" in sent.url else link("/another/prefix/stocks?cursor=b")))

    transport = FakeTransport(script)
    async with FulfillmentClient(config(), transport=transport) as client:
        assert [stock async for stock in client.stocks.list()] == []
    assert {sent.url.partition("?")[0] for sent in transport.sent} == {"http://127.0.0.1:9/seller/v2/stocks"}


async def test_pages_tell_their_cursors() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(three_pages)) as client:
        pages = [page async for page in client.stocks.list().pages()]
    assert [(page.cursor, page.next_cursor) for page in pages] == [(None, "b"), ("b", "c"), ("c", None)]
    assert [stock.id for page in pages for stock in page.items] == EVERYTHING


async def test_a_list_can_be_resumed_at_a_cursor() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(three_pages)) as client:
        assert [stock.id async for stock in client.stocks.list(resume_from="b")] == EVERYTHING[2:]


async def test_each_iteration_starts_anew() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(three_pages)) as client:
        stocks = client.stocks.list()
        assert [stock.id async for stock in stocks] == EVERYTHING
        assert [stock.id async for stock in stocks] == EVERYTHING
        first, second = aiter(stocks), aiter(stocks)
        assert [(await anext(one)).id for one in (first, second, first)] == ["None-1", "None-1", "None-2"]


async def test_an_iterator_that_ended_stays_ended() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(three_pages)) as client:
        pages = client.stocks.list(resume_from="c").pages()
        await anext(pages)
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(pages)


async def test_nothing_is_sent_before_the_first_item_is_asked_for_and_then_one_page_ahead() -> None:
    transport = FakeTransport(three_pages)
    async with FulfillmentClient(config(), transport=transport) as client:
        items = aiter(client.stocks.list())
        await asyncio.sleep(0.01)
        assert transport.sent == []
        await anext(items)
        await asyncio.sleep(0.01)
        assert len(transport.sent) == 2


@pytest.mark.parametrize("wrapped", [True, False])
async def test_bare_arrays_and_empty_pages(wrapped) -> None:
    def script(sent: Sent):
        cursor = int(query_of(sent).get("cursor", "0"))
        items = [{"sellerProductReference": f"R-{cursor}"}] if cursor % 2 else []
        more = link(f"?cursor={cursor + 1}") if cursor < 4 else {}
        return answer(200, {"items": items} if wrapped else items, **more)

    async with FulfillmentClient(config(), transport=FakeTransport(script)) as client:
        found = [one.seller_product_reference async for one in client.products.references()]
    assert found == ["R-1", "R-3"]


@pytest.mark.parametrize("start", [None, "a"])
async def test_a_cursor_that_comes_back_ends_the_list_with_an_error(start) -> None:
    def script(sent: Sent):
        following = {None: "a", "a": "b", "b": "a"}[query_of(sent).get("cursor")]
        return answer(200, [{"id": "x"}], **link(f"?cursor={following}"))

    transport = FakeTransport(script)
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(PagingError, match="already read") as caught:
            async for _ in client.stocks.list(resume_from=start):
                pass
    assert len(transport.sent) <= 3
    assert (caught.value.operation, caught.value.seller_id) == ("stocks.list", "12345")


@pytest.mark.parametrize("target", ["", "?limit=10", "?offset=10", "/seller/v2/stocks"])
async def test_a_link_without_a_cursor_leads_nowhere_new(target) -> None:
    async with FulfillmentClient(
        config(), transport=FakeTransport(lambda _: answer(200, [], **link(target)))
    ) as client:
        with pytest.raises(PagingError, match="already read"):
            await anext(aiter(client.stocks.list()))


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/seller/v2/stocks?cursor=b",
        "//127.0.0.1:10/seller/v2/stocks?cursor=b",
        "/v2/other?cursor=b",
    ],
)
async def test_a_foreign_link_is_never_followed(target) -> None:
    transport = FakeTransport(lambda _: answer(200, [{"id": "x"}], **link(target)))
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(PagingError, match="not followed"):
            async for _ in client.stocks.list():
                pass
    assert len(transport.sent) == 1


async def test_the_next_link_may_stand_on_a_line_of_its_own() -> None:
    def script(sent: Sent):
        response = answer(200, [{"id": query_of(sent).get("cursor", "a")}])
        headers = CIMultiDict(response.headers)
        headers.add("Link", '</seller/v2/stocks>; rel="first"')
        if "cursor" not in sent.url:
            headers.add("Link", '</seller/v2/stocks?cursor=b>; rel="next"')
        return response._replace(headers=headers)

    async with FulfillmentClient(config(), transport=FakeTransport(script)) as client:
        assert [stock.id async for stock in client.stocks.list()] == ["a", "b"]


async def test_a_page_that_failed_can_be_asked_for_again() -> None:
    answers = [
        answer(200, [{"id": "1"}], **link("?cursor=b")),
        answer(404),
        answer(200, [{"id": "2"}]),
    ]
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: answers.pop(0))) as client:
        pages = client.stocks.list().pages()
        assert (await anext(pages)).next_cursor == "b"
        with pytest.raises(NotFoundError):
            await anext(pages)
        assert [stock.id for stock in (await anext(pages)).items] == ["2"]


async def test_a_page_that_cannot_be_read_is_an_error() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: answer(200, {"items": 1}))) as client:
        with pytest.raises(UnusableAnswerError, match="not what is expected"):
            await anext(aiter(client.outbound.list()))


async def test_filters_are_checked_before_anything_is_sent() -> None:
    transport = FakeTransport()
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(ValidationError) as caught:
            client.stocks.list(limit=0, delivery_country="FR", sort="Available")
    assert [problem.field for problem in caught.value.problems] == ["limit", "sort"]
    assert transport.sent == []
