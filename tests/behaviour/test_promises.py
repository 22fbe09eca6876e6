"""The promises of the README, each over real HTTP against the sandbox. The names say what holds."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import (
    AuthenticationError,
    ConflictError,
    Created,
    Found,
    FulfillmentClient,
    FulfillmentProduct,
    Limit,
    OutboundShipment,
    OutboundShipmentRequest,
    Packaging,
    RateLimitedError,
    Refused,
    Unknown,
)
from octoffm_async.sandbox import Fault, Group, RequestRecord, Sandbox
from tests.conftest import VirtualTimeLoop
from tests.support import items
from tests.support.inside import gtin_check_digit
from tests.unit.ratelimit.test_limiter import worst_window

READ_FAULTS = {Fault.ERROR_500: 0.05, Fault.UNAVAILABLE_HTML: 0.05, Fault.RESET_BEFORE: 0.02, Fault.THROTTLE: 0.02}
BOX = Packaging(length_cm=20, width_cm=15, height_cm=10, weight_g=500)


def product(number: int) -> FulfillmentProduct:
    body = f"20{number:010d}"
    return FulfillmentProduct(
        gtin=f"{body}{gtin_check_digit(body)}", seller_product_reference=f"REF-{number}", title="x", packaging=BOX
    )


def order(number: int, reference: str = "REF-0") -> OutboundShipmentRequest:
    return items.order(f"ORDER-{number}", product=reference)


def arrivals(sandbox: Sandbox, group: Group) -> list[float]:
    return [arrival.at for arrival in sandbox.arrivals if isinstance(arrival, RequestRecord) and arrival.group is group]


async def registered(client: FulfillmentClient, sandbox: Sandbox, count: int) -> None:
    async with client.bulk.create_products(product(number) for number in range(count)) as run:
        await run.wait()
    assert run.summary.created == count
    for number in range(0, count, max(1, count // 50)):
        sandbox.add_stock(f"REF-{number}", quantity=number + 1)


async def test_the_whole_job_from_product_to_shipped_parcel() -> None:
    async with Sandbox(seed=7, speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        await client.products.create([product(0)])
        assert [known.seller_product_reference async for known in client.products.references()] == ["REF-0"]
        sandbox.add_stock("REF-0", quantity=5)
        async with client.bulk.lookup_stocks(["REF-0"]) as run:
            found = [outcome async for outcome in run]
        assert isinstance(found[0], Found)
        assert found[0].stock.quantities.available == 5
        shipment_id = await client.outbound.create(order(1))
        unknown_id = await client.outbound.create(order(2, "NOBODY"))
        assert (await client.outbound.get(shipment_id)).status == "Created"
        sandbox.clock.advance(3600)
        shipment = await client.outbound.get(shipment_id)
        assert (shipment.status, shipment.parcels[0].tracking_number is not None) == ("Shipped", True)
        refused = await client.outbound.get(unknown_id)
        assert refused.refusal is not None
        assert (refused.status, refused.refusal.code) == ("Refused", "UnknownProduct")
        assert (await client.stocks.get(found[0].stock.id)).quantities.available == 4


@pytest.mark.one_loop
@pytest.mark.virtual_time
async def test_5000_look_ups_under_faults_and_expiring_tokens_are_all_right() -> None:
    """5 % 500, 5 % 503 as HTML, 2 % resets, 2 % 429 on reads, and a token that lives for 2 seconds."""
    asyncio.get_running_loop().set_debug(False)  # aiohttp keeps a stack for each of 6,000 connections
    clock = asyncio.get_running_loop().time
    async with Sandbox(seed=11, token_life=2.0, speed=0, monotonic=clock) as sandbox:
        settings = sandbox.config(max_attempts=10, backoff_base=0.05, limit=Limit(1000), max_in_flight=32)
        async with FulfillmentClient(settings) as client:
            await registered(client, sandbox, 5000)
            sandbox.faults.set_rates(READ_FAULTS, only="reads")
            async with client.bulk.lookup_stocks((f"REF-{n}" for n in range(5000)), how="get") as run:
                quantities = {o.key: o.stock.quantities.available async for o in run if isinstance(o, Found)}
            stats = client.stats()
    assert run.summary.found == run.summary.total == 5000
    stocked = range(0, 5000, 100)
    assert quantities == {f"REF-{n}": n + 1 if n in stocked else 0 for n in range(5000)}
    assert stats.throttled > 0
    assert stats.retries > 300
    gaps = [later - earlier for earlier, later in pairwise(sandbox.tokens.issued)]
    assert len(sandbox.tokens.issued) >= 3, "the run must see tokens expire"
    assert min(gaps) >= 0.5 * 2.0, "each token is fetched once, late in the life of the one before"


@settings(max_examples=25)
@given(
    calls=st.integers(1, 100),
    per=st.sampled_from([0.5, 1.0, 10.0]),
    bursts=st.lists(st.tuples(st.integers(1, 40), st.floats(0.0, 2.0)), min_size=1, max_size=6),
)
def test_no_window_holds_more_than_the_limit_as_the_sandbox_counts(
    calls: int, per: float, bursts: list[tuple[int, float]]
) -> None:
    async def arrive() -> list[float]:
        time_of_loop = asyncio.get_running_loop().time
        async with Sandbox(limit=(calls, per), speed=0, monotonic=time_of_loop) as sandbox:
            settings = sandbox.config(limit=Limit(calls, per=per), deadline=10_000.0)
            async with FulfillmentClient(settings) as client:
                stock_id = await stocked(client, sandbox)
                async with asyncio.TaskGroup() as group:
                    for count, gap in bursts:
                        for _ in range(count):
                            group.create_task(client.stocks.get(stock_id))
                        await asyncio.sleep(gap)
            assert sandbox.requests.count(status=429) == 0
            return arrivals(sandbox, Group.STOCKS)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert worst_window(runner.run(arrive()), per) <= calls


async def stocked(client: FulfillmentClient, sandbox: Sandbox) -> str:
    await client.products.create([product(0)])
    sandbox.add_stock("REF-0", quantity=1)
    known = [known async for known in client.products.references()]
    assert known[0].stock_id is not None
    return known[0].stock_id


@pytest.mark.virtual_time
@pytest.mark.parametrize(("calls", "per"), [(5, 1.0), (20, 1.0), (100, 1.0), (100, 10.0)])
async def test_a_limit_is_used_to_at_least_95_percent(calls: int, per: float) -> None:
    now = asyncio.get_running_loop().time
    async with Sandbox(limit=(calls, per), speed=0, monotonic=now) as sandbox:
        async with FulfillmentClient(sandbox.config(limit=Limit(calls, per=per))) as client:
            stock_id = await stocked(client, sandbox)
            until = now() + 6 * per

            async def work() -> None:
                while now() < until:
                    await client.stocks.get(stock_id)

            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(work())
        at = arrivals(sandbox, Group.STOCKS)
    assert sandbox.requests.count(status=429) == 0
    assert worst_window(at, per) <= calls
    assert (len(at) - 1) / (at[-1] - at[0]) >= 0.95 * calls / per


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE, Fault.TRUNCATED, Fault.ERROR_500])
async def test_a_post_whose_answer_was_lost_is_unknown_and_never_sent_again(fault: Fault) -> None:
    async with Sandbox(seed=3, speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        await client.check()
        sandbox.faults.next(fault, operation="outbound.create", times=5)
        async with client.bulk.create_outbound(order(number) for number in range(100)) as run:
            outcomes = [outcome async for outcome in run]
        unknown = {outcome.key for outcome in outcomes if isinstance(outcome, Unknown)}
        created = {outcome.key for outcome in outcomes if isinstance(outcome, Created)}
        assert (len(unknown), len(created)) == (5, 95)
        assert sandbox.requests.count("outbound.create") == 100
        assert all(sandbox.effects.outbound[key] == 1 for key in created)
        assert all(sandbox.effects.outbound[key] <= 1 for key in unknown)


async def test_an_early_expired_token_is_renewed_once_for_all() -> None:
    async with Sandbox(speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        stock_id = await stocked(client, sandbox)
        sandbox.tokens.expire_now()
        await asyncio.gather(*(client.stocks.get(stock_id) for _ in range(40)))
        assert len(sandbox.tokens.issued) == 2


async def test_wrong_credentials_are_one_error_and_one_call() -> None:
    async with Sandbox() as sandbox, FulfillmentClient(sandbox.config(client_secret="wrong")) as client:
        with pytest.raises(AuthenticationError, match="check client_id and client_secret"):
            async with client.bulk.create_outbound(order(number) for number in range(1000)) as run:
                await run.wait()
        assert sandbox.tokens.requests == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("retry_after", ["seconds", "date", None])
async def test_a_throttled_run_waits_and_loses_nothing(retry_after: Any) -> None:
    clock = asyncio.get_running_loop().time
    async with Sandbox(seed=5, limit=(20, 0.2), retry_after=retry_after, speed=0, monotonic=clock) as sandbox:
        async with FulfillmentClient(sandbox.config(backoff_base=0.1)) as client:
            async with client.bulk.create_outbound(order(number) for number in range(60)) as run:
                await run.wait()
            assert client.stats().throttled > 0
        assert run.summary.created == 60
        assert all(sandbox.effects.outbound[f"ORDER-{number}"] == 1 for number in range(60))


async def test_sellers_share_a_token_and_see_only_their_own() -> None:
    async with Sandbox(speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        other = client.seller("98980")
        await asyncio.gather(client.outbound.create(order(1)), other.outbound.create(order(1)))
        assert len(sandbox.tokens.issued) == 1
        assert [shipment.reference async for shipment in client.outbound.list()] == ["ORDER-1"]
        assert sandbox.effects.of("12345").outbound["ORDER-1"] == 1
        assert sandbox.effects.of("98980").outbound["ORDER-1"] == 1


async def test_a_throttled_seller_does_not_slow_another() -> None:
    async with Sandbox(limits={Group.OUTBOUND: (1, 60.0)}, retry_after="seconds", speed=0) as sandbox:
        async with FulfillmentClient(sandbox.config(deadline=5.0)) as client:
            assert await client.outbound.create(order(1))
            with pytest.raises(RateLimitedError) as caught:
                await client.outbound.create(order(2))
            assert caught.value.retry_after is not None
            assert await client.seller("98980").outbound.create(order(3))


async def test_bad_items_stop_nothing_and_are_named() -> None:
    def products() -> list[FulfillmentProduct]:
        wrong = FulfillmentProduct(gtin="4006381333930", seller_product_reference="BAD", title=" ", packaging=BOX)
        return [product(1), wrong, product(2), product(1)]

    async with Sandbox(speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        async with client.bulk.create_products(products()) as run:
            outcomes = [outcome async for outcome in run]
    refused = next(outcome for outcome in outcomes if isinstance(outcome, Refused))
    assert "check digit is 0, should be 1" in refused.message
    assert "title = ' ': is empty" in refused.message
    assert (run.summary.created, run.summary.refused, run.summary.skipped, run.summary.total) == (2, 1, 1, 4)


async def test_nothing_of_a_run_outlives_it() -> None:
    def ours() -> set[str]:
        return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("octoffm_async")}

    async with Sandbox(speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        async with client.bulk.create_outbound(order(number) for number in range(500)) as run:
            async for _ in run:
                assert ours() >= {"octoffm_async bulk run", "octoffm_async bulk worker"}
                break
        assert ours() == set()
        assert run.summary.total == len(run.leftover) + 1


async def test_no_call_and_no_run_of_orders_blocks_the_event_loop() -> None:
    async with Sandbox(speed=0) as sandbox:
        with blockbuster_ctx("octoffm_async"):
            async with FulfillmentClient(sandbox.config()) as client:
                stock_id = await stocked(client, sandbox)
                assert (await client.stocks.get(stock_id)).quantities.available == 1
                async with client.bulk.create_outbound(order(number) for number in range(50)) as run:
                    await run.wait()
                assert run.summary.created == 50
                with pytest.raises(BlockingError):  # the watch is awake: a call-back that sleeps is caught
                    async with client.bulk.create_outbound([order(99)], on_progress=lambda _: time.sleep(0.001)) as run:
                        await run.wait()


@pytest.mark.one_loop
async def test_a_feed_of_changes_ends_with_what_the_sandbox_holds() -> None:
    """2,000 shipments move on at random, some are cancelled, while the feed runs in a loop."""
    rng, view, statuses, scans = random.Random(9), dict[str, object](), defaultdict[str, list[str]](list), 0
    async with Sandbox(seed=9, speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        began = sandbox.clock.now()
        await client.products.create([product(0)])
        sandbox.add_stock("REF-0", quantity=10_000)
        created: list[str] = []

        async def disturb() -> None:
            while scans < 12 or len(created) < 2000:
                batch = range(len(created), min(2000, len(created) + 50))
                async with client.bulk.create_outbound(order(number) for number in batch) as run:
                    created.extend([outcome.id async for outcome in run if isinstance(outcome, Created)])
                for shipment_id in rng.sample(created, 3):
                    try:
                        await client.outbound.request_cancellation(shipment_id)
                    except ConflictError:
                        pass  # it has shipped
                sandbox.clock.advance(rng.random())

        feed = client.changes(began, kinds=["outbound", "stocks"], overlap=2, limit=300)

        async def consume() -> None:
            async for change in feed:
                view[change.id] = change.item
                if isinstance(change.item, OutboundShipment):
                    statuses[change.id].append(str(change.item.status))

        disturbing = asyncio.create_task(disturb())
        while not disturbing.done():
            await consume()
            scans += 1
        await disturbing
        sandbox.clock.advance(86_400)
        await consume()
        held: dict[str, object] = {row.outbound_shipment_id: row async for row in client.outbound.list()}
        held |= {stock.id: stock async for stock in client.stocks.list()}
    assert view == held
    assert len(statuses) == 2000
    assert {history[-1] for history in statuses.values()} == {"Shipped", "Cancelled"}
    on_the_way = {status for history in statuses.values() for status in history[:-1]}
    assert on_the_way == {"Created", "Accepted", "InPreparation"}
