"""What every journal does, in a file or in PostgreSQL: what is written, read and refused."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from octoffm_async.errors import ClosedError, ConfigurationError, JournalError, JournalWriteError
from octoffm_async.journal import (
    LONG_AGO,
    Entry,
    IllegalTransitionError,
    Journal,
    JournalRun,
    State,
    payload_hash,
)

from .conftest import Kind, outgoing

ODD_KEYS = ["", "a", "A", "a ", "é", "e\u0301", "\0", "a\0b", "half \ud800", "half \udcff", "1", "1.0", "x" * 2000]


async def states(journal_run: JournalRun, *keys: str) -> list[State | None]:
    return [entry and entry.state for entry in await journal_run.look_up(keys)]


def near(moment: datetime, low: datetime, high: datetime) -> bool:
    """Whether it lies between two others, but for what it takes to ask another clock."""
    slack = timedelta(seconds=0.1)
    return low - slack <= moment <= high + slack


async def test_an_item_from_its_request_to_its_shipping(journal_run: JournalRun, kind: Kind) -> None:
    before = kind.now()
    await journal_run.mark_sent([outgoing("K")])
    between = kind.now()
    await kind.later()
    journal_run.record_outcome("K", State.CREATED, remote_id="id-1")
    journal_run.record_status("K", "Preparing")
    created, nothing = await journal_run.look_up(["K", "L"])
    assert nothing is None
    assert created == Entry(
        key="K",
        state=State.CREATED,
        payload_hash=payload_hash(b"payload"),
        run=journal_run.run,
        sent_at=created.sent_at,
        changed_at=created.changed_at,
        remote_id="id-1",
        followed="Preparing",
    )
    assert near(created.sent_at, before, between)
    assert created.changed_at - created.sent_at > timedelta(seconds=0.05)
    journal_run.record_outcome("K", State.REFUSED, code="unknownProduct", message="no such product")
    (entry,) = await journal_run.look_up(["K"])
    assert entry is not None
    assert (entry.remote_id, entry.code, entry.message) == ("id-1", "unknownProduct", "no such product")


async def test_any_text_is_a_key_and_comes_back_as_it_was(kind: Kind) -> None:
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S\udcff", operation="o", source="\ud800")
        await journal_run.mark_sent([outgoing(key, key.encode("utf-8", "surrogatepass")) for key in ODD_KEYS])
        for key in ODD_KEYS[::2]:
            journal_run.record_outcome(key, State.FAILED, message=key)
    async with kind.open() as journal:
        again = await journal.begin_run(seller="S\udcff", operation="o")
        entries = await again.look_up(ODD_KEYS)
        assert [entry.key for entry in entries if entry] == ODD_KEYS
        assert [entry.message for entry in entries if entry][::2] == ODD_KEYS[::2]
        assert sorted(entry.key for entry in await again.undecided()) == sorted(ODD_KEYS[1::2])
        assert {
            key: value.decode("utf-8", "surrogatepass") for key, value in (await again.payloads(ODD_KEYS)).items()
        } == {key: key for key in ODD_KEYS}
        assert {entry.key async for entry in journal.entries(journal_run.run)} == set(ODD_KEYS)
        assert (await journal.runs())[0].seller == "S\udcff"


async def test_any_id_of_any_key_is_kept_of_what_was_created(kind: Kind) -> None:
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing(key, repr(key).encode()) for key in ODD_KEYS])
        for key in ODD_KEYS:
            journal_run.record_created(key, None if key == "1" else key)
    async with kind.open() as journal:
        again = await journal.begin_run(seller="S", operation="o")
        entries = await again.look_up(ODD_KEYS)
        found = {entry.key: entry.remote_id for entry in entries if entry and entry.state is State.CREATED}
        assert found == {key: None if key == "1" else key for key in ODD_KEYS}
        for key, entry in zip(ODD_KEYS, entries, strict=True):
            assert entry is not None
            assert entry.payload_hash == payload_hash(repr(key).encode())
        assert await again.payloads(ODD_KEYS) == {}
        (record, _) = await journal.runs()
        assert {state: count for state, count in record.counts.items() if count} == {State.CREATED: len(ODD_KEYS)}


async def test_creations_of_two_sellers_are_kept_apart(journal: Journal) -> None:
    journal_runs = [await journal.begin_run(seller=seller, operation="o") for seller in ("S", "T")]
    for journal_run in journal_runs:
        await journal_run.mark_sent([outgoing(key, f"{journal_run.seller} {key}".encode()) for key in "ab"])
    for key in "ab":
        for journal_run in journal_runs:
            journal_run.record_created(key, f"{journal_run.seller}-{key}")
    for journal_run in journal_runs:
        entries = [entry for entry in await journal_run.look_up("ab") if entry]
        assert [(entry.run, entry.remote_id, entry.payload_hash) for entry in entries] == [
            (journal_run.run, f"{journal_run.seller}-{key}", payload_hash(f"{journal_run.seller} {key}".encode()))
            for key in "ab"
        ]
    assert [record.counts[State.CREATED] for record in await journal.runs()] == [2, 2]


async def test_creations_stay_in_their_order_with_what_else_becomes_of_an_item(journal_run: JournalRun) -> None:
    await journal_run.mark_sent([outgoing(key) for key in "abc"])
    journal_run.record_created("a", "1")
    journal_run.record_outcome("a", State.REFUSED, code="late")
    journal_run.record_outcome("b", State.UNKNOWN)
    journal_run.record_created("b", "2")
    journal_run.record_status("b", "Shipped")
    journal_run.record_created("c", "3")
    await journal_run.flush()
    entries = [entry for entry in await journal_run.look_up("abc") if entry]
    assert [(entry.state, entry.remote_id, entry.followed) for entry in entries] == [
        (State.REFUSED, "1", ""),
        (State.CREATED, "2", "Shipped"),
        (State.CREATED, "3", ""),
    ]


async def test_a_creation_that_cannot_be_is_reported_and_the_others_are_kept(journal_run: JournalRun) -> None:
    await journal_run.mark_sent([outgoing(key) for key in "ab"])
    journal_run.record_created("a", "1")
    journal_run.record_created("nobody", "2")
    journal_run.record_created("a", "3")
    journal_run.record_created("b", "4")
    with pytest.raises(IllegalTransitionError, match="cannot go from"):
        await journal_run.flush()
    await journal_run.flush()
    found = [entry and (entry.state, entry.remote_id) for entry in await journal_run.look_up(["a", "nobody", "b"])]
    assert found == [(State.CREATED, "1"), None, (State.CREATED, "4")]


async def test_a_payload_is_kept_until_its_item_is_created_or_refused(journal_run: JournalRun) -> None:
    ends = [State.PENDING, State.FAILED, State.UNKNOWN, State.CREATED, State.REFUSED]
    await journal_run.mark_sent([outgoing(end, end.encode()) for end in ["left", *ends]])
    for end in ends:
        journal_run.record_outcome(end, end)
    assert await journal_run.payloads(["left", *ends, "nobody"]) == {
        key: key.encode() for key in ("left", "pending", "failed", "unknown")
    }
    assert [entry.key for entry in await journal_run.undecided()] == ["left", "unknown"]


@pytest.mark.parametrize("keys", ["bdf", "fdb", "bf", "adz", "cge", "bcde", "a", "h", "abcdefgh"])
async def test_keys_are_looked_up_whether_they_stand_together_or_apart(journal_run: JournalRun, keys: str) -> None:
    there = "bdefg"
    await journal_run.mark_sent([outgoing(key) for key in there])
    for key in there:
        journal_run.record_outcome(key, State.CREATED, remote_id=f"id-{key}")
    await journal_run.flush()
    entries = await journal_run.look_up(keys)
    assert [entry and entry.remote_id for entry in entries] == [f"id-{key}" if key in there else None for key in keys]


async def test_keys_belong_to_a_seller_and_an_operation(journal: Journal, journal_run: JournalRun) -> None:
    other_seller = await journal.begin_run(seller="S2", operation="outbound.create")
    other_operation = await journal.begin_run(seller="S1", operation="inbound.create")
    await journal_run.mark_sent([outgoing("K")])
    assert await states(other_seller, "K") == await states(other_operation, "K") == [None]
    assert await other_seller.undecided() == []
    await asyncio.gather(*(one.mark_sent([outgoing("K")]) for one in (other_seller, other_operation)))
    other_seller.record_outcome("K", State.CREATED)
    assert await states(journal_run, "K") == await states(other_operation, "K") == [State.SENT]
    assert await states(other_seller, "K") == [State.CREATED]


async def test_a_second_run_sees_what_the_first_left_and_takes_over_what_it_sends(journal: Journal) -> None:
    first = await journal.begin_run(seller="S", operation="o")
    await first.mark_sent([outgoing(key) for key in "abc"])
    first.record_outcome("a", State.FAILED)
    first.record_outcome("b", State.UNKNOWN, message="no answer")
    second = await journal.begin_run(seller="S", operation="o")
    assert [(entry.key, entry.run, entry.message) for entry in await second.undecided()] == [
        ("b", first.run, "no answer"),
        ("c", first.run, ""),
    ]
    await second.mark_sent([outgoing("a")])
    second.record_outcome("a", State.CREATED)
    second.record_outcome("c", State.CREATED)
    await second.flush()
    counts = {record.id: {state: n for state, n in record.counts.items() if n} for record in await journal.runs()}
    assert counts == {first.run: {State.UNKNOWN: 1, State.CREATED: 1}, second.run: {State.CREATED: 1}}
    assert [entry.key async for entry in journal.entries(second.run)] == ["a"]
    assert [entry.key async for entry in journal.entries(first.run, State.UNKNOWN)] == ["b"]
    assert [entry.key async for entry in journal.entries(first.run, [State.UNKNOWN, State.CREATED])] == ["b", "c"]


async def test_the_time_of_the_first_undecided_request_is_kept(journal_run: JournalRun, kind: Kind) -> None:
    await journal_run.mark_sent([outgoing("unknown"), outgoing("failed")])
    journal_run.record_outcome("unknown", State.UNKNOWN)
    journal_run.record_outcome("failed", State.FAILED)
    await journal_run.flush()
    (first,) = await journal_run.look_up(["unknown"])
    assert first is not None
    await kind.later()
    await journal_run.mark_sent([outgoing("unknown"), outgoing("failed")])
    unknown, failed = await journal_run.look_up(["unknown", "failed"])
    assert unknown is not None
    assert failed is not None
    assert abs(unknown.sent_at - first.sent_at) < timedelta(seconds=0.05)
    assert failed.sent_at - first.sent_at > timedelta(seconds=0.05)
    assert unknown.changed_at == failed.changed_at
    assert abs(failed.changed_at - failed.sent_at) < timedelta(seconds=0.05)


@pytest.mark.parametrize("forgotten", [False, True])
async def test_an_illegal_request_writes_none_of_its_items(kind: Kind, forgotten: bool) -> None:
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing("done"), outgoing("refused")])
        journal_run.record_outcome("done", State.CREATED)
        journal_run.record_outcome("refused", State.REFUSED)
        await journal_run.flush()
        for wrong in (["done"], ["refused"], ["twice", "twice"]):
            with pytest.raises(IllegalTransitionError, match=wrong[0]):
                await journal_run.mark_sent([outgoing("new"), *map(outgoing, wrong)])
        await journal_run.mark_sent([outgoing("refused", b"corrected")])
        assert await states(journal_run, "done", "refused", "new", "twice") == [State.CREATED, State.SENT, None, None]


async def test_an_illegal_settling_is_reported_once_by_its_own_flush_and_hinders_nothing_else(
    journal: Journal, journal_run: JournalRun
) -> None:
    other = await journal.begin_run(seller="S2", operation="o")
    await journal_run.mark_sent([outgoing("K"), outgoing("L")])
    journal_run.record_outcome("K", State.CREATED)
    journal_run.record_outcome("K", State.FAILED)
    journal_run.record_outcome("nobody", State.CREATED)
    journal_run.record_outcome("L", State.SENT)
    journal_run.record_outcome("L", State.REFUSED)
    await other.flush()
    with pytest.raises(IllegalTransitionError, match="'K' cannot go from created to failed"):
        await journal_run.flush()
    await journal_run.flush()
    assert await states(journal_run, "K", "L", "nobody") == [State.CREATED, State.REFUSED, None]


async def test_a_mistake_that_no_flush_reported_is_reported_at_the_end(kind: Kind) -> None:
    with pytest.raises(IllegalTransitionError, match="'K' cannot go from nothing to created"):
        async with kind.open() as journal:
            (await journal.begin_run(seller="S", operation="o")).record_outcome("K", State.CREATED)


async def test_leaving_writes_what_is_queued(kind: Kind) -> None:
    async with kind.open() as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing(str(number)) for number in range(500)])
        for number in range(500):
            journal_run.record_outcome(str(number), State.CREATED)
    async with kind.open(read_only=True) as journal:
        assert (await journal.runs())[0].counts[State.CREATED] == 500


async def test_what_may_have_been_sent_before_is_looked_for_from_then_on(journal_run: JournalRun) -> None:
    await journal_run.mark_sent([outgoing("F"), outgoing("U")])
    journal_run.record_outcome("F", State.FAILED)
    journal_run.record_outcome("U", State.UNKNOWN)
    await journal_run.flush()
    await asyncio.gather(
        journal_run.mark_sent([outgoing("F"), outgoing("N")], first_at=LONG_AGO), journal_run.mark_sent([outgoing("M")])
    )
    await journal_run.mark_sent([outgoing("U")], first_at=LONG_AGO)
    entries = {entry.key: entry for entry in await journal_run.undecided()}
    assert set(entries) == {"F", "M", "N", "U"}
    assert {key for key, entry in entries.items() if near(entry.sent_at, LONG_AGO, LONG_AGO)} == {"F", "N", "U"}
    journal_run.record_outcome("N", State.UNKNOWN)
    journal_run.record_outcome("F", State.PENDING)
    (unknown, pending) = await journal_run.look_up(["N", "F"])
    assert unknown is not None
    assert near(unknown.sent_at, LONG_AGO, LONG_AGO)
    await journal_run.mark_sent([outgoing("F")])
    (sent,) = await journal_run.look_up(["F"])
    assert pending is not None
    assert sent is not None
    assert sent.sent_at > LONG_AGO + timedelta(days=1)
    with pytest.raises(IllegalTransitionError):
        await journal_run.mark_sent([outgoing("M"), outgoing("Z")], first_at=LONG_AGO)
    assert await states(journal_run, "Z") == [None]


async def test_what_is_followed(journal: Journal, journal_run: JournalRun) -> None:
    keys = [f"{number:04}" for number in range(1203)]
    for start in range(0, len(keys), 1000):
        await journal_run.mark_sent([outgoing(key) for key in keys[start : start + 1000]])
    for key in keys[:-1]:
        journal_run.record_outcome(key, State.CREATED)
    for key in keys[::2]:
        journal_run.record_status(key, "Shipped")
    journal_run.record_status("nobody", "Shipped")
    seen = {entry.key: entry.followed async for entry in journal.entries(journal_run.run, State.CREATED)}
    assert list(seen) == keys[:-1]
    assert [key for key, status in seen.items() if status == "Shipped"] == keys[:-1:2]
    assert set(seen.values()) == {"Shipped", ""}


async def test_a_run_is_begun_finished_and_gone_on_with(journal: Journal, journal_run: JournalRun, kind: Kind) -> None:
    assert journal_run.run[:16] in {f"{kind.now() - timedelta(seconds=ago):%Y%m%d-%H%M%S}-" for ago in range(5)}
    await journal_run.mark_sent([outgoing("K")])
    journal_run.record_outcome("K", State.CREATED)
    await kind.later()
    await journal_run.finish()
    (record,) = await journal.runs()
    assert (record.id, record.seller, record.operation, record.source) == (
        journal_run.run,
        "S1",
        "outbound.create",
        "orders.csv",
    )
    assert record.finished_at is not None
    assert (record.finished_at - record.started_at).total_seconds() > 0.05
    again = await journal.begin_run(seller="S1", operation="outbound.create", run=journal_run.run)
    assert again.run == journal_run.run
    assert (await journal.runs())[0].finished_at is None
    for seller, operation, run in (
        ("S2", "outbound.create", journal_run.run),
        ("S1", "x", journal_run.run),
        ("S1", "x", "\udcff"),
    ):
        with pytest.raises(ConfigurationError, match="run"):
            await journal.begin_run(seller=seller, operation=operation, run=run)
    assert len(await journal.runs()) == 1


async def test_a_run_is_forgotten_with_its_items_and_no_others(journal: Journal, journal_run: JournalRun) -> None:
    kept = await journal.begin_run(seller="S1", operation="outbound.create")
    await kept.mark_sent([outgoing("kept")])
    for start in range(0, 4500, 900):
        await journal_run.mark_sent([outgoing(str(number)) for number in range(start, start + 900)])
    for number in range(1, 4500):
        journal_run.record_outcome(str(number), State.CREATED)
    with pytest.raises(JournalError, match="under way in this process"):
        await journal.forget(journal_run.run)
    await journal_run.finish()
    with pytest.raises(JournalError, match="1 undecided items"):
        await journal.forget(journal_run.run)
    assert len([entry async for entry in journal.entries(journal_run.run)]) == 4500
    assert await journal.forget(journal_run.run, force=True) == 4500
    assert [record.id for record in await journal.runs()] == [kept.run]
    assert await states(kept, "kept", "0", "4499") == [State.SENT, None, None]
    assert await kept.payloads(["kept", "0"]) == {"kept": b"payload"}
    with pytest.raises(ConfigurationError, match="no run"):
        await journal.forget(journal_run.run)
    with pytest.raises(ConfigurationError, match="no run"):
        await anext(journal.entries(journal_run.run))


async def test_readers_read_while_a_writer_writes_and_write_nothing(kind: Kind, journal_run: JournalRun) -> None:
    async with kind.open(read_only=True) as reader:
        for number in range(3):
            await journal_run.mark_sent([outgoing(str(number))])
            assert [entry.key async for entry in reader.entries(journal_run.run)] == [str(n) for n in range(number + 1)]
        with pytest.raises(JournalWriteError, match="reading only"):
            await reader.begin_run(seller="S", operation="o")
        with pytest.raises(JournalWriteError, match="reading only"):
            await reader.forget(journal_run.run)


async def test_a_cancelled_waiter_leaves_all_consistent(journal_run: JournalRun) -> None:
    tasks = [
        asyncio.create_task(journal_run.mark_sent([outgoing(f"{number}-{part}") for part in "ab"]))
        for number in range(40)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(end is None for end in ends[1::2])
    for number in range(40):
        both = await states(journal_run, f"{number}-a", f"{number}-b")
        assert both in ([[State.SENT] * 2] if number % 2 else [[State.SENT] * 2, [None] * 2])


async def test_a_closing_that_is_cancelled_still_writes_all(kind: Kind) -> None:
    async def write() -> None:
        async with kind.open() as journal:
            journal_run = await journal.begin_run(seller="S", operation="o")
            await journal_run.mark_sent([outgoing(str(number)) for number in range(900)])
            for number in range(900):
                journal_run.record_outcome(str(number), State.CREATED)
            asyncio.get_running_loop().call_soon(task.cancel)

    task = asyncio.create_task(write())
    with pytest.raises(asyncio.CancelledError):
        await task
    async with kind.open() as journal:
        assert (await journal.runs())[0].counts[State.CREATED] == 900


async def test_a_journal_that_is_not_open_says_so(kind: Kind) -> None:
    journal = kind.open()
    with pytest.raises(ClosedError):
        await journal.runs()
    async with journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        with pytest.raises(ConfigurationError, match="already entered"):
            async with journal:
                pass
        with pytest.raises(ClosedError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, journal_run.flush())
    for call in (lambda: journal_run.record_outcome("K", State.CREATED), lambda: journal_run.record_status("K", "x")):
        with pytest.raises(ClosedError):
            call()
    with pytest.raises(ClosedError):
        await journal_run.mark_sent([outgoing("K")])
    async with journal:
        assert len(await journal.runs()) == 1
