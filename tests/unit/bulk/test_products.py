"""Registering by the hundred: what a chunk's answer means for each product in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import Created, Failed, Refused, Skipped, Unknown
from octoffm_async.bulk.outcomes import Outcome
from octoffm_async.errors import AuthenticationError, ErrorBudgetExceededError, PermissionDeniedError
from octoffm_async.sandbox import Fault
from tests.support.fakes import Answer, Sent, answer, refuse_later_tokens
from tests.support.items import accepted, all_of, fake, on_virtual_time, posted, product, products, serving


async def outcomes_of(client: Any, items: Any, **options: Any) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    async with client.bulk.create_products(items, **options) as run:
        async for outcome in run:
            assert outcome.key not in found, "a second outcome"
            found[outcome.key] = outcome
    return found


def kinds(outcomes: dict[str, Outcome]) -> Counter[type]:
    return Counter(map(type, outcomes.values()))


def results(sent: Sent, **special: dict[str, Any]) -> Answer:
    """Accept all but those named (``P_3`` for P-3)."""
    named = {key.replace("_", "-"): value for key, value in special.items()}
    rows = [
        {"sellerProductReference": reference, "status": "Accepted", **named.get(reference, {})}
        for reference in posted(sent)
    ]
    return answer(202, {"items": rows})


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("count", "chunks"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (450, [100] * 4 + [50])]
)
async def test_products_go_out_by_the_hundred(count: int, chunks: list[int]) -> None:
    client, transport = fake()
    async with client:
        outcomes = await outcomes_of(client, products(count))
    assert sorted((len(posted(sent)) for sent in transport.sent), reverse=True) == chunks
    assert kinds(outcomes)[Created] == count


@pytest.mark.virtual_time
async def test_what_is_turned_away_leaves_no_gap_in_a_chunk() -> None:
    items = [product(number, "" if number % 2 else None) for number in range(400)]
    client, transport = fake()
    async with client, client.bulk.create_products([*items, *items[:2]]) as run:
        await run.wait()
    assert [len(posted(sent)) for sent in transport.sent] == [100, 100]
    assert (run.summary.created, run.summary.refused, run.summary.skipped) == (200, 201, 1)


async def test_real_products_are_registered_once_each() -> None:
    async with serving() as (sandbox, client):
        outcomes = await outcomes_of(client, products(250))
        assert kinds(outcomes) == {Created: 250}
        assert len(sandbox.effects.products) == 250
        assert sandbox.requests.count("products.create") == 3


async def test_only_the_products_that_a_refused_request_names_are_set_apart() -> None:
    items = products(100)
    items[13] = product(13, origin_country="france")
    items[77] = product(77, un_code="x")
    async with serving() as (sandbox, client):
        outcomes = await outcomes_of(client, items)
        assert kinds(outcomes) == {Created: 98, Refused: 2}
        refused = outcomes["P-13"]
        assert isinstance(refused, Refused)
        assert "originCountry" in refused.message
        assert "[13]" not in refused.message
        assert "unCode" not in refused.message
        assert sandbox.requests.count("products.create") == 2
        assert max(sandbox.effects.products.values()) == 1


def bisecting(culprits: set[str], status: int = 400) -> Any:
    def script(sent: Sent) -> Answer:
        if culprits & set(posted(sent)):
            return answer(status, {"title": "One or more validation errors occurred."})
        return accepted(sent)

    return script


@settings(max_examples=25)
@given(culprits=st.sets(st.integers(0, 99), max_size=6), count=st.integers(1, 100), status=st.sampled_from([400, 422]))
def test_a_refusal_that_names_nobody_is_narrowed_down_to_the_culprits(
    culprits: set[int], count: int, status: int
) -> None:
    guilty = {f"P-{number}" for number in culprits if number < count}

    async def main() -> None:
        client, transport = fake(bisecting(guilty, status))
        async with client:
            outcomes = await outcomes_of(client, products(count))
        assert {key for key, outcome in outcomes.items() if isinstance(outcome, Refused)} == guilty
        assert kinds(outcomes)[Created] == count - len(guilty)
        created = Counter(key for sent in transport.sent for key in posted(sent) if not guilty & set(posted(sent)))
        assert set(created.values()) <= {1}, "sent again although it was accepted"
        assert len(transport.sent) <= 1 + 2 * 7 * len(guilty)

    on_virtual_time(main)


@pytest.mark.virtual_time
@pytest.mark.parametrize("field", ["[500].gtin", "[-1].gtin", "$", "gtin", "[x].gtin"])
async def test_a_place_that_is_none_is_no_place(field: str) -> None:
    def script(sent: Sent) -> Answer:
        if "P-3" in posted(sent):
            return answer(400, {"title": "no", "errors": {field: ["is wrong"]}})
        return accepted(sent)

    client, _ = fake(script)
    async with client:
        outcomes = await outcomes_of(client, products(8))
    assert {key for key, outcome in outcomes.items() if isinstance(outcome, Refused)} == {"P-3"}
    assert kinds(outcomes)[Created] == 7


@pytest.mark.virtual_time
async def test_an_api_that_refuses_everything_is_not_asked_for_ever() -> None:
    client, transport = fake(lambda sent: answer(400, {"title": "no"}))
    async with client:
        outcomes = await outcomes_of(client, products(100))
    assert kinds(outcomes) == {Refused: 100}
    assert len(transport.sent) == 199


async def test_an_empty_answer_is_read_back_once_for_all() -> None:
    async with serving(product_answer="empty") as (sandbox, client):
        outcomes = await outcomes_of(client, products(450))
        assert kinds(outcomes) == {Created: 450}
        assert sandbox.requests.count("products.references") == 1


async def test_what_an_empty_answer_left_out_cannot_be_read_back_and_is_unknown() -> None:
    async with serving(product_answer="empty") as (_, client):
        await outcomes_of(client, [product(1, "first")])
        outcomes = await outcomes_of(client, [product(1, "second"), product(2, "third")])  # 1 has a reference already
        assert isinstance(outcomes["second"], Unknown)
        assert isinstance(outcomes["third"], Created)


@pytest.mark.virtual_time
async def test_if_the_reading_back_fails_all_that_it_was_for_is_unknown() -> None:
    def script(sent: Sent) -> Answer:
        return answer(202) if sent.method == "POST" else answer(403, {"title": "no"})

    client, _ = fake(script)
    async with client:
        found, error = await all_of(run := client.bulk.create_products(products(250)))
    assert isinstance(error, PermissionDeniedError)
    assert "403" in str(error)
    assert Counter(map(type, found)) == {Unknown: 250}
    assert run.summary.total == 250


async def test_a_product_that_breaks_a_rule_of_identity_is_refused_alone() -> None:
    async with serving() as (_, client):
        await outcomes_of(client, [product(1, "A")])
        outcomes = await outcomes_of(client, [product(2, "A"), product(1, "B"), product(3, "C")])
    assert [type(outcomes[key]) for key in "ABC"] == [Refused, Refused, Created]
    assert [outcomes[key].code for key in "AB"] == ["SellerProductReferenceAlreadyUsed", "ProductAlreadyReferenced"]


@pytest.mark.virtual_time
async def test_each_result_in_an_answer_means_what_it_says() -> None:
    special = {
        "P_0": {"status": "Refused", "code": "Bad", "message": "why"},
        "P_1": {"status": "Refused", "code": "TooHeavy", "message": "tomorrow"},
        "P_2": {"status": "Pondering"},
        "P_3": {"sellerProductReference": "somebody else"},
        "P_4": {"status": "refused"},
        "P_5": {"status": "Refused"},
        "P_7": {"status": "Rejected", "code": "Bad"},
        "P_8": {"status": "accepted "},
    }
    client, transport = fake(lambda sent: results(sent, **special))
    async with client:
        outcomes = await outcomes_of(client, products(9))
    outcome_types = [type(outcomes[f"P-{number}"]) for number in range(9)]
    assert outcome_types == [Refused, Refused, Unknown, Unknown, Refused, Refused, Created, Refused, Created]
    assert (outcomes["P-0"].code, outcomes["P-0"].message) == ("Bad", "why")
    assert "Pondering" in outcomes["P-2"].reason
    assert len(transport.sent) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.ERROR_500, Unknown),
        (Fault.RESET_AFTER, Unknown),
        (Fault.MALFORMED_JSON, Unknown),
        (Fault.TOKEN_EXPIRED, Created),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
async def test_a_lost_answer_concerns_its_own_chunk_only(fault: Fault, kind: type) -> None:
    async with serving() as (sandbox, client):
        sandbox.faults.next(fault, operation="products.create")
        outcomes = await outcomes_of(client, products(250), concurrency=1)
    assert {type(outcomes[f"P-{number}"]) for number in range(100)} == {kind}
    assert {type(outcomes[f"P-{number}"]) for number in range(100, 250)} == {Created}


@pytest.mark.virtual_time
@pytest.mark.parametrize("status", [403, 404, 409, 429])
async def test_another_refusal_of_a_whole_request_decides_all_of_it(status: int) -> None:
    client, transport = fake(lambda sent: answer(status, {"title": "no"}, Retry_After="1000"))
    async with client:
        outcomes = await outcomes_of(client, products(100))
    assert kinds(outcomes) == {Refused if status == 409 else Failed: 100}
    assert len(transport.sent) == 1


@pytest.mark.virtual_time
async def test_a_request_timeout_is_unknown_and_is_not_sent_again() -> None:
    client, transport = fake(lambda sent: answer(408, {"title": "Request Timeout"}))
    async with client:
        outcomes = await outcomes_of(client, products(4))
    assert kinds(outcomes) == {Unknown: 4}
    assert len(transport.sent) == 1


@pytest.mark.virtual_time
async def test_a_status_that_says_nothing_about_the_product_does_not_refuse_it() -> None:
    client, _ = fake(lambda sent: answer(405, {"title": "Method Not Allowed"}))
    async with client:
        outcomes = await outcomes_of(client, products(1))
    assert kinds(outcomes) == {Failed: 1}


def half_taken(last: Answer) -> Any:
    """Refuse the whole without a name, take one half with an empty answer, then end the run."""
    asked = 0

    def script(sent: Sent) -> Answer:
        nonlocal asked
        if sent.method == "GET":
            return answer(200, {"items": []})
        asked += 1
        return answer(400, {"title": "no"}) if asked == 1 else answer(202) if asked == 2 else last

    return script


@pytest.mark.virtual_time
async def test_what_was_taken_without_a_result_gets_one_outcome_even_if_its_chunk_breaks_off() -> None:
    client, transport = fake(half_taken(answer(401, {"title": "no"})))
    refuse_later_tokens(transport)
    async with client:
        found, error = await all_of(client.bulk.create_products(products(4)))
    assert isinstance(error, AuthenticationError)
    assert Counter(outcome.key for outcome in found) == {f"P-{number}": 1 for number in range(4)}
    assert Counter(map(type, found)) == {Failed: 2, Unknown: 2}


@pytest.mark.virtual_time
async def test_nothing_is_sent_after_the_error_budget_is_exceeded() -> None:
    items = [*products(10), *(product(number, "") for number in range(10))]
    client, transport = fake()
    async with client:
        found, error = await all_of(client.bulk.create_products(items, max_failures=2))
    assert isinstance(error, ErrorBudgetExceededError)
    assert transport.sent == []
    assert Counter(map(type, found))[Skipped] == 10


@pytest.mark.virtual_time
@pytest.mark.parametrize("drain", [0.5, 30.0])
async def test_leaving_in_the_middle_decides_every_product_that_was_read(drain: float) -> None:
    read = 0

    def counted() -> Iterator[Any]:
        nonlocal read
        for item in products(5000):
            read += 1
            yield item

    client, _ = fake(latency=2.0)
    found: list[Outcome] = []
    async with client, client.bulk.create_products(counted(), drain=drain) as run:
        async for outcome in run:
            found.append(outcome)
            if len(found) == 250:
                await asyncio.sleep(1)
                break
    keys = [outcome.key for outcome in [*found, *run.leftover]]
    assert len(keys) == len(set(keys)) == read
    outcome_types = Counter(map(type, [*found, *run.leftover]))
    assert set(outcome_types) <= {Created, Unknown, Skipped}
    assert bool(outcome_types[Unknown]) is (drain < 1)


@pytest.mark.virtual_time
async def test_reading_back_is_done_also_after_a_stop() -> None:
    def script(sent: Sent) -> Answer:
        if sent.method == "POST":
            return answer(202) if "P-0" in posted(sent) else accepted(sent)
        return answer(200, {"items": [{"sellerProductReference": f"P-{number}"} for number in range(100)]})

    client, _ = fake(script)
    found: list[Outcome] = []
    async with client, client.bulk.create_products(products(2000), concurrency=1) as run:
        async for outcome in run:
            found.append(outcome)
            break
    outcomes = {outcome.key: type(outcome) for outcome in [*found, *run.leftover]}
    assert {outcomes[f"P-{number}"] for number in range(100)} == {Created}
    assert len(outcomes) == run.summary.total
