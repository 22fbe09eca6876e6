"""Opaque cursors and the link to the next page, on each of the lists."""

from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from octoffm_async.sandbox.http.paging import Cursor, decode_cursor, next_link
from octoffm_async.sandbox.http.responses import ProblemError

from ..api import SECOND, Api, product
from ..conftest import Serve

LISTS = ["/stock-seller-references", "/stocks", "/outbound-shipments"]


async def fill(api: Api, count: int) -> None:
    await api.register(*(product(number) for number in range(count)))
    for number in range(count):
        await api.order(f"ORDER-{number}")


def test_a_cursor_comes_back_as_it_was() -> None:
    assert decode_cursor(Cursor("created", (1000,)).encode(), "created") == (1000,)
    assert decode_cursor(Cursor("sorted", (-5, 12)).encode(), "sorted", numbers=2) == (-5, 12)
    assert decode_cursor(None, "created") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "é",
        Cursor("changed", (1,)).encode(),
        Cursor("created", (1, 2)).encode(),
        Cursor("created", (1,)).encode() + "!",
        urlsafe_b64encode(b"created:007").decode(),
        urlsafe_b64encode(b"created:" + b"9" * 99).decode(),
    ],
)
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ProblemError) as refused:
        decode_cursor(text, "created")
    assert (refused.value.status, list(refused.value.errors or {})) == (400, ["cursor"])


def test_the_link_keeps_the_query_and_replaces_the_cursor() -> None:
    link = next_link("/seller/v2/x", {"cursor": "old", "limit": "10", "a": "é&"}, "new")
    assert link == '</seller/v2/x?cursor=new&limit=10&a=%C3%A9%26>; rel="next"'


@pytest.mark.parametrize("path", LISTS)
async def test_links_lead_through_the_list_once(api: Api, path: str) -> None:
    await fill(api, 5)
    pages = await api.walk(path, limit=2)
    assert [len(page) for page in pages] == [2, 2, 1]
    rows: list[Any] = [str(row) for page in pages for row in page]
    assert len(set(rows)) == 5


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_that_ends_with_the_list_has_no_link(api: Api, path: str) -> None:
    await fill(api, 4)
    assert [len(page) for page in await api.walk(path, limit=2)] == [2, 2]
    answer = await api.get(path, limit=4)
    assert (answer.next, answer.json["itemsPerPage"], len(answer.json["items"])) == (None, 4, 4)


@pytest.mark.parametrize("path", LISTS)
async def test_an_empty_list_is_an_empty_page(api: Api, path: str) -> None:
    answer = await api.get(path, limit=4)
    assert (answer.status, answer.json["items"], answer.next) == (200, [], None)


@pytest.mark.parametrize("path", LISTS)
async def test_sellers_have_lists_of_their_own(api: Api, path: str) -> None:
    await fill(api, 2)
    assert (await api.as_seller(SECOND).get(path, limit=10)).json["items"] == []


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many", " "])
async def test_a_limit_is_from_1_to_1000(api: Api, path: str, limit: str) -> None:
    answer = await api.get(path, limit=limit)
    assert answer.is_problem(400)
    assert list(answer.json["errors"]) == ["limit"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["nonsense", Cursor("created", (-1,)).encode()])
async def test_a_cursor_that_was_not_given_out_is_400(api: Api, path: str, cursor: str) -> None:
    answer = await api.get(path, limit=1, cursor=cursor)
    assert answer.is_problem(400)
    assert list(answer.json["errors"]) == ["cursor"]


async def test_only_stocks_require_a_limit(api: Api) -> None:
    assert (await api.get("/stocks")).is_problem(400)
    assert (await api.get("/stock-seller-references")).json["itemsPerPage"] == 1000
    assert (await api.get("/outbound-shipments")).json["itemsPerPage"] == 1000


async def test_a_link_without_a_given_limit_names_the_default(serve: Serve) -> None:
    api = await serve()
    for start in range(0, 1100, 100):
        await api.register(*(product(number) for number in range(start, start + 100)))
    answer = await api.get("/stock-seller-references")
    assert parse_qs(urlsplit(answer.next or "").query)["limit"] == ["1000"]
    assert [len(page) for page in await api.walk("/stocks", limit=1000)] == [1000, 100]


async def test_a_row_that_is_created_during_a_walk_comes_at_its_end(api: Api) -> None:
    await fill(api, 3)
    first = await api.get("/stocks", limit=2)
    await api.register(product(99))
    rest = await api.get(first.next or "")
    assert len(rest.json["items"]) == 2
    assert rest.next is None


@pytest.mark.parametrize("path", LISTS)
async def test_links_are_relative_or_absolute(serve: Serve, path: str) -> None:
    relative, absolute = await serve(), await serve(links="absolute")
    for api, start in ((relative, "/seller/v2"), (absolute, absolute.sandbox.base_url)):
        await fill(api, 3)
        target = (await api.get(path, limit=2)).next or ""
        assert target.startswith(f"{start}{path}?")
        assert len((await api.get(target)).json["items"]) == 1


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_may_be_a_bare_array(serve: Serve, path: str) -> None:
    api = await serve(list_shape="array")
    await api.post("/fulfillment-products", [product(1), product(2)])
    await api.order("A")
    await api.order("B")
    answer = await api.get(path, limit=1)
    assert answer.body.startswith(b"[{")
    assert answer.next is not None
    assert (await api.get(answer.next)).body not in {answer.body, b"[]"}
