"""client.products against the sandbox."""

from __future__ import annotations

import pytest

from octoffm_async import FulfillmentClient, RegistrationStatus, ValidationError
from octoffm_async.contract.contract_file.parser import parse_contract
from octoffm_async.errors import BadRequestError, CallError, PagingError
from octoffm_async.sandbox import Fault, Sandbox
from tests.support.items import product, products, serving


async def test_products_are_registered_with_one_result_each_in_order(pair) -> None:
    results = await pair.client.products.create(products(100))
    assert [result.seller_product_reference for result in results] == [f"P-{number}" for number in range(100)]
    assert {result.status for result in results} == {RegistrationStatus.ACCEPTED}
    assert pair.sandbox.requests.count("products.create") == 1


async def test_registering_the_same_again_changes_nothing(pair) -> None:
    for _ in range(2):
        [result] = await pair.client.products.create([product(1)])
        assert result.status is RegistrationStatus.ACCEPTED
    assert pair.sandbox.effects.products == {"P-1": 1}


async def test_a_refusal_is_told_with_its_code(pair) -> None:
    await pair.client.products.create([product(1, "A")])
    refused, fine = await pair.client.products.create([product(2, "A"), product(3, "B")])
    assert refused.status is RegistrationStatus.REFUSED
    assert refused.code == "SellerProductReferenceAlreadyUsed"
    assert fine.status is RegistrationStatus.ACCEPTED


async def test_where_a_call_takes_one_product_all_are_sent_though_the_answers_say_nothing() -> None:
    contract = parse_contract('[operations."products.create"]\nbody = "object"\n')
    async with Sandbox(seed=7, contract=contract, product_answer="empty") as sandbox:
        async with FulfillmentClient(sandbox.config(contract=contract)) as client:
            results = await client.products.create(products(3))
            assert sandbox.effects.products == {"P-0": 1, "P-1": 1, "P-2": 1}
    assert {result.status for result in results} == {RegistrationStatus.ACCEPTED}


@pytest.mark.parametrize("wrong", [product(1, ""), product(1, "x" * 51), product(1, title=" ")])
async def test_what_cannot_be_right_is_refused_before_anything_is_sent(pair, wrong) -> None:
    with pytest.raises(ValidationError):
        await pair.client.products.create([product(2), wrong])
    assert pair.sandbox.requests.total == 0


@pytest.mark.parametrize("count", [0, 101])
async def test_too_few_or_too_many_are_refused(pair, count: int) -> None:
    with pytest.raises((BadRequestError, ValidationError)):
        await pair.client.products.create(products(count))
    assert not pair.sandbox.effects.products


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.RESET_AFTER, Fault.HTML_200], ids=lambda it: it.value)
async def test_a_registration_whose_answer_is_lost_says_so_and_is_not_repeated(pair, fault: Fault) -> None:
    pair.sandbox.faults.next(fault, operation="products.create")
    with pytest.raises(CallError) as caught:
        await pair.client.products.create([product(1)])
    assert caught.value.outcome_unknown
    assert caught.value.operation == "products.create"
    assert caught.value.attempts == 1


async def test_an_answer_without_results_is_believed_as_far_as_it_can_be_read_back() -> None:
    async with serving(product_answer="empty") as (sandbox, client):
        await client.products.create([product(1, "A")])
        results = await client.products.create([product(1, "B"), product(2, "C"), product(1, "A")])
    assert [(result.seller_product_reference, result.status) for result in results] == [
        ("B", RegistrationStatus.UNCONFIRMED),
        ("C", RegistrationStatus.ACCEPTED),
        ("A", RegistrationStatus.ACCEPTED),
    ]
    assert sandbox.requests.count("products.references") == 2


async def test_references_come_in_pages_and_in_order(shop) -> None:
    assert [row.seller_product_reference async for row in shop.client.products.references(limit=3)] == [
        f"P-{number}" for number in range(10)
    ]
    pages = [page async for page in shop.client.products.references(limit=3).pages()]
    assert [len(page.items) for page in pages] == [3, 3, 3, 1]
    assert pages[-1].next_cursor is None
    rest = [
        row.seller_product_reference
        async for row in shop.client.products.references(limit=3, resume_from=pages[1].next_cursor)
    ]
    assert rest == [f"P-{number}" for number in range(6, 10)]


@pytest.mark.parametrize("limit", [0, -1, 1001, 2.5, True, "7"])
async def test_a_page_size_out_of_range_is_refused_here(pair, limit) -> None:
    with pytest.raises(ValidationError):
        pair.client.products.references(limit=limit)


@pytest.mark.parametrize("fault", [Fault.FOREIGN_LINK, Fault.LINK_LOOP], ids=lambda it: it.value)
async def test_a_list_that_leads_astray_is_not_followed(shop, fault: Fault) -> None:
    shop.sandbox.faults.next(fault, operation="products.references", times=2)
    with pytest.raises(PagingError):
        [row async for row in shop.client.products.references()]


async def test_each_seller_sees_its_own(shop) -> None:
    other = shop.client.seller("98980")
    assert [row async for row in other.products.references()] == []
    await other.products.create([product(1, "mine")])
    assert [row.seller_product_reference async for row in other.products.references()] == ["mine"]
    assert len([row async for row in shop.client.products.references()]) == 10
    assert other.seller_id == "98980"
    assert shop.sandbox.requests.count("token.create") == 1
