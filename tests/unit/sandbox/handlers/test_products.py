"""Registering products and reading the references back."""

from typing import Any

import pytest

from ..api import SECOND, Api, gtin, product
from ..conftest import Serve


async def test_a_registered_product_has_a_reference_a_product_and_a_stock(api: Api) -> None:
    assert [item["status"] for item in await api.register(product(1), product(2))] == ["Accepted", "Accepted"]
    rows = await api.references()
    assert [row["sellerProductReference"] for row in rows] == ["REF-1", "REF-2"]
    assert rows[0]["gtin"] == gtin(1)
    assert rows[0]["productCondition"] == "New"
    assert rows[0]["createdAt"].endswith("Z")
    assert len({rows[0]["productId"], rows[0]["stockId"], rows[1]["productId"], rows[1]["stockId"]}) == 4
    assert api.sandbox.effects.products == {"REF-1": 1, "REF-2": 1}


async def test_a_reference_to_a_known_article_needs_only_its_identity(api: Api) -> None:
    short = {"gtin": gtin(1), "productCondition": "LikeNew", "sellerProductReference": "R"}
    assert (await api.register(short))[0]["status"] == "Accepted"


async def test_the_same_registration_again_is_accepted_and_creates_nothing(api: Api) -> None:
    await api.register(product(1))
    again = await api.register(product(1), product(1))
    assert [item["status"] for item in again] == ["Accepted", "Accepted"]
    assert len(await api.references()) == 1
    assert api.sandbox.effects.products["REF-1"] == 1


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (product(2, sellerProductReference="REF-1"), "SellerProductReferenceAlreadyUsed"),
        (product(1, productCondition="LikeNew"), "SellerProductReferenceAlreadyUsed"),
        (product(1, sellerProductReference="OTHER"), "ProductAlreadyReferenced"),
        (product(1, sellerProductReference="OTHER", gtin="0" + gtin(1)), "ProductAlreadyReferenced"),
    ],
)
async def test_a_clash_of_identity_refuses_that_item_alone(api: Api, second: dict[str, Any], code: str) -> None:
    await api.register(product(1))
    refused, accepted = await api.register(second, product(3))
    assert (refused["status"], refused["code"]) == ("Refused", code)
    assert refused["message"]
    assert accepted["status"] == "Accepted"
    assert api.sandbox.effects.products == {"REF-1": 1, "REF-3": 1}


async def test_items_of_one_call_are_seen_in_their_order(api: Api) -> None:
    results = await api.register(product(1), product(2, sellerProductReference="REF-1"))
    assert [item["status"] for item in results] == ["Accepted", "Refused"]


async def test_the_same_article_in_another_condition_is_another_product(api: Api) -> None:
    results = await api.register(product(1), product(1, productCondition="LikeNew", sellerProductReference="USED"))
    assert [item["status"] for item in results] == ["Accepted", "Accepted"]


async def test_sellers_do_not_see_nor_disturb_each_other(api: Api) -> None:
    other = api.as_seller(SECOND)
    await api.register(product(1))
    assert (await other.references()) == []
    assert (await other.register(product(1)))[0]["status"] == "Accepted"
    effects = api.sandbox.effects
    assert effects.products["REF-1"] == 2
    assert effects.of(SECOND).products["REF-1"] == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gtin": "4006381333930"}, "[1].gtin"),
        ({"gtin": "12"}, "[1].gtin"),
        ({"gtin": 4006381333930}, "[1].gtin"),
        ({"sellerProductReference": ""}, "[1].sellerProductReference"),
        ({"sellerProductReference": "x" * 51}, "[1].sellerProductReference"),
        ({"title": "x" * 133}, "[1].title"),
        ({"packaging": {"length": 0, "width": 1, "height": 1, "weight": 1}}, "[1].packaging.length"),
        ({"originCountry": "France"}, "[1].originCountry"),
        ({"customsCode": "12"}, "[1].customsCode"),
        ({"unCode": "12"}, "[1].unCode"),
    ],
)
async def test_a_malformed_product_refuses_the_whole_call(api: Api, changes: dict[str, Any], field: str) -> None:
    answer = await api.post("/fulfillment-products", [product(1), product(2, **changes)])
    assert answer.is_problem(400)
    assert list(answer.json["errors"]) == [field]
    assert await api.references() == []
    assert not api.sandbox.effects.products


async def test_all_field_errors_come_at_once(api: Api) -> None:
    wrong = [product(1, gtin="12", title=""), product(2, unCode="x")]
    answer = await api.post("/fulfillment-products", wrong)
    assert set(answer.json["errors"]) == {"[0].gtin", "[0].title", "[1].unCode"}


@pytest.mark.parametrize("body", [{}, "text", None, [], [product(number) for number in range(101)], [1]])
async def test_the_body_is_an_array_of_1_to_100_objects(api: Api, body: object) -> None:
    answer = await api.post("/fulfillment-products", body)
    assert answer.is_problem(400)
    assert answer.json["errors"]


@pytest.mark.parametrize("body", [b"", b"[{", b"\xff\xfe", b"[{}]"])
async def test_a_body_that_cannot_be_read_is_400(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert (await api.call("POST", "/fulfillment-products", data=body, headers=headers)).is_problem(400)


async def test_a_hundred_products_at_once_are_fine(api: Api) -> None:
    results = await api.register(*(product(number) for number in range(100)))
    assert {item["status"] for item in results} == {"Accepted"}
    assert len(api.sandbox.effects.products) == 100


async def test_the_answer_may_be_empty_and_the_effect_is_the_same(serve: Serve) -> None:
    api = await serve(product_answer="empty")
    answer = await api.post("/fulfillment-products", [product(1)])
    assert (answer.status, answer.body) == (202, b"")
    assert "Content-Type" not in answer.headers
    assert [row["sellerProductReference"] for row in await api.references()] == ["REF-1"]


async def test_the_same_seed_and_calls_give_the_same_ids(serve: Serve) -> None:
    rows: list[Any] = []
    for seed in (7, 7, 8):
        api = await serve(seed=seed)
        await api.register(product(1))
        rows.append([(row["productId"], row["stockId"]) for row in await api.references()])
    assert rows[0] == rows[1] != rows[2]
