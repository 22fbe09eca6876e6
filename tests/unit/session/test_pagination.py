"""Lists over pages: nothing left out, nothing read twice, nowhere else."""

import asyncio
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from octoffm_async import FulfillmentClient, NotFoundError, PagingError, UnusableAnswerError, ValidationError
from tests.support.fakes import FakeTransport, Sent, answer, config
from tests.support.items import on_virtual_time


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
        with pytest.raises(PagingError, match="names no cursor") as caught:
            await anext(aiter(client.stocks.list()))
    assert (caught.value.operation, caught.value.seller_id) == ("stocks.list", "12345")


def pages_linked_by(form: str, last: str | None = None):
    """Three pages of a stock each; ``form`` is the ``Link`` with the next cursor, ``last`` that of the last page."""

    def script(sent: Sent):
        number = int(query_of(sent).get("cursor", "p1")[1:])
        linked = form.replace("%", f"p{number + 1}") if number < 3 else last
        headers = {} if linked is None else {"Link": linked}
        return answer(200, [{"id": str(number)}], **headers)

    return script


@pytest.mark.parametrize(
    ("form", "last"),
    [
        ('<?cursor=%>; rel="next"', None),
        ("<?cursor=%>; rel='next'", None),
        ('<?limit=9&amp;cursor=%>; rel="next"', None),
        ('<?Cursor=%&limit=9>; rel="next"', None),
        ('<?cursor=%>; rel="next"', '<?cursor=>; rel="next"'),
        ('<?cursor=%>; rel="next"', '<?limit=9&cursor=%20>; rel="next"'),
        ('<?cursor=%>; rel="next"', '<?cursor=p1>; rel="prev"'),
    ],
)
async def test_forms_of_links_that_are_understood(form, last) -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(pages_linked_by(form, last))) as client:
        assert [stock.id async for stock in client.stocks.list(limit=9)] == ["1", "2", "3"]
        assert [stock.id async for stock in client.stocks.list(limit=9, resume_from="p2")] == ["2", "3"]


@pytest.mark.parametrize(
    "form",
    ['?cursor=%; rel="next"', '<?cursor=%; rel="next"', '<?cursor=%>; rel="nextPage"', "<?cursor=%", "<?cursor=%>"],
)
async def test_a_link_that_cannot_be_read_is_not_taken_for_the_end(form) -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(pages_linked_by(form))) as client:
        with pytest.raises(PagingError, match="Link header cannot be read") as caught:
            await client.stocks.list()
    assert (caught.value.operation, caught.value.seller_id) == ("stocks.list", "12345")


@pytest.mark.parametrize(
    ("last", "end"),
    [(None, "no_link"), ('<?cursor=p1>; rel="prev"', "no_link"), ('<?cursor=>; rel="next"', "empty_cursor")],
)
async def test_a_page_says_how_the_list_ended_with_it(last, end) -> None:
    script = pages_linked_by('<?cursor=%>; rel="next"', last)
    async with FulfillmentClient(config(), transport=FakeTransport(script)) as client:
        pages = [page async for page in client.stocks.list().pages()]
        assert [(page.next_cursor, page.end) for page in pages] == [("p2", None), ("p3", None), (None, end)]
        cut = [page async for page in client.stocks.list(max_items=2).pages()]
        assert [(page.next_cursor, page.end) for page in cut] == [("p2", None), ("p3", None)]


def empty_pages(count: int | None):
    """So many pages without a row (``None``: no end), then one with a row."""

    def script(sent: Sent):
        number = int(query_of(sent).get("cursor", "1"))
        if count is not None and number > count:
            return answer(200, [{"id": "found"}])
        return answer(200, [], **link(f"?cursor={number + 1}"))

    return script


async def test_empty_pages_without_end_are_an_error() -> None:
    transport = FakeTransport(empty_pages(None))
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(PagingError, match="100 pages in a row were empty") as caught:
            async for _ in client.stocks.list():
                pass
    assert len(transport.sent) <= 102
    assert (caught.value.operation, caught.value.seller_id) == ("stocks.list", "12345")


async def test_a_row_behind_many_empty_pages_is_found() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(empty_pages(99))) as client:
        assert [stock.id async for stock in client.stocks.list()] == ["found"]


async def test_an_empty_list_has_ended_however_often_it_is_read() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: answer(200, []))) as client:
        for _ in range(150):
            assert (await client.stocks.list()).end == "no_link"


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


def numbered(total: int, *, most: int = 1000, least: int = 1):
    """A script of stocks 0 to total - 1: pages as large as ``limit`` asks, within ``least`` and ``most``."""

    def script(sent: Sent):
        query = query_of(sent)
        start = int(query.get("cursor", "0"))
        end = min(total, start + max(least, min(most, int(query["limit"]))))
        more = link(f"?cursor={end}") if end < total else {}
        return answer(200, {"items": [{"id": str(number)} for number in range(start, end)]}, **more)

    return script


def ids(count: int) -> list[str]:
    return [str(number) for number in range(count)]


async def test_awaiting_a_list_gives_its_first_page_in_one_call() -> None:
    transport = FakeTransport(three_pages)
    async with FulfillmentClient(config(), transport=transport) as client:
        stocks = client.stocks.list()
        page = await stocks
        await asyncio.sleep(0.01)
        assert [stock.id for stock in page.items] == EVERYTHING[:2]
        assert (page.cursor, page.next_cursor, len(transport.sent)) == (None, "b", 1)
        assert [stock.id async for stock in stocks] == EVERYTHING
        assert (await stocks).items == page.items
    assert len(transport.sent) == 1 + 3 + 1


async def test_a_page_tells_when_it_was_served() -> None:
    served = answer(200, [], Date="Sat, 01 Mar 2025 10:00:00 GMT")
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: served)) as client:
        page = await client.stocks.list()
    assert page.served_at == datetime(2025, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("max_items", "limit", "calls"),
    [(1, 10, 1), (9, 10, 1), (10, 10, 1), (11, 10, 2), (20, 10, 2), (25, 10, 3), (35, 10, 4), (36, 10, 4), (99, 10, 4)],
)
async def test_no_more_items_than_asked_for_and_no_page_too_many(max_items: int, limit: int, calls: int) -> None:
    transport = FakeTransport(numbered(35))
    async with FulfillmentClient(config(), transport=transport) as client:
        found = [stock.id async for stock in client.stocks.list(limit=limit, max_items=max_items)]
        await asyncio.sleep(0.01)
    assert found == ids(min(max_items, 35))
    assert len(transport.sent) == calls
    assert query_of(transport.sent[0])["limit"] == str(min(limit, max_items))


async def test_awaiting_gives_no_more_items_than_asked_for() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(numbered(35))) as client:
        page = await client.stocks.list(limit=10, max_items=3)
        assert ([stock.id for stock in page.items], page.next_cursor) == (ids(3), "3")
        page = await client.stocks.list(limit=10, max_items=3, resume_from=page.next_cursor)
        assert [stock.id for stock in page.items] == ["3", "4", "5"]


@pytest.mark.parametrize("max_items", [0, -1, True, 1.0, "5"])
async def test_max_items_is_checked_before_anything_is_sent(max_items) -> None:
    transport = FakeTransport(three_pages)
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(ValidationError) as caught:
            client.stocks.list(max_items=max_items)
    assert [problem.field for problem in caught.value.problems] == ["max_items"]
    assert transport.sent == []


async def resumed(client: FulfillmentClient, limit: int, max_items: int) -> list[str]:
    """All ids, read in pieces of whole pages that reach ``max_items``."""
    found: list[str] = []
    cursor = None
    for _ in range(1000):
        pages = [
            page async for page in client.stocks.list(limit=limit, max_items=max_items, resume_from=cursor).pages()
        ]
        piece = [stock.id for page in pages for stock in page.items]
        assert len(piece) < max_items + limit or len(pages) == 1
        found += piece
        cursor = pages[-1].next_cursor
        if cursor is None:
            return found
    raise AssertionError("reading in pieces never ends")


@given(st.integers(0, 60), st.integers(1, 12), st.integers(1, 30), st.integers(1, 12))
def test_a_list_read_in_pieces_has_no_gap(total: int, limit: int, max_items: int, most: int) -> None:
    async def main() -> list[str]:
        async with FulfillmentClient(config(), transport=FakeTransport(numbered(total, most=most)), hooks=()) as client:
            return await resumed(client, limit, max_items)

    found = on_virtual_time(main)
    assert found == ids(total)


@pytest.mark.parametrize("limit", [3, 1000])
async def test_pages_larger_than_asked_for_are_not_cut_and_items_are(limit: int) -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(numbered(20, least=5))) as client:
        stocks = client.stocks.list(limit=limit, max_items=3)
        page = await stocks
        assert ([stock.id for stock in page.items], page.next_cursor) == (ids(5), "5")
        assert [stock.id async for stock in stocks] == ids(3)
        assert await resumed(client, limit, 3) == ids(20)


@pytest.mark.parametrize("limit", ["ten", "", "1e3", "10,10"])
@pytest.mark.parametrize("max_items", [None, 25])
async def test_a_link_with_an_odd_limit_is_followed(limit: str, max_items: int | None) -> None:
    def script(sent: Sent):
        start = int(query_of(sent).get("cursor", "0"))
        more = link(f"?cursor={start + 10}&limit={limit}") if start < 20 else {}
        return answer(200, [{"id": str(number)} for number in range(start, start + 10)], **more)

    async with FulfillmentClient(config(), transport=FakeTransport(script)) as client:
        found = [stock.id async for stock in client.stocks.list(limit=10, max_items=max_items)]
    assert found == ids(max_items or 30)


async def test_two_iterations_at_once_do_not_disturb_each_other() -> None:
    async def read(stocks) -> list[str]:
        found = []
        async for stock in stocks:
            found.append(stock.id)
            await asyncio.sleep(0)
        return found

    async with FulfillmentClient(config(), transport=FakeTransport(numbered(30), latency=0.001)) as client:
        stocks = client.stocks.list(limit=4)
        assert await asyncio.gather(*(read(stocks) for _ in range(3))) == [ids(30)] * 3


async def test_workers_may_share_one_iterator() -> None:
    async def work(items) -> list[str]:
        found = []
        async for stock in items:
            found.append(stock.id)
            await asyncio.sleep(0)
        return found

    async with FulfillmentClient(config(), transport=FakeTransport(numbered(30), latency=0.001)) as client:
        items = aiter(client.stocks.list(limit=4))
        shares = await asyncio.gather(*(work(items) for _ in range(3)))
    assert sorted((found for share in shares for found in share), key=int) == ids(30)


async def test_a_page_has_a_length_and_a_list_call_can_be_collected_and_shown() -> None:
    transport = FakeTransport(three_pages)
    async with FulfillmentClient(config(), transport=transport) as client:
        listing = client.stocks.list(storage_country="FR", limit=2, max_items=5)
        assert repr(listing) == "<Pager stocks.list(limit='2', storageCountry='FR', max_items=5), seller 12345>"
        assert transport.sent == []
        page = await listing
        assert (len(page), [stock.id for stock in page]) == (2, EVERYTHING[:2])
        assert [stock.id for stock in await listing.collect()] == EVERYTHING[:5]


async def test_an_empty_page_is_a_page() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(lambda sent: answer(200, []))) as client:
        page = await client.stocks.list()
    assert page
    assert [*page] == []
