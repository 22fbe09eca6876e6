"""A process may die between any two steps: what was awaited is in the file, the rest is there or not, all consistent.

The state machine takes the file as it is at some instant, puts it elsewhere and opens it there; the other test kills
real processes while they write.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from octoffm_async.journal import (
    IllegalTransitionError,
    Journal,
    OutgoingItem,
    SQLiteJournal,
    State,
    Verdict,
    decide_known_key,
    payload_hash,
)
from octoffm_async.journal.states import LEGAL
from tests.support.items import IN_MEMORY
from tests.unit.sizes import tries

pytestmark = pytest.mark.one_loop

T = TypeVar("T")

KEYS = st.sampled_from(["", "a", "b", "c\udcff", "d"])
PAYLOADS = st.sampled_from([b"one", b"two"])
SETTLED = st.sampled_from([state for state in State if state is not State.SENT])


class Known:
    """What the model knows of a key: its state for sure, and the states that may have been written since."""

    def __init__(self, state: State | None = None, payload: bytes = b"") -> None:
        self.sure: tuple[State | None, bytes] = (state, payload)
        self.later: list[tuple[State, bytes]] = []

    @property
    def last(self) -> tuple[State | None, bytes]:
        return self.later[-1] if self.later else self.sure


class Crashing(RuleBasedStateMachine):
    """One run of a journal, its model, and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        self.lives = 0
        self.journals: list[SQLiteJournal] = []
        self.model: dict[str, Known] = {}
        self.fault = False

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(what, 10))

    @property
    def path(self) -> Path:
        return self.folder / f"{self.lives}.sqlite"

    @initialize()
    def open(self) -> None:
        self.journal = SQLiteJournal(self.path)
        self.do(self.journal.__aenter__())
        self.journals.append(self.journal)
        self.journal_run = self.do(self.journal.begin_run(seller="S", operation="o"))
        self.do(self.journal_run.undecided())  # takes over what the last process left

    def known(self, key: str) -> Known:
        return self.model.setdefault(key, Known())

    def durable(self) -> None:
        for known in self.model.values():
            known.sure, known.later = known.last, []

    def may_send(self, key: str, payload: bytes) -> bool:
        state, before = self.known(key).last
        return State.SENT in LEGAL[state] and not (state is State.REFUSED and payload == before)

    @rule(key=KEYS, payload=PAYLOADS)
    def send(self, key: str, payload: bytes) -> None:
        outgoing = OutgoingItem(key, payload_hash(payload), payload)
        if self.may_send(key, payload):
            self.do(self.journal_run.mark_sent([outgoing]))
            self.known(key).later.append((State.SENT, payload))
        else:
            with pytest.raises(IllegalTransitionError):
                self.do(self.journal_run.mark_sent([outgoing]))
        self.durable()

    @rule(key=KEYS, payload=PAYLOADS)
    def send_and_give_up(self, key: str, payload: bytes) -> None:
        """Cancel the waiter after the sending was asked for."""

        async def give_up() -> None:
            task = asyncio.create_task(self.journal_run.mark_sent([OutgoingItem(key, payload_hash(payload), payload)]))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

        legal = self.may_send(key, payload)
        self.do(give_up())
        if legal:
            self.known(key).later.append((State.SENT, payload))

    @rule(key=KEYS, state=SETTLED)
    def settle(self, key: str, state: State) -> None:
        before, payload = self.known(key).last
        self.journal_run.record_outcome(key, state, remote_id="id" if state is State.CREATED else None)
        if before is not None and state in LEGAL[before]:
            self.known(key).later.append((state, payload))
        else:
            self.fault = True

    @rule()
    def flush(self) -> None:
        if self.fault:
            with pytest.raises(IllegalTransitionError):
                self.do(self.journal_run.flush())
        else:
            self.do(self.journal_run.flush())
        self.fault = False
        self.durable()

    @rule()
    def turn(self) -> None:
        """Let the loop hand over what is queued, and the thread get somewhere with it."""
        self.do(asyncio.sleep(0))

    @rule()
    def close_and_open(self) -> None:
        if self.fault:
            with pytest.raises(IllegalTransitionError):
                self.do(self.journal.__aexit__(None, None, None))
        else:
            self.do(self.journal.__aexit__(None, None, None))
        self.fault = False
        self.durable()
        self.open()

    @rule()
    def crash(self) -> None:
        before = self.path
        self.lives += 1
        for end in ("", "-wal"):
            shutil.copy(f"{before}{end}", f"{self.path}{end}")
        self.fault = False
        self.open()
        keys = list(self.model)
        for key, entry in zip(keys, self.do(self.journal_run.look_up(keys)), strict=True):
            known = self.model[key]
            payloads = self.do(self.journal_run.payloads([key]))
            found = [
                (state, payload)
                for state, payload in [known.sure, *known.later]
                if (entry and (entry.state, entry.payload_hash)) == (state and (state, payload_hash(payload)))
            ]
            assert found, (key, entry, known.sure, known.later)
            known.sure, known.later = found[-1], []
            state, payload = known.sure
            kept = state not in (None, State.CREATED, State.REFUSED)
            assert payloads == ({key: payload} if kept else {})

    @rule()
    def compare(self) -> None:
        keys = list(self.model)
        entries = self.do(self.journal_run.look_up(keys))
        self.durable()
        for key, entry in zip(keys, entries, strict=True):
            state, payload = self.model[key].sure
            assert (entry and entry.state) == state
            assert (decide_known_key(entry, payload_hash(payload)) is Verdict.UNDECIDED) == (
                state in (State.SENT, State.UNKNOWN)
            )
        undecided = {key for key in keys if self.model[key].sure[0] in (State.SENT, State.UNKNOWN)}
        assert {entry.key for entry in self.do(self.journal_run.undecided())} == undecided
        counts = [record.counts for record in self.do(self.journal.runs())]
        for state in State:
            expected = sum(known.sure[0] is state for known in self.model.values())
            assert sum(count[state] for count in counts) == expected

    @invariant()
    def nothing_is_negative(self) -> None:
        assert all(known.last[0] is not None or not known.later for known in self.model.values())

    def teardown(self) -> None:
        for journal in self.journals:
            if journal._writer is not None:
                try:
                    self.do(journal.__aexit__(None, None, None))
                except IllegalTransitionError:
                    pass
        self.loop.close()
        shutil.rmtree(self.folder)


TestCrashing = Crashing.TestCase
TestCrashing.settings = settings(max_examples=tries(40), stateful_step_count=40)


WRITE = """
import asyncio, sys
from octoffm_async.journal import OutgoingItem, State, Journal, payload_hash

async def main():
    async with Journal.open(sys.argv[1], durability=sys.argv[2]) as journal:
        journal_run = await journal.begin_run(seller="S", operation="o")
        print("run", journal_run.run, flush=True)
        turns = iter(range(1 << 30))

        async def work():
            for number in turns:
                key = f"{journal_run.run}-{number}"
                payload = key.encode() * 20
                await journal_run.mark_sent([OutgoingItem(key, payload_hash(payload), payload)])
                print("sent", key, flush=True)
                if number % 3:
                    journal_run.record_outcome(key, State.CREATED, remote_id=key)
                    if number % 7 == 0:
                        await journal_run.flush()
                        print("created", key, flush=True)

        await asyncio.gather(*(work() for _ in range(20)))

asyncio.run(main())
"""


async def test_what_a_killed_process_had_confirmed_as_durable_is_in_the_file(tmp_path: Path) -> None:
    path, rng = tmp_path / "orders.sqlite", random.Random(4)
    sent, created = set[str](), set[str]()
    for kill in range(6):
        durability = "power" if kill % 3 == 2 else "process"
        with (tmp_path / "out").open("w+") as out:
            with subprocess.Popen([sys.executable, "-c", WRITE, str(path), durability], stdout=out) as child:  # noqa: ASYNC220
                try:
                    async with asyncio.timeout(20):
                        while (tmp_path / "out").stat().st_size < 40:
                            assert child.poll() is None
                            await asyncio.sleep(0.01)
                    await asyncio.sleep(rng.uniform(0.0, 0.12))
                finally:
                    child.send_signal(signal.SIGKILL)
            out.seek(0)
            words = [line.split() for line in out if line.endswith("\n")]
        written = {word: {line[1] for line in words if line[0] == word} for word in ("sent", "created")}
        sent |= written["sent"]
        created |= written["created"]
        async with Journal.open(path) as journal:
            runs = await journal.runs()
            entries = {}
            for run in runs:
                entries |= {entry.key: entry async for entry in journal.entries(run.id)}
            assert sent <= entries.keys()
            assert {key for key in created if entries[key].state is not State.CREATED} == set()
            for run in runs:
                for state in State:
                    in_it = sum(entry.run == run.id and entry.state is state for entry in entries.values())
                    assert run.counts[state] == in_it
            journal_run = await journal.begin_run(seller="S", operation="o")
            undecided = [entry.key for entry in await journal_run.undecided()]
            assert set(undecided) == {key for key, entry in entries.items() if entry.state is State.SENT}
            for start in range(0, len(undecided), 1000):
                part = undecided[start : start + 1000]
                assert await journal_run.payloads(part) == {key: key.encode() * 20 for key in part}
    assert len(sent) > 100
    assert created
