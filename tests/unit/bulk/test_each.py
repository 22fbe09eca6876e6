"""``bulk.each``: any single call over many items, but for creations that have runs of their own."""

from __future__ import annotations

import functools
from collections import Counter

import pytest

from octoffm_async import (
    ConfigurationError,
    Done,
    ErrorBudgetExceededError,
    Failed,
    FulfillmentClient,
    Journal,
    Missing,
    Refused,
    ReturnRequest,
    ShipmentLine,
    Skipped,
    Unknown,
)
from octoffm_async.sandbox import Fault, Sandbox
from tests.support.fakes import FakeTransport, answer, config
from tests.support.items import all_of, fake, order, product

NOWHERE = "00000000-0000-4000-8000-000000000000"


async def outcomes(run):
    found, error = await all_of(run)
    assert error is None, error
    return {outcome.key: outcome for outcome in found}


async def test_gets_cancellations_and_labels_have_one_outcome_an_item() -> None:
    async with Sandbox(seed=7, catalogue=3, stock=50) as sandbox:
        async with FulfillmentClient(sandbox.config(limit=None)) as client:
            ids = [await client.outbound.create(order(f"O-{n}", product="SKU-00001")) for n in range(10)]
            run = client.bulk.each(client.outbound.get, [*ids, NOWHERE, ids[0], ".."])
            shipments = await outcomes(run)
            assert run.summary.counts() | {"total": 13} == run.summary.counts()
            assert (run.summary.done, run.summary.missing, run.summary.skipped, run.summary.refused) == (10, 1, 1, 1)
            cancel = functools.partial(client.outbound.request_cancellation, reason="sold out")
            cancelled = await outcomes(client.bulk.each(cancel, ids[:3]))
            labels = await outcomes(client.bulk.each(client.returns.label, [NOWHERE]))
            counted = await client.outbound.count()
    assert {type(outcome) for key, outcome in shipments.items() if key in ids[1:]} == {Done}
    assert shipments[ids[1]].value.reference == "O-1"
    assert isinstance(shipments[NOWHERE], Missing)
    assert isinstance(shipments[".."], Refused)
    assert {type(outcome) for outcome in cancelled.values()} == {Done}
    assert isinstance(labels[NOWHERE], Missing)
    assert counted == 10


async def test_returns_are_announced_and_one_whose_answer_is_lost_is_unknown_and_not_sent_again() -> None:
    transport = FakeTransport(lambda sent: answer(201, {"returnId": "R-1"}) if b"O-1" in sent.body else answer(500))
    async with FulfillmentClient(config(), transport=transport) as client:
        line = ShipmentLine(quantity=1, seller_product_reference="P")
        requests = [ReturnRequest(reference=name, reason="Retraction", lines=[line]) for name in ("O-1", "O-2")]
        found = await outcomes(client.bulk.each(client.returns.create, requests, with_items=True))
    assert (found["O-1"].value, found["O-1"].item) == ("R-1", requests[0])
    assert isinstance(found["O-2"], Unknown)
    assert Counter(b"O-2" in sent.body for sent in transport.sent) == {True: 1, False: 1}


async def test_calls_are_those_of_a_bulk_run() -> None:
    seen = []

    async with Sandbox(seed=7, catalogue=3, stock=5) as sandbox:
        sandbox.faults.set_rates({Fault.ERROR_500: 0.2})
        async with FulfillmentClient(sandbox.config(limit=None, backoff_base=0.001, max_attempts=20)) as client:
            ids = [stock.id for stock in await client.stocks.list().collect()]
            view = client.with_options(on_response=seen.append)
            found = await outcomes(client.bulk.each(view.stocks.get, ids))
            raw = await outcomes(client.bulk.each(client.with_raw_response.stocks.get, ids))
    assert {type(outcome) for outcome in found.values()} == {Done}
    assert len(seen) >= 3
    assert {outcome.value.response.status for outcome in raw.values()} == {200}


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("outbound.create", "create_outbound"),
        ("inbound.create", "create_inbound"),
        ("products.create", "create_products"),
        ("products.add_reference", "create_products"),
    ],
)
def test_creations_are_refused_with_their_own_method_named(name, instead) -> None:
    client, _ = fake()
    resource, method = name.split(".")
    plain = getattr(getattr(client, resource), method)
    raw = getattr(getattr(client.with_raw_response, resource), method)
    for operation in (plain, raw, functools.partial(plain, journal=None), functools.partial(functools.partial(raw))):
        with pytest.raises(ConfigurationError, match=rf"use bulk\.{instead}\(items\)"):
            client.bulk.each(operation, [])


async def test_they_are_refused_inside_a_function_too_and_nothing_is_sent() -> None:
    client, transport = fake()
    async with client:
        creations = {
            "create_outbound": lambda n: client.outbound.create(order(n)),
            "create_products": lambda _: client.products.create([product(1)]),
        }
        for instead, operation in creations.items():
            _, error = await all_of(client.bulk.each(operation, ["1", "2"]))
            assert isinstance(error, ConfigurationError)
            assert f"bulk.{instead}(items)" in str(error)
        assert transport.sent == []
        assert await client.outbound.create(order("O-3"))  # outside it is as ever


async def test_a_creation_through_a_journal_is_protected(tmp_path) -> None:
    async with Sandbox(seed=7, catalogue=1, stock=50) as sandbox:
        async with FulfillmentClient(sandbox.config(limit=None)) as client:
            async with Journal.open(tmp_path / "orders.journal") as journal:
                create = functools.partial(client.outbound.create, journal=journal)
                with pytest.raises(ConfigurationError):
                    client.bulk.each(create, [])

                async def one(name: str) -> str:
                    return await client.outbound.create(order(name), journal=journal)

                found = await outcomes(client.bulk.each(one, ["O-1", "O-2"]))
    assert {type(outcome) for outcome in found.values()} == {Done}
    assert sandbox.effects.outbound == {"O-1": 1, "O-2": 1}


async def test_items_need_a_name() -> None:
    client, _ = fake(lambda _: answer(200, {"id": "S-1"}))
    async with client:
        _, error = await all_of(client.bulk.each(client.stocks.get, [{"id": "S-1"}]))
        assert isinstance(error, ConfigurationError)
        assert "say by key= what names it" in str(error)

        async def of(item):
            return await client.stocks.get(item["id"])

        found = await outcomes(client.bulk.each(of, [{"id": "S-1"}], key=lambda item: item["id"]))
        assert isinstance(found["S-1"], Done)
        blank = await outcomes(client.bulk.each(client.stocks.get, [" "]))
        assert isinstance(blank[" "], Refused)
        numbers = await outcomes(client.bulk.each(lambda n: client.stocks.get(str(n)), range(3)))
        assert set(numbers) == {"0", "1", "2"}


async def test_another_error_ends_the_run_and_too_many_failures_do() -> None:
    client, _ = fake(lambda _: answer(404))

    async def broken(item: str) -> None:
        raise KeyError(item)

    async with client:
        _, error = await all_of(client.bulk.each(broken, ["a", "b"]))
        assert isinstance(error, KeyError)
        with pytest.raises(ConfigurationError, match="operation must be a method"):
            client.bulk.each("outbound.get", [])  # type: ignore[arg-type]
    client, _ = fake(lambda _: answer(403))
    async with client:
        found, error = await all_of(client.bulk.each(client.stocks.get, map(str, range(50)), max_failures=5))
    assert isinstance(error, ErrorBudgetExceededError)
    assert {type(outcome) for outcome in found} <= {Failed, Skipped}
