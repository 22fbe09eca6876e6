"""Runs with a journal: nothing is sent twice and nothing is lost, over real HTTP and a real file."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from octoffm_async import ConfigurationError, Created, Failed, FulfillmentClient, Outcome, Refused, Skipped, Unknown
from octoffm_async.bulk.durable.job import JournaledJob
from octoffm_async.bulk.durable.settings import outgoing_items_of
from octoffm_async.errors import ClosedError, ConnectionLostError, JournalWriteError
from octoffm_async.journal import Journal, State, payload_hash
from octoffm_async.journal.sqlite.journal import SQLiteJournalRun
from octoffm_async.sandbox import Fault, Sandbox, Timeline
from tests.support.fakes import Answer, FakeTransport, Sent, answer, config
from tests.support.items import order, orders, posted, product, serving
from tests.unit.test_operations import supply


async def done(run: Any) -> dict[str, Outcome]:
    async with run:
        return {outcome.key: outcome async for outcome in run}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


async def test_a_second_run_sends_nothing_and_knows_all(path: Path) -> None:
    async with serving() as (sandbox, client):
        first = await done(client.bulk.create_outbound(orders(300), journal=path))
        calls = sandbox.requests.count("outbound.create")
        second = await done(client.bulk.create_outbound(orders(301), journal=path))
        assert sandbox.requests.count("outbound.create") == calls + 1
    assert {type(outcome) for outcome in first.values()} == {Created}
    assert isinstance(second.pop("O-300"), Created)
    assert {key: outcome.earlier for key, outcome in second.items() if isinstance(outcome, Skipped)} == first


@pytest.mark.parametrize(("in_thread", "asked_after"), [(True, [0, 0, 15, 15, 31]), (False, [0, 0, 11, 11, 27])])
async def test_a_thread_is_asked_about_the_next_items_when_none_are_left_another_journal_before(
    path: Path, in_thread: bool, asked_after: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    decided_before: list[int] = []
    screen = JournaledJob.screen

    async def spy(job: JournaledJob[Any], items: list[Any], prints: list[bytes]) -> Any:
        decided_before.append(run.summary.total)
        return await screen(job, items, prints)

    monkeypatch.setattr(JournaledJob, "screen", spy)
    monkeypatch.setattr(JournaledJob, "look_ahead", 8)
    monkeypatch.setattr(SQLiteJournalRun, "in_thread", in_thread)
    async with serving() as (_, client), client.bulk.create_outbound(orders(40), journal=path, concurrency=1) as run:
        await run.wait()
    assert decided_before == asked_after  # the last one taken is still under way


@pytest.mark.parametrize("error", [JournalWriteError("the disk is full"), ClosedError("closed"), ValueError("odd")])
async def test_an_order_whose_creation_cannot_be_noted_is_unknown_and_not_sent_again(
    path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[str] = []

    def settle(journal_run: SQLiteJournalRun, key: str, remote_id: str | None) -> None:
        settled.append(key)
        raise error

    async with serving() as (sandbox, client), Journal.open(path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteJournalRun, "record_created", settle)
            run = client.bulk.create_outbound(orders(3), journal=journal, concurrency=1)
            with pytest.raises(type(error)):
                async with run:
                    await run.wait()
        assert settled == ["O-0"]
        assert (run.summary.unknown, run.summary.skipped, run.summary.created) == (1, 2, 0)
        outcomes = await done(client.bulk.create_outbound(orders(3), journal=journal))
        assert {type(outcome) for outcome in outcomes.values()} == {Created}
        assert sandbox.effects.outbound == {"O-0": 1, "O-1": 1, "O-2": 1}


async def test_an_order_whose_lost_answer_cannot_be_noted_is_unknown_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(*_: Any, **__: Any) -> None:
        raise ClosedError("closed")

    async with serving() as (sandbox, client), Journal.open(path) as journal:
        sandbox.faults.next(Fault.RESET_AFTER, operation="outbound.create")
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteJournalRun, "record_outcome", settle)
            run = client.bulk.create_outbound(orders(1), journal=journal)
            with pytest.raises(ClosedError):
                async with run:
                    await run.wait()
        assert (run.summary.unknown, run.summary.total) == (1, 1)
        assert sandbox.effects.outbound == {"O-0": 1}


async def test_no_request_is_kept_of_what_was_sent_again_or_not_at_all(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        journal_run = await journal.begin_run(seller=sandbox.config().seller_id, operation="outbound.create")
        await journal_run.mark_sent(outgoing_items_of([item.reference for item in orders(20)], orders(20)))
        again = client.bulk.create_outbound(orders(20), journal=journal, patience=0.0)
        assert {type(outcome) for outcome in (await done(again)).values()} == {Created}
        stopped = client.bulk.create_outbound((order(f"N-{number}") for number in range(600)), journal=journal)
        async with stopped:
            async for _ in stopped:
                break
        assert stopped.summary.skipped > 100
        for run in (again, stopped):
            job = run._job
            assert isinstance(job, JournaledJob)
            assert job._encoded == {}


async def test_another_payload_under_a_used_key_is_refused_with_both_hashes(path: Path) -> None:
    async with serving() as (sandbox, client):
        await done(client.bulk.create_outbound([order("O-1")], journal=path))
        outcomes = await done(client.bulk.create_outbound([order("O-1", quantity=2)], journal=path))
        assert sandbox.effects.outbound["O-1"] == 1
    refused = outcomes["O-1"]
    assert isinstance(refused, Refused)
    assert refused.code == "PayloadChanged"
    assert refused.message.count("hash") == 1
    assert len([word for word in refused.message.replace(",", " ").replace(")", " ").split() if len(word) == 32]) == 2


async def test_a_refused_item_is_not_sent_again_unless_it_was_corrected(path: Path) -> None:
    async with serving() as (sandbox, client):
        wrong = order("O" * 51)  # the sandbox refuses more than 50 characters, the client does not
        assert isinstance((await done(client.bulk.create_outbound([wrong], journal=path)))["O" * 51], Refused)
        again = (await done(client.bulk.create_outbound([wrong], journal=path)))["O" * 51]
        assert isinstance(again, Skipped)
        assert isinstance(again.earlier, Refused)
        assert sandbox.requests.count("outbound.create") == 1


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE, Fault.ERROR_500, Fault.TRUNCATED])
async def test_lost_answers_are_reconciled_and_every_order_exists_once(path: Path, fault: Fault) -> None:
    later = Timeline(accepted=3600, in_preparation=3601, shipped=3602)
    async with serving(speed=1, timeline=later) as (sandbox, client):  # a list whose Date stands is taken for a copy
        await client.check()
        sandbox.faults.next(fault, operation="outbound.create", times=7)
        outcomes = await done(client.bulk.create_outbound(orders(100), journal=path, patience=0.3))
    assert {type(outcome) for outcome in outcomes.values()} == {Created}
    assert all(sandbox.effects.outbound[f"O-{number}"] == 1 for number in range(100))


async def test_a_creation_that_becomes_visible_late_is_not_sent_again(path: Path) -> None:
    async with Sandbox() as sandbox, FulfillmentClient(sandbox.config()) as client:
        await client.check()
        sandbox.faults.next(Fault.RESET_AFTER, operation="outbound.create", times=3)
        sandbox.faults.set_rates({Fault.LATE_VISIBILITY: (1.0, 0.8)}, operations=["outbound.create"])
        outcomes = await done(client.bulk.create_outbound(orders(10), journal=path, patience=2.0))
    assert {type(outcome) for outcome in outcomes.values()} == {Created}
    assert set(sandbox.effects.outbound.values()) == {1}


async def test_products_and_supply_orders_are_protected_as_well(path: Path) -> None:
    async with serving() as (sandbox, client):
        await client.check()
        sandbox.faults.next(Fault.RESET_AFTER, operation="products.create")
        products = await done(client.bulk.create_products((product(n) for n in range(150)), journal=path, patience=0.2))
        sandbox.faults.next(Fault.RESET_AFTER, operation="inbound.create", times=2)
        supplies = [supply(f"IN-{number}", "P-1") for number in range(20)]
        inbound = await done(client.bulk.create_inbound(supplies, journal=path, patience=0.2))
        calls = sandbox.requests.count("products.create")
        again = await done(client.bulk.create_products((product(n) for n in range(150)), journal=path))
        assert sandbox.requests.count("products.create") == calls
    assert {type(outcome) for outcome in (*products.values(), *inbound.values())} == {Created}
    assert {type(outcome) for outcome in again.values()} == {Skipped}
    assert set(sandbox.effects.products.values()) == set(sandbox.effects.inbound.values()) == {1}


async def test_an_order_leaves_as_it_was_written_down(path: Path) -> None:
    transport = FakeTransport(lambda _: answer(201, {"outboundShipmentId": "S-1"}))
    async with FulfillmentClient(config(), transport=transport) as client:
        await done(client.bulk.create_outbound(orders(20), journal=path))
    sent = {posted(call)[0]: payload_hash(call.body) for call in transport.sent if call.body is not None}
    async with Journal.open(path, read_only=True) as journal:
        (run,) = await journal.runs()
        written = {entry.key: entry.payload_hash async for entry in journal.entries(run.id)}
    assert sent == written
    assert len(sent) == 20


async def test_an_expected_delivery_leaves_in_utc_however_it_is_written_down(path: Path) -> None:
    local = datetime(2026, 8, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    request = msgspec.structs.replace(supply("IN-1", "P-1"), expected_delivery_date=local)
    transport = FakeTransport(lambda _: answer(201, {"inboundShipmentId": "S-1"}))
    async with FulfillmentClient(config(), transport=transport) as client:
        await done(client.bulk.create_inbound([request], journal=path))
    (body,) = [call.body for call in transport.sent if call.body is not None]
    assert msgspec.json.decode(body)["expectedDeliveryDate"] == "2026-07-31T23:00:00Z"


async def test_a_run_that_is_cancelled_is_resumed(path: Path) -> None:
    async with serving() as (sandbox, client):
        sandbox.faults.set_rates({Fault.LATENCY: (1.0, 0.01)}, operations=["outbound.create"])
        taken: list[Outcome] = []

        async def use() -> None:
            async with client.bulk.create_outbound(orders(400), journal=path, drain=0.0) as run:
                taken.extend([outcome async for outcome in run])

        for _ in range(4):
            task, before = asyncio.create_task(use()), sandbox.effects.outbound.total()
            while sandbox.effects.outbound.total() < before + 20:  # noqa: ASYNC110  (the sandbox has no event for it)
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
        sandbox.faults.clear()
        for _ in range(5):  # a busy machine may be too late for a proof: the next run gives it
            outcomes = await done(client.bulk.create_outbound(orders(400), journal=path, patience=0.3))
            if not any(isinstance(outcome, Unknown) for outcome in outcomes.values()):
                break
        assert all(sandbox.effects.outbound[f"O-{number}"] == 1 for number in range(400))
    assert {type(outcome) for outcome in outcomes.values()} <= {Created, Skipped}
    assert len(outcomes) == 400


async def test_what_cannot_be_looked_for_stays_unknown_unless_requested_otherwise(path: Path) -> None:
    async with serving() as (sandbox, client):
        quick = client.with_options(retries=0)
        sandbox.faults.set_rates({Fault.ERROR_500: 1.0}, operations=["outbound.list"])
        sandbox.faults.next(Fault.RESET_BEFORE, operation="outbound.create", times=2)
        outcomes = await done(quick.bulk.create_outbound(orders(2), journal=path, patience=0.1))
        assert {type(outcome) for outcome in outcomes.values()} == {Unknown}
        outcomes = await done(quick.bulk.create_outbound(orders(2), journal=path, patience=0.1))
        assert {type(outcome) for outcome in outcomes.values()} == {Unknown}
        assert sandbox.effects.outbound.total() == 0
        again = quick.bulk.create_outbound(orders(2), journal=path, patience=0.1, resend_unknown=True)
        assert {type(outcome) for outcome in (await done(again)).values()} == {Created}
        assert sandbox.effects.outbound.total() == 2


async def test_a_journal_may_be_shared_by_runs_and_stays_open(path: Path) -> None:
    async with serving() as (_, client), Journal.open(path) as journal:
        await asyncio.gather(
            done(client.bulk.create_outbound(orders(50), journal=journal)),
            done(client.bulk.create_outbound((order(f"X-{n}") for n in range(50)), journal=journal)),
            done(client.seller("98980").bulk.create_outbound(orders(50), journal=journal)),
        )
        runs = await journal.runs()
    assert [run.counts[State.CREATED] for run in runs] == [50, 50, 50]
    assert all(run.finished_at is not None for run in runs)


async def test_wrong_credentials_leave_everything_to_be_sent(path: Path) -> None:
    async with Sandbox(speed=0) as sandbox:
        async with FulfillmentClient(sandbox.config(client_secret="wrong")) as client:
            run = client.bulk.create_outbound(orders(10), journal=path)
            with pytest.raises(Exception, match="check client_id"):
                await done(run)
            assert {type(outcome) for outcome in run.leftover} <= {Failed, Skipped}
        async with FulfillmentClient(sandbox.config()) as client:
            outcomes = await done(client.bulk.create_outbound(orders(10), journal=path))
    assert {type(outcome) for outcome in outcomes.values()} == {Created}


class Nameless:
    """An API whose list tells no references; the answers to its first ``lost`` creations are lost."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.made: list[str] = []
        self.nameless = True

    def __call__(self, sent: Sent) -> Answer:
        if sent.method == "POST":
            self.made += posted(sent)
            if len(self.made) <= self.lost:
                return ConnectionLostError("the connection broke")
            return answer(201, {"outboundShipmentId": f"S-{len(self.made)}"})
        named = [{} if self.nameless else {"reference": reference} for reference in self.made]
        return answer(200, {"items": [{"outboundShipmentId": f"S-{n}"} | row for n, row in enumerate(named, start=1)]})


async def test_rows_without_a_reference_are_no_proof_that_an_order_is_absent(path: Path, caplog: Any) -> None:
    remote = Nameless(lost=1)
    async with FulfillmentClient(config(max_attempts=1), transport=FakeTransport(remote), hooks=()) as client:
        for _ in range(2):
            outcomes = await done(client.bulk.create_outbound([order("A"), order("B")], journal=path, patience=0.05))
            assert isinstance(outcomes["A"], Unknown)
            assert "reference cannot be read" in outcomes["A"].reason
            assert isinstance(outcomes["B"], Created | Skipped)
        assert remote.made == ["A", "B"]
        assert "the absence of 1 items is not proven" in caplog.text
        remote.nameless = False  # the list is mended: it is found
        outcomes = await done(client.bulk.create_outbound([order("A"), order("B")], journal=path, patience=0.05))
        assert outcomes["A"] == Created(key="A", id="S-1")
        assert remote.made == ["A", "B"]


async def test_the_summary_counts_what_is_being_looked_up(path: Path) -> None:
    remote, seen = Nameless(lost=2), list[int]()
    remote.nameless = False

    def watched(sent: Sent) -> Answer:
        if sent.method == "GET":
            seen.append(run.summary.looking_up)
        return remote(sent)

    async with FulfillmentClient(config(max_attempts=1), transport=FakeTransport(watched), hooks=()) as client:
        run = client.bulk.create_outbound([order("A"), order("B"), order("C")], journal=path, patience=0)
        outcomes = await done(run)
    assert {type(outcome) for outcome in outcomes.values()} == {Created}
    assert seen[-1] == 2
    assert (run.summary.looking_up, run.summary.following) == (0, 0)


async def test_a_run_that_goes_on_without_its_input_sends_nothing_that_is_in_doubt(path: Path) -> None:
    remote = Nameless(lost=1)
    async with FulfillmentClient(config(max_attempts=1), transport=FakeTransport(remote), hooks=()) as client:
        async with client.bulk.create_outbound([order("A")], journal=path, patience=0.05) as run:
            await run.wait()
        async with Journal.open(path) as journal:
            (record,) = await journal.runs()
            outcomes = await done(client.bulk.resume(journal, record.id, patience=0.05))
    assert isinstance(outcomes["A"], Unknown)
    assert remote.made == ["A"]


async def test_what_is_in_doubt_is_sent_again_if_the_user_says_so(path: Path) -> None:
    remote = Nameless(lost=1)
    async with FulfillmentClient(config(max_attempts=1), transport=FakeTransport(remote), hooks=()) as client:
        run = client.bulk.create_outbound([order("A")], journal=path, patience=0.05, resend_unknown=True)
        assert await done(run) == {"A": Created(key="A", id="S-2")}
    assert remote.made == ["A", "A"]


async def stocked(client: FulfillmentClient, sandbox: Sandbox) -> None:
    await client.products.create([product(0)])
    sandbox.add_stock("P-0", quantity=10_000)


async def follow(client: FulfillmentClient, sandbox: Sandbox, run: Any, seconds: float = 20.0) -> dict[str, Outcome]:
    """The outcomes of a run that follows its orders, while the sandbox's time goes on."""

    async def pass_time() -> None:
        while True:
            await asyncio.sleep(0.05)
            sandbox.clock.advance(seconds)

    passing = asyncio.create_task(pass_time())
    try:
        return await done(run)
    finally:
        passing.cancel()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octoffm_async.bulk.durable.status_tracking.FIRST_PAUSE", 0.05)


async def test_following_distinguishes_late_refusals_from_what_was_shipped(path: Path, quick: None) -> None:
    async with serving() as (sandbox, client):
        await stocked(client, sandbox)
        mixed = [order(f"O-{n}", product="NOBODY" if n % 10 == 3 else "P-0") for n in range(100)]
        run = client.bulk.create_outbound(mixed, journal=path, follow="shipped", with_items=True)
        outcomes = await follow(client, sandbox, run)
        assert all(outcomes[item.reference].item is item for item in mixed)
        assert sandbox.requests.count("outbound.get") == 0
        lists = sandbox.requests.count("outbound.list")
        again = await done(client.bulk.create_outbound(mixed, journal=path, follow="shipped"))
        assert sandbox.requests.count("outbound.list") == lists
    refused = {key for key, outcome in outcomes.items() if isinstance(outcome, Refused)}
    assert refused == {f"O-{n}" for n in range(100) if n % 10 == 3}
    assert {outcome.code for outcome in outcomes.values() if isinstance(outcome, Refused)} == {"UnknownProduct"}
    assert {type(outcome) for outcome in again.values()} == {Skipped}
    assert {key for key, outcome in again.items() if isinstance(outcome.earlier, Refused)} == refused


async def test_following_can_be_broken_off_and_resumed(path: Path, quick: None) -> None:
    async with serving() as (sandbox, client):
        await stocked(client, sandbox)
        run = client.bulk.create_outbound(orders(50), journal=path, follow="accepted", drain=5.0)
        async with run:
            reading = asyncio.create_task(run.wait())
            while sandbox.effects.outbound.total() < 50:  # noqa: ASYNC110  (the sandbox has no event for it)
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            run.stop()
            summary = await reading
        assert (summary.created, summary.total) == (50, 50)
        assert {
            key: type(o)
            for key, o in (
                await follow(client, sandbox, client.bulk.create_outbound(orders(50), journal=path, follow="accepted"))
            ).items()
        } == {f"O-{n}": Created for n in range(50)}
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_what_following_gives_up_is_unknown_and_followed_again_by_the_next_run(path: Path, quick: None) -> None:
    status = "Delivered"

    def script(sent: Sent) -> Answer:
        if sent.method == "POST":
            return answer(201, {"outboundShipmentId": "S-1"})
        return answer(200, {"items": [{"outboundShipmentId": "S-1", "reference": "A", "status": status}]})

    transport = FakeTransport(script)
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        run = client.bulk.create_outbound([order("A")], journal=path, follow="shipped", follow_for=0.2)
        (outcome,) = (await done(run)).values()
        assert isinstance(outcome, Unknown)
        assert all(part in outcome.reason for part in ("created as S-1", "'Delivered'", "Shipped"))
        assert run.summary.unknown == 1
        status = "Shipped"
        again = await done(client.bulk.create_outbound([order("A")], journal=path, follow="shipped"))
        assert again == {"A": Created(key="A", id="S-1")}
    assert len([sent for sent in transport.sent if sent.method == "POST"]) == 1


async def test_a_goal_needs_a_journal_and_must_be_one(path: Path) -> None:
    async with serving() as (_, client):
        with pytest.raises(ConfigurationError, match="needs a journal"):
            client.bulk.create_outbound([], follow="shipped")
        with pytest.raises(ConfigurationError, match="follow must be one of"):
            client.bulk.create_outbound([], journal=path, follow="delivered")  # type: ignore[arg-type]
