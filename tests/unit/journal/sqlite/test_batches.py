"""Items that were sent together share a row until they are settled: whatever happens between, each has its one state.

The state machine sends, settles, forgets and crashes for two sellers in one journal, and compares what a writer and a
reader see with its model after each of it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from octoffm_async.journal import IllegalTransitionError, SQLiteJournal, State, payload_hash
from octoffm_async.journal.sqlite import engine as module
from octoffm_async.journal.sqlite.batches import UnsettledBatches
from octoffm_async.journal.sqlite.journal import SQLiteJournalRun
from octoffm_async.journal.states import KEEPS_PAYLOAD, LEGAL
from tests.support.items import IN_MEMORY
from tests.unit.sizes import tries

from ..conftest import outgoing

pytestmark = pytest.mark.one_loop

T = TypeVar("T")

SELLERS = ("S", "T")
KEYS = ("", "a", "b", "c\udcff", "d", "e")
PAYLOADS = (b"one", b"two")
OUTGOING_ITEMS = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(PAYLOADS)), min_size=1, max_size=6)
SETTLED = st.sampled_from([state for state in State if state is not State.SENT])


def copy_as_it_is(path: Path, to: Path) -> None:
    """The file as a crash leaves it."""
    for end in ("", "-wal"):
        if Path(f"{path}{end}").exists():
            shutil.copy(f"{path}{end}", f"{to}{end}")


async def rows_of(journal: SQLiteJournal, table: str) -> int:
    sql = f"SELECT count(*) FROM {table}"  # noqa: S608
    return int((await journal._writer.call(lambda store: store.connection.execute(sql).fetchone()))[0])


class Sharing(RuleBasedStateMachine):
    """Two runs of one journal and their model: by seller and key, the state, the payload and the run."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        self.lives = 0
        self.journals: list[SQLiteJournal] = []
        self.journal_runs: list[SQLiteJournalRun] = []
        self.model: dict[tuple[int, str], tuple[State, bytes, str]] = {}
        self.most = module._UNSETTLED_MOST

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(what, 10))

    @property
    def path(self) -> Path:
        return self.folder / f"{self.lives}.sqlite"

    @initialize(most=st.sampled_from([1, 3, module._UNSETTLED_MOST]))
    def begin(self, most: int) -> None:
        module._UNSETTLED_MOST = most
        self.open()

    def open(self) -> None:
        self.journal = SQLiteJournal(self.path)
        self.do(self.journal.__aenter__())
        self.journals.append(self.journal)
        self.journal_runs = [self.do(self.journal.begin_run(seller=seller, operation="o")) for seller in SELLERS]
        for journal_run in self.journal_runs:
            self.do(journal_run.undecided())  # takes over what the last process left

    def may_send(self, seller: int, items: list[tuple[str, bytes]]) -> bool:
        for key, payload in items:
            state, before, _ = self.model.get((seller, key), (None, b"", ""))
            if State.SENT not in LEGAL[state] or (state is State.REFUSED and payload == before):
                return False
        return len({key for key, _ in items}) == len(items)

    @rule(seller=st.sampled_from([0, 1]), items=OUTGOING_ITEMS)
    def send(self, seller: int, items: list[tuple[str, bytes]]) -> None:
        journal_run = self.journal_runs[seller]
        sent = journal_run.mark_sent([outgoing(key, payload) for key, payload in items])
        if self.may_send(seller, items):
            self.do(sent)
            self.model |= {(seller, key): (State.SENT, payload, journal_run.run) for key, payload in items}
        else:
            with pytest.raises(IllegalTransitionError):
                self.do(sent)

    @rule(seller=st.sampled_from([0, 1]), key=st.sampled_from(KEYS), state=SETTLED, durable=st.booleans())
    def settle(self, seller: int, key: str, state: State, durable: bool) -> None:
        before, payload, run = self.model.get((seller, key), (None, b"", ""))
        if before is not None and state in LEGAL[before]:
            if state is State.CREATED:
                self.journal_runs[seller].record_created(key, "id")
            else:
                self.journal_runs[seller].record_outcome(key, state)
            self.model[seller, key] = (state, payload, run)
            if durable:
                self.do(self.journal_runs[seller].flush())

    @rule(seller=st.sampled_from([0, 1]))
    def settle_all_that_is_sent(self, seller: int) -> None:
        for (whose, key), (state, payload, run) in self.model.items():
            if whose == seller and state is State.SENT:
                self.journal_runs[seller].record_outcome(key, State.CREATED, remote_id="id")
                self.model[whose, key] = (State.CREATED, payload, run)

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 9))
    def forget(self, number: int) -> None:
        live = {journal_run.run for journal_run in self.journal_runs}
        past = [record.id for record in self.do(self.journal.runs()) if record.id not in live]
        if past:
            run = past[number % len(past)]
            gone = [item_key for item_key, (_, _, sender) in self.model.items() if sender == run]
            assert self.do(self.journal.forget(run, force=True)) == len(gone)
            for item_key in gone:
                del self.model[item_key]

    @rule()
    def close_and_open(self) -> None:
        self.do(self.journal.__aexit__(None, None, None))
        self.open()

    @rule()
    def crash(self) -> None:
        for journal_run in self.journal_runs:
            self.do(journal_run.flush())
        before = self.path
        self.lives += 1
        copy_as_it_is(before, self.path)
        self.open()

    @rule()
    def compare(self) -> None:
        for seller, journal_run in enumerate(self.journal_runs):
            known = {key: values for (whose, key), values in self.model.items() if whose == seller}
            entries = self.do(journal_run.look_up(KEYS))
            assert {e.key: (e.state, e.payload_hash, e.run) for e in entries if e} == {
                key: (state, payload_hash(payload), run) for key, (state, payload, run) in known.items()
            }
            undecided = sorted(key for key, values in known.items() if values[0] in (State.SENT, State.UNKNOWN))
            assert [entry.key for entry in self.do(journal_run.undecided())] == undecided
            kept = {key: payload for key, (state, payload, _) in known.items() if state in KEEPS_PAYLOAD}
            assert self.do(journal_run.payloads(KEYS)) == kept
        self.do(self.compare_readers())

    async def compare_readers(self) -> None:
        async with SQLiteJournal(self.path, read_only=True) as reader:
            for journal in (self.journal, reader):
                for record in await journal.runs():
                    there = {key: values[0] for (_, key), values in self.model.items() if values[2] == record.id}
                    assert {entry.key: entry.state async for entry in journal.entries(record.id)} == there
                    assert sum(record.counts.values()) == len(there)
                    for state in State if there else ():  # most runs have no item
                        chosen = [entry.key async for entry in journal.entries(record.id, state)]
                        assert chosen == sorted(key for key, one in there.items() if one is state)
                        assert record.counts[state] == len(chosen)

    def teardown(self) -> None:
        module._UNSETTLED_MOST = self.most
        for journal in self.journals:
            if journal._writer is not None:
                self.do(journal.__aexit__(None, None, None))
        self.loop.close()
        shutil.rmtree(self.folder)


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=tries(40), stateful_step_count=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


async def test_a_batch_goes_with_its_last_item_in_whatever_order_they_are_settled(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing(key) for key in "abcd"])
        await journal_run.mark_sent([outgoing(key) for key in "efgh"])
        for key, batches, entries in (("h", 2, 1), ("b", 2, 2), ("e", 2, 3), ("f", 2, 4), ("g", 1, 5), ("d", 1, 6)):
            journal_run.record_outcome(key, State.CREATED, remote_id=key)
            await journal_run.flush()
            assert (await rows_of(journal, "batches"), await rows_of(journal, "entries")) == (batches, entries)
        for key in "ac":
            journal_run.record_outcome(key, State.REFUSED, code="c")
        await journal_run.flush()
        assert [await rows_of(journal, table) for table in ("batches", "entries", "payloads")] == [0, 8, 0]


async def test_what_is_sent_a_few_at_a_time_shares_a_batch_and_keeps_its_payloads(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await asyncio.gather(*(journal_run.mark_sent([outgoing(key, key.encode())]) for key in "abcd"))
        assert await rows_of(journal, "batches") == 1
        journal_run.record_outcome("b", State.FAILED)
        journal_run.record_created("c", "1")
        assert await journal_run.payloads("abcd") == {"a": b"a", "b": b"b", "d": b"d"}
        copy_as_it_is(path, path.with_name("crashed"))
    async with SQLiteJournal(path.with_name("crashed")) as journal:
        again = await journal.begin_run(seller="S", operation="o")
        assert await again.payloads("abcd") == {"a": b"a", "b": b"b", "d": b"d"}
        assert [entry.key for entry in await again.undecided()] == ["a", "d"]


async def test_many_are_not_put_to_others_in_a_batch(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        chunks = [[outgoing(f"{part}-{number}") for number in range(200)] for part in "ab"]
        await asyncio.gather(*map(journal_run.mark_sent, chunks))
        assert await rows_of(journal, "batches") == 2


async def test_each_step_is_a_place_to_crash(path: Path) -> None:
    """After a crash behind each step the journal is as that step left it, and can be gone on with to the end."""
    steps: list[Callable[[SQLiteJournalRun], Coroutine[Any, Any, None]]] = [
        lambda journal_run: journal_run.mark_sent([outgoing(key) for key in "abc"]),
        lambda journal_run: settled(journal_run, "b", State.CREATED),
        lambda journal_run: settled(journal_run, "a", State.REFUSED),
        lambda journal_run: journal_run.mark_sent([outgoing("a", b"corrected"), outgoing("d")]),
        lambda journal_run: settled(journal_run, "c", State.UNKNOWN),
        lambda journal_run: journal_run.mark_sent([outgoing("c")]),
        lambda journal_run: settled(journal_run, "d", State.FAILED),
        lambda journal_run: settled(journal_run, "a", State.CREATED),
        lambda journal_run: settled(journal_run, "c", State.PENDING),
    ]
    after = ["sss", "scs", "rcs", "scss", "scus", "scss", "scsf", "ccsf", "ccpf"]
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        for number, step in enumerate(steps):
            await step(journal_run)
            copy = path.with_name(str(number))
            copy_as_it_is(path, copy)
            for read_only in (True, False, False):
                async with SQLiteJournal(copy, read_only=read_only) as other:
                    entries = [entry async for entry in other.entries(journal_run.run)]
                    assert "".join(entry.state[0] for entry in entries) == after[number]
            await go_on(copy, journal_run.run)


async def settled(journal_run: SQLiteJournalRun, key: str, state: State) -> None:
    journal_run.record_outcome(key, state)
    await journal_run.flush()


async def go_on(path: Path, run: str) -> None:
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o", run=run)
        for entry in await journal_run.undecided():
            journal_run.record_outcome(entry.key, State.PENDING)
        await journal_run.flush()
        open_ = [entry.key async for entry in journal.entries(run, [State.PENDING, State.FAILED])]
        payloads = await journal_run.payloads(open_)
        await journal_run.mark_sent([outgoing(key, payloads[key]) for key in open_])
        for key in open_:
            journal_run.record_outcome(key, State.CREATED)
        await journal_run.flush()
        (record,) = await journal.runs()
        assert record.undecided == record.counts[State.PENDING] == record.counts[State.FAILED] == 0
        assert [await rows_of(journal, table) for table in ("batches", "payloads")] == [0, 0]


async def test_a_reader_sees_what_is_sent_and_settled_while_it_reads_on(path: Path) -> None:
    keys = [f"{number:04}" for number in range(1200)]
    async with SQLiteJournal(path) as journal, SQLiteJournal(path, read_only=True) as reader:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing(key) for key in keys[::2]])
        await journal_run.mark_sent([outgoing(key) for key in keys[1::2]])
        for key in keys[::3]:
            journal_run.record_outcome(key, State.CREATED)
        await journal_run.flush()
        seen: list[str] = []
        async for entry in reader.entries(journal_run.run):
            seen.append(entry.key)
            if len(seen) == 700:
                for key in sorted(set(keys) - set(keys[::3])):
                    journal_run.record_outcome(key, State.CREATED)
                await journal_run.flush()
        assert seen == keys
        assert len([entry async for entry in reader.entries(journal_run.run, State.CREATED)]) == 1200


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(module, "_UNSETTLED_MOST", 100)
    return 100


async def test_what_is_kept_in_memory_is_bounded_however_much_is_not_settled(path: Path, few: int) -> None:
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        keys = [f"{number:04}" for number in range(1000)]
        for start in range(0, 1000, 30):
            await journal_run.mark_sent([outgoing(key) for key in keys[start : start + 30]])
            held: UnsettledBatches = await journal._writer.call(lambda store: store.unsettled)
            assert len(held) <= few
        assert [entry.key for entry in await journal_run.undecided()] == keys
        assert await rows_of(journal, "payloads") >= 900
        for key in keys:
            journal_run.record_outcome(key, State.CREATED)
        await journal_run.flush()
        assert [await rows_of(journal, table) for table in ("batches", "entries", "payloads")] == [0, 1000, 0]


async def test_batches_of_which_an_item_is_left_each_are_bounded_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCHES_MOST", 10)
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        for number in range(30):
            await journal_run.mark_sent([outgoing(f"{number:02} left"), outgoing(f"{number:02}")])
            journal_run.record_created(f"{number:02}", None)
            held: UnsettledBatches = await journal._writer.call(lambda store: store.unsettled)
            assert len(held.batches) <= 10
        assert len(await journal_run.undecided()) == 30
        assert 5 <= await rows_of(journal, "batches") <= 10


async def test_a_key_that_is_forgotten_with_its_batch_half_settled_may_be_sent_again(path: Path) -> None:
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        await journal_run.mark_sent([outgoing(key) for key in "abc"])
        journal_run.record_outcome("a", State.FAILED)
        await journal_run.finish()
        other = await journal.begin_run(seller="S", operation="o")
        await other.mark_sent([outgoing("a")])
        await other.finish()
        assert await journal.forget(other.run, force=True) == 1
        assert [entry and entry.state for entry in await other.look_up(["a", "b"])] == [None, State.SENT]
        copy_as_it_is(path, path.with_name("copy"))
        assert await journal.forget(journal_run.run, force=True) == 2
    async with SQLiteJournal(path.with_name("copy")) as journal:
        again = await journal.begin_run(seller="S", operation="o")
        assert [entry and entry.state for entry in await again.look_up(["a", "b"])] == [None, State.SENT]
        await again.mark_sent([outgoing("a", b"new")])
        assert await again.payloads(["a"]) == {"a": b"new"}
