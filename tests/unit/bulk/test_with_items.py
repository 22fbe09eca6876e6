"""``outcome.item``: each outcome has the very item that it is of, whatever the input and however the run ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from octoffm_async import ConnectionLostError, Created, Failed, Journal, Refused, Skipped, Unknown
from octoffm_async.bulk.durable.job import LOOK_AHEAD
from octoffm_async.bulk.outcomes import Outcome
from octoffm_async.bulk.output import ItemOutcomeQueue
from octoffm_async.bulk.run import Run
from octoffm_async.bulk.stocks.lookup import LookupStocks
from octoffm_async.journal import OutgoingItem, payload_hash
from tests.support.fakes import Answer, Sent
from tests.support.items import accepted, all_of, asynchronous, fake, order, orders, posted, product, serving

SAME = order("same")


def mixed() -> list[Any]:
    """Orders and what is none: valid, twice the same, in other words, invalid, of another type, without a key."""
    return [
        *orders(4),
        order("O-0"),
        order("O-1", city="Lyon"),
        order("wrong", quantity=0),
        order("wrong", quantity=0),
        SAME,
        SAME,
        None,
        "None",
        order(" "),
        order("None"),
        None,
        product(1),
        *orders(6),
        order("O-5", city="Lyon"),
    ]


def assert_own_items(outcomes: Iterable[Outcome], items: Iterable[Any], key: str = "reference") -> None:
    """Assert that the items of the outcomes are these, each as often as it came, and of the outcome's key."""
    outcomes = list(outcomes)
    assert Counter(id(outcome.item) for outcome in outcomes) == Counter(map(id, items))
    for outcome in outcomes:
        assert getattr(outcome.item, key, outcome.key) == outcome.key


def kept(run: Run[Any, Any]) -> dict[str, object]:
    assert isinstance(run._delivery, ItemOutcomeQueue)
    return run._delivery._kept


def lost_sometimes(sent: Sent) -> Answer:
    [reference] = posted(sent)
    return ConnectionLostError("lost") if reference in ("O-2", "O-3") else accepted(sent)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("concurrency", [1, 5])
async def test_each_order_comes_with_its_outcome(concurrency: int, is_async: bool) -> None:
    items = mixed()
    client, _ = fake(lost_sometimes)
    async with client:
        source = asynchronous(items) if is_async else items
        run = client.bulk.create_outbound(source, with_items=True, concurrency=concurrency)
        outcomes, error = await all_of(run)
    assert error is None
    assert_own_items(outcomes, items)
    assert {type(outcome) for outcome in outcomes} == {Created, Refused, Skipped, Unknown}
    first = {item.reference: item for item in reversed(items) if hasattr(item, "reference")}
    sent = [outcome for outcome in outcomes if isinstance(outcome, Created | Unknown)]
    assert all(outcome.item is first[outcome.key] for outcome in sent)
    conflict = next(outcome for outcome in outcomes if outcome.key == "O-1" and isinstance(outcome, Refused))
    assert conflict.item.delivery_address.city == "Lyon"
    assert not kept(run)


async def test_without_the_argument_there_is_none() -> None:
    client, _ = fake()
    async with client:
        outcomes, _ = await all_of(client.bulk.create_outbound([*orders(2), order("O-0"), None]))
    assert [outcome.item for outcome in outcomes] == [None] * 4


async def test_each_order_of_a_journal_comes_with_its_outcome_in_each_run(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    async with serving() as (_, client):
        for _ in range(2):
            items = [item for item in mixed() if item is not None and item != "None" and not hasattr(item, "gtin")]
            outcomes, error = await all_of(client.bulk.create_outbound(items, journal=path, with_items=True))
            assert error is None
            assert_own_items(outcomes, items)
        changed = [order("O-0", city="Lyon"), order("O-1")]
        outcomes, _ = await all_of(client.bulk.create_outbound(changed, journal=path, with_items=True))
    assert {(outcome.key, type(outcome)) for outcome in outcomes} == {("O-0", Refused), ("O-1", Skipped)}
    assert_own_items(outcomes, changed)


async def test_an_order_that_waits_for_a_look_up_comes_with_its_outcome_at_the_end(tmp_path: Path) -> None:
    items = [*orders(4), order("O-2"), order("O-3", city="Lyon")]
    async with serving() as (_, client):
        async with Journal.open(tmp_path / "orders.journal") as journal:
            journal_run = await journal.begin_run(seller=client.seller_id, operation="outbound.create")
            payload = msgspec.json.encode(items[2])
            await journal_run.mark_sent([OutgoingItem("O-2", payload_hash(payload), payload)])
        run = client.bulk.create_outbound(items, journal=tmp_path / "orders.journal", patience=0, with_items=True)
        outcomes, error = await all_of(run)
        assert error is None
    assert_own_items(outcomes, items)
    assert not kept(run)


async def test_each_order_that_is_looked_up_first_comes_with_its_outcome() -> None:
    async with serving() as (_, client):
        await all_of(client.bulk.create_outbound(orders(2)))
        items = [*orders(4), order("O-0", city="Lyon"), order("wrong", quantity=0)]
        run = client.bulk.create_outbound(items, verify_first=True, patience=0, with_items=True)
        outcomes, error = await all_of(run)
    assert error is None
    assert_own_items(outcomes, items)


async def test_each_product_and_each_reference_comes_with_its_outcome() -> None:
    wares = [*(product(number) for number in range(130)), product(3), product(4, title="another"), product(5, "")]
    async with serving() as (sandbox, client):
        outcomes, _ = await all_of(client.bulk.create_products(wares, with_items=True))
        assert_own_items(outcomes, wares, "seller_product_reference")
        sandbox.add_stock("P-3", quantity=1)
        references: list[Any] = ["P-3", "P-4", "an P-3"[3:], "", None, "None", None]
        outcomes, _ = await all_of(client.bulk.lookup_stocks(references, with_items=True))
    assert_own_items(outcomes, references)
    assert {outcome.key: outcome.item for outcome in outcomes if outcome.item is not None} == {
        reference: reference for reference in references if reference is not None
    }
    assert {outcome.item for outcome in outcomes if isinstance(outcome, Refused)} == {None, ""}


@pytest.mark.parametrize("journaled", [False, True])
async def test_an_order_of_a_run_that_is_left_comes_with_its_outcome(journaled: bool, tmp_path: Path) -> None:
    items = [order("O-7"), *orders(40), SAME, *orders(3), SAME]
    read: list[Any] = []

    def reading() -> Iterator[Any]:
        for item in items:
            read.append(item)
            yield item

    journal = tmp_path / "orders.journal" if journaled else None
    async with serving() as (_, client):
        taken: list[Outcome] = []
        async with client.bulk.create_outbound(reading(), journal=journal, with_items=True, concurrency=2) as run:
            async for outcome in run:
                taken.append(outcome)
                if len(taken) == 3:
                    break
    assert_own_items([*taken, *run.leftover], read)
    assert not kept(run)


@pytest.mark.parametrize("journaled", [False, True])
async def test_an_order_before_an_error_of_the_input_comes_with_its_outcome(journaled: bool, tmp_path: Path) -> None:
    items = [SAME, *orders(3), SAME, order("O-1", city="Lyon")]

    def reading() -> Iterator[Any]:
        yield from items
        raise RuntimeError("the file ends here")

    journal = tmp_path / "orders.journal" if journaled else None
    async with serving() as (_, client):
        outcomes, error = await all_of(client.bulk.create_outbound(reading(), journal=journal, with_items=True))
    assert str(error) == "the file ends here"
    assert_own_items(outcomes, items)


async def test_a_resumed_order_comes_as_the_request_in_the_journal(tmp_path: Path) -> None:
    async with serving() as (_, client), Journal.open(tmp_path / "orders.journal") as journal:
        journal_run = await journal.begin_run(seller=client.seller_id, operation="outbound.create")
        payloads = {f"O-{number}": msgspec.json.encode(order(f"O-{number}")) for number in range(3)} | {"bad": b"{}"}
        await journal_run.mark_sent([OutgoingItem(key, payload_hash(text), text) for key, text in payloads.items()])
        await journal_run.flush()
        outcomes, error = await all_of(client.bulk.resume(journal, journal_run.run, patience=0, with_items=True))
    assert error is None
    assert {outcome.key: outcome.item for outcome in outcomes} == {
        **{f"O-{number}": order(f"O-{number}") for number in range(3)},
        "bad": None,
    }


@pytest.mark.parametrize("journaled", [False, True])
async def test_only_items_without_an_outcome_are_kept(journaled: bool, tmp_path: Path) -> None:
    journal = tmp_path / "orders.journal" if journaled else None
    most = 0
    client, _ = fake()
    async with client, client.bulk.create_outbound(orders(3000), journal=journal, with_items=True) as run:
        async for _ in run:
            most = max(most, len(kept(run)))
    assert 0 < most <= (4 * LOOK_AHEAD if journaled else 32)
    assert not kept(run)


def test_the_item_is_not_shown() -> None:
    outcome = Created(key="O-1", id="7", item=SAME)
    assert repr(outcome) == "Created(key='O-1', id='7')"
    assert outcome.__rich_repr__() == [("key", "O-1"), ("id", "7")]


async def test_a_look_up_that_breaks_off_has_failed_for_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise LookupError("a mistake")

    monkeypatch.setattr(LookupStocks, "handle", broken)
    client, _ = fake()
    async with client:
        outcomes, error = await all_of(client.bulk.lookup_stocks(["A", "B"]))
    assert isinstance(error, LookupError)
    assert [(outcome.key, type(outcome)) for outcome in outcomes] == [("A", Failed), ("B", Failed)]
