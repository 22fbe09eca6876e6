"""Runs that go on without their input, from the requests in their journal."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from octoffm_async import (
    ConfigurationError,
    Created,
    Failed,
    FulfillmentClient,
    JournalError,
    Outcome,
    Refused,
    Skipped,
    Unknown,
)
from octoffm_async.journal import Journal, OutgoingItem, State, payload_hash
from octoffm_async.sandbox import Fault, Sandbox
from tests.support.items import all_of, order, orders, product, serving
from tests.unit.test_operations import supply

pytestmark = pytest.mark.one_loop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


def outgoing(item: Any, key: str) -> OutgoingItem:
    payload = msgspec.json.encode(item)
    return OutgoingItem(key, payload_hash(payload), payload)


async def crashed(
    path: Path, items: dict[str, Any], *, seller: str, operation: str = "outbound.create", state: State = State.SENT
) -> str:
    """A run that died when these items were in this state."""
    async with Journal.open(path) as journal:
        journal_run = await journal.begin_run(seller=seller, operation=operation)
        for start in range(0, len(items), 500):
            await journal_run.mark_sent([outgoing(item, key) for key, item in list(items.items())[start : start + 500]])
        if state is not State.SENT:
            for key in items:
                journal_run.record_outcome(key, state, message="it was so")
        await journal_run.flush()
        return journal_run.run


async def called(sandbox: Sandbox, operation: str, times: int) -> None:
    while sandbox.requests.count(operation) < times:  # noqa: ASYNC110  (nothing tells of it)
        await asyncio.sleep(0.01)


async def counts(path: Path, run: str) -> dict[State, int]:
    async with Journal.open(path, read_only=True) as journal:
        (record,) = [one for one in await journal.runs() if one.id == run]
    return {state: count for state, count in record.counts.items() if count}


def by_key(outcomes: list[Outcome]) -> dict[str, Outcome]:
    assert len({outcome.key for outcome in outcomes}) == len(outcomes)
    return {outcome.key: outcome for outcome in outcomes}


@pytest.mark.parametrize("state", [State.PENDING, State.FAILED, State.SENT, State.UNKNOWN])
async def test_every_kept_item_is_created_once(path: Path, state: State) -> None:
    async with serving() as (sandbox, client):
        some = orders(80)
        there = {}
        if state in (State.SENT, State.UNKNOWN):
            there = {one.reference: await client.outbound.create(one) for one in some[:3]}
        run = await crashed(path, {one.reference: one for one in some}, seller=client.seller_id, state=state)
        outcomes, error = await all_of(client.bulk.resume(path, run, patience=0.2))
        assert error is None
        assert {type(outcome) for outcome in by_key(outcomes).values()} == {Created}
        ids = {outcome.key: outcome.id for outcome in outcomes if isinstance(outcome, Created)}
        assert {key: ids[key] for key in there} == there
        assert [sandbox.effects.outbound[one.reference] for one in some] == [1] * 80
        assert await counts(path, run) == {State.CREATED: 80}


async def test_products_and_supply_orders_are_resumed_as_well(path: Path) -> None:
    async with serving() as (sandbox, client):
        products = {one.seller_product_reference: one for one in (product(number) for number in range(250))}
        supplies = {f"IN-{number}": supply(f"IN-{number}", "P-1") for number in range(20)}
        first = await crashed(path, products, seller=client.seller_id, operation="products.create", state=State.PENDING)
        second = await crashed(path, supplies, seller=client.seller_id, operation="inbound.create")
        for run, number in ((first, 250), (second, 20)):
            outcomes, error = await all_of(client.bulk.resume(path, run, patience=0.2))
            assert error is None
            assert [type(outcome) for outcome in outcomes] == [Created] * number
        assert sandbox.requests.count("products.create") == 3
    assert set(sandbox.effects.products.values()) == set(sandbox.effects.inbound.values()) == {1}


async def test_a_cancelled_run_is_resumed_to_the_end_of_what_was_read(path: Path) -> None:
    async with serving() as (sandbox, client):
        rates = {Fault.LATENCY: (0.3, 0.05)}  # of some, so that they are not all answered at once
        sandbox.faults.set_rates(rates, operations=["outbound.create"])

        async def use() -> None:
            async with client.bulk.create_outbound(orders(5000), journal=path, drain=0.0) as run:
                async for _ in run:
                    pass

        task = asyncio.create_task(use())
        await called(sandbox, "outbound.create", 100)
        task.cancel()
        await asyncio.wait([task])
        sandbox.faults.clear()
        async with Journal.open(path, read_only=True) as journal:
            (record,) = await journal.runs()
        assert record.undecided > 0
        outcomes, error = await all_of(client.bulk.resume(path, record.id, patience=0.2))
        assert error is None
        assert len(outcomes) == sum(record.counts.values()) - record.counts[State.CREATED]
        assert set(sandbox.effects.outbound.values()) == {1}
        assert sandbox.effects.outbound.total() == sum(record.counts.values())
        async with Journal.open(path, read_only=True) as journal:
            assert [one.finished_at is not None for one in await journal.runs()] == [True]


async def test_what_another_run_decided_is_left_alone(path: Path) -> None:
    async with serving() as (sandbox, client):
        run = await crashed(path, {"O-0": order("O-0")}, seller=client.seller_id, state=State.FAILED)
        await all_of(client.bulk.create_outbound([order("O-0")], journal=path))
        outcomes, error = await all_of(client.bulk.resume(path, run))
        assert (outcomes, error) == ([], None)
        assert sandbox.effects.outbound == {"O-0": 1}


async def test_a_run_of_another_seller_or_none_is_reported(path: Path) -> None:
    async with serving() as (sandbox, client):
        run = await crashed(path, {"O-0": order("O-0")}, seller="4711", state=State.PENDING)
        _, error = await all_of(client.bulk.resume(path, run))
        assert isinstance(error, ConfigurationError)
        assert "of seller 4711" in str(error)
        assert client.seller_id in str(error)
        _, error = await all_of(client.bulk.resume(path, "nothing"))
        assert str(error) == "the journal has no run 'nothing'"
        assert sandbox.requests.count("outbound.create") == 0


async def test_a_run_of_something_else_is_reported(path: Path) -> None:
    async with serving() as (_, client):
        run = await crashed(path, {"R-0": order("R-0")}, seller=client.seller_id, operation="returns.create")
        _, error = await all_of(client.bulk.resume(path, run))
        assert isinstance(error, ConfigurationError)
        assert "'returns.create' is not the name of a creation" in str(error)


BROKEN = {
    b"{": "cannot be decoded",
    b'{"reference": 7}': "cannot be decoded",
    b"\xff": "cannot be decoded",
    msgspec.json.encode(order("O-0")).replace(b'"reference"', b'"other":1,"reference"'): "send it differently",
    None: "has lost it",
}


def spoil(path: Path, payload: bytes | None) -> None:
    """Change the kept request of ``O-0``, wherever it is, or lose it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        if payload is None:
            changed = connection.execute("DELETE FROM payloads WHERE key = ?", (b"O-0",)).rowcount
        else:
            changed = connection.execute("UPDATE payloads SET payload = ? WHERE key = ?", (payload, b"O-0")).rowcount
        for number, content in connection.execute("SELECT batch_id, items FROM batches").fetchall():
            items = msgspec.msgpack.decode(content)
            for item in items:
                if item[0] == b"O-0":
                    item[2], changed = payload, changed + 1
            connection.execute(
                "UPDATE batches SET items = ? WHERE batch_id = ?", (msgspec.msgpack.encode(items), number)
            )
    assert changed == 1


@pytest.mark.parametrize("payload", BROKEN, ids=lambda value: "none" if value is None else value[:12].decode("latin-1"))
async def test_a_request_that_cannot_be_read_fails_and_stops_nothing(path: Path, payload: bytes | None) -> None:
    async with serving() as (sandbox, client):
        some = {one.reference: one for one in orders(3)}
        run = await crashed(path, some, seller=client.seller_id, state=State.FAILED)
        spoil(path, payload)
        outcomes, error = await all_of(client.bulk.resume(path, run))
        assert error is None
        found = by_key(outcomes)
        assert {key for key, outcome in found.items() if isinstance(outcome, Created)} == {"O-1", "O-2"}
        failed = found["O-0"]
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, JournalError)
        assert BROKEN[payload] in str(failed.error)
        assert sandbox.effects.outbound == {"O-1": 1, "O-2": 1}
        assert await counts(path, run) == {State.CREATED: 2, State.FAILED: 1}


@pytest.mark.parametrize(("exists", "kind", "state"), [(True, Created, State.CREATED), (False, Failed, State.PENDING)])
async def test_an_unreadable_request_is_still_looked_for(path: Path, exists: bool, kind: type, state: State) -> None:
    async with serving() as (sandbox, client):
        if exists:
            await client.outbound.create(order("O-0"))
        await all_of(client.bulk.create_outbound([order("O-1")], journal=path))  # the list must show an order of ours
        run = await crashed(path, {"O-0": order("O-0")}, seller=client.seller_id)
        spoil(path, b"{")
        outcomes, error = await all_of(client.bulk.resume(path, run, patience=0.1))
        assert error is None
        assert [type(outcome) for outcome in outcomes] == [kind]
        assert await counts(path, run) == {state: 1}
        assert sandbox.effects.outbound["O-0"] == exists


async def test_an_unreadable_request_that_cannot_be_looked_for_is_unknown(path: Path) -> None:
    async with serving() as (sandbox, client):
        run = await crashed(path, {"O-0": order("O-0"), "O-1": order("O-1")}, seller=client.seller_id)
        spoil(path, b"{")
        sandbox.faults.set_rates({Fault.ERROR_500: 1.0}, operations=["outbound.list"])
        outcomes, error = await all_of(client.with_options(retries=0).bulk.resume(path, run, patience=0.1))
        assert error is None
        assert {key: type(outcome) for key, outcome in by_key(outcomes).items()} == {"O-0": Unknown, "O-1": Unknown}
        assert sandbox.effects.outbound.total() == 0


async def test_an_item_that_is_refused_now_is_written_as_refused(path: Path) -> None:
    async with serving() as (_, client):
        wrong = order("O" * 51)  # the sandbox refuses more than 50 characters
        run = await crashed(path, {wrong.reference: wrong}, seller=client.seller_id, state=State.FAILED)
        outcomes, error = await all_of(client.bulk.resume(path, run))
        assert error is None
        assert [type(outcome) for outcome in outcomes] == [Refused]
        assert await counts(path, run) == {State.REFUSED: 1}


async def test_a_stop_does_not_wait_for_what_may_become_visible(path: Path) -> None:
    async with serving() as (sandbox, client):
        run_id = await crashed(path, {one.reference: one for one in orders(5)}, seller=client.seller_id)
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with client.bulk.resume(path, run_id, patience=600.0) as run:
            await called(sandbox, "outbound.list", 2)
            run.stop()
            outcomes = [outcome async for outcome in run]
        assert loop.time() - began < 5
        assert {type(outcome) for outcome in outcomes} == {Unknown}
        assert len(outcomes) == 5
        assert await counts(path, run_id) == {State.SENT: 5}
        async with Journal.open(path, read_only=True) as journal:
            assert [one.finished_at for one in await journal.runs()] == [None]


async def test_the_items_are_read_as_they_are_sent(path: Path) -> None:
    async with serving() as (sandbox, client):
        some = {f"O-{number:04}": order(f"O-{number:04}") for number in range(700)}
        run_id = await crashed(path, some, seller=client.seller_id, state=State.PENDING)
        async with client.bulk.resume(path, run_id, concurrency=4) as run:
            async for _ in run:
                break
        skipped = [outcome for outcome in run.leftover if isinstance(outcome, Skipped)]
        assert run.summary.total <= 512
        assert run.summary.total - len(skipped) == sandbox.effects.outbound.total()
        outcomes, error = await all_of(client.bulk.resume(path, run_id, concurrency=4))
        assert error is None
        assert sandbox.effects.outbound == dict.fromkeys(some, 1)
        assert {type(outcome) for outcome in outcomes} == {Created}


async def test_an_open_journal_is_used_and_stays_open(path: Path) -> None:
    async with serving() as (_, client):
        run = await crashed(path, {"O-0": order("O-0")}, seller=client.seller_id, state=State.PENDING)
        async with Journal.open(path) as journal:
            outcomes, error = await all_of(client.bulk.resume(journal, run))
            assert error is None
            assert [type(outcome) for outcome in outcomes] == [Created]
            assert [record.id for record in await journal.runs()] == [run]


async def test_it_can_be_asked_to_send_what_stays_unknown(path: Path) -> None:
    async with serving() as (sandbox, client):
        run = await crashed(path, {"O-0": order("O-0")}, seller=client.seller_id, state=State.UNKNOWN)
        sandbox.faults.set_rates({Fault.ERROR_500: 1.0}, operations=["outbound.list"])
        quick: FulfillmentClient | Any = client.with_options(retries=0)
        for resend, kind in ((False, Unknown), (True, Created)):
            outcomes, _ = await all_of(quick.bulk.resume(path, run, patience=0.1, resend_unknown=resend))
            assert [type(outcome) for outcome in outcomes] == [kind]


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_stop_while_absent_items_are_sent_gives_every_item_its_outcome(path: Path, at_once: bool) -> None:
    async with serving() as (sandbox, client):
        await all_of(client.bulk.create_outbound([order("O-40")], journal=path))  # the list must show an order of ours
        run_id = await crashed(path, {one.reference: one for one in orders(40)}, seller=client.seller_id)
        sandbox.faults.set_rates({Fault.LATENCY: (1.0, 0.3)}, operations=["outbound.create"])
        outcomes: list[Outcome] = []
        async with client.bulk.resume(path, run_id, patience=0.0, drain=0.0) as run:
            async for outcome in run:
                outcomes.append(outcome)
                run.stop()
                if at_once:
                    break
        outcomes += run.leftover
        assert len(by_key(outcomes)) == 40
        known = await counts(path, run_id)
        assert known[State.CREATED] == sum(isinstance(outcome, Created) for outcome in outcomes) < 40
        unknown = sum(isinstance(outcome, Unknown) for outcome in outcomes)
        skipped = sum(isinstance(outcome, Skipped) for outcome in outcomes)
        # One that was cancelled while "sent" was being written may stand as sent, though it never left.
        assert unknown <= known.get(State.SENT, 0)
        assert unknown + skipped == known.get(State.SENT, 0) + known[State.PENDING]
        sandbox.faults.clear()
        _, error = await all_of(client.bulk.resume(path, run_id, patience=0.5))
        assert error is None
        assert [sandbox.effects.outbound[f"O-{number}"] for number in range(40)] == [1] * 40
