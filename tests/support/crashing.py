"""Runs that crash at a chosen step of the event loop, against a little model of the remote side; all in virtual time.

A crash takes everything at once: the loop stops and is thrown away, no task runs on, nothing is cleaned up, and the
journal's file is let go of as it is. What had left for the remote side arrives there all the same.
"""

from __future__ import annotations

import asyncio
import ctypes
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any, NamedTuple, Self
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from octoffm_async import FulfillmentClient, Outcome, Summary, Unknown
from octoffm_async.bulk.reconciliation import reconcile
from octoffm_async.bulk.reconciliation import remote_lookup as finding
from octoffm_async.bulk.run import Run
from octoffm_async.errors import AnswerTimeoutError, ConnectionLostError
from octoffm_async.journal import SQLiteJournal
from octoffm_async.journal.commands import Command, Flush
from octoffm_async.journal.sqlite.engine import Store
from octoffm_async.journal.sqlite.file.change_record import Gap
from octoffm_async.journal.sqlite.journal import SQLiteBackend
from octoffm_async.journal.sqlite.writer_thread import _resolve
from octoffm_async.session import session as pipeline
from octoffm_async.transport.response import Response
from tests.conftest import VirtualTimeLoop
from tests.support.fakes import answer, config
from tests.support.items import posted

EPOCH = 1_790_000_000.0
LATENCY = 0.01
TIMEOUT = 0.3


class Trouble(Enum):
    """What goes wrong with one creation."""

    NONE = auto()
    RESET_BEFORE = auto()
    RESET_AFTER = auto()
    STALL = auto()
    STALL_AFTER = auto()
    THROTTLE = auto()
    PAUSE = auto()
    """429 with a Retry-After that is longer than any patience."""
    ERROR = auto()
    TRUNCATED = auto()

    @property
    def has_effect(self) -> bool:
        return self in (Trouble.NONE, Trouble.RESET_AFTER, Trouble.STALL_AFTER, Trouble.TRUNCATED)


class Fate(NamedTuple):
    """What becomes of one creation: what goes wrong, and how many seconds later it can be seen."""

    trouble: Trouble = Trouble.NONE
    late: float = 0.0


class Shipment(NamedTuple):
    id: str
    reference: str
    at: float
    visible_at: float
    status: str = "Created"


class Remote:
    """Creates what it is told, and lists it by time. Its clock is ``skew`` seconds ahead of ours, and told or not."""

    def __init__(self, fates: Mapping[str, Sequence[Fate]] | None = None, *, skew: float = 0.0) -> None:
        self.fates: defaultdict[str, list[Fate]] = defaultdict(list)
        for reference, some in (fates or {}).items():
            self.fates[reference] = list(some)
        self.skew = skew
        self.tells_time = True
        self.takes_filters = True
        self.page = 1000
        self.shipments: list[Shipment] = []
        self.flying: list[tuple[str, Fate]] = []
        self.lists: list[str] = []
        self.list_script: Callable[[], Response | BaseException | None] = lambda: None
        self.counts: list[str] = []
        self.count_script: Callable[[], Response | BaseException | None] = lambda: None
        self.keeps: Callable[[str], str] = lambda reference: reference
        """In which spelling it keeps a reference."""
        self.now: Callable[[], float] = lambda: EPOCH
        self.departed = 0
        self.departures: dict[int, Callable[[], object]] = {}
        """What happens when the n-th creation leaves."""

    @property
    def effects(self) -> Counter[str]:
        return Counter(shipment.reference for shipment in self.shipments)

    def create(self, reference: str, late: float = 0.0, *, status: str = "Created") -> Shipment:
        at = self.now()
        shipment = Shipment(f"S-{len(self.shipments)}", self.keeps(reference), at + self.skew, at + late, status)
        self.shipments.append(shipment)
        return shipment

    def depart(self, reference: str) -> tuple[str, Fate]:
        fates = self.fates[reference]
        flight = reference, fates.pop(0) if fates else Fate()
        self.flying.append(flight)
        self.departed += 1
        self.departures.pop(self.departed, lambda: None)()
        return flight

    def arrive(self, flight: tuple[str, Fate]) -> Response | BaseException:
        """Carry a creation out, or not; the answer, or how it is lost."""
        self.flying.remove(flight)
        reference, (trouble, late) = flight
        made = self.create(reference, late) if trouble.has_effect else None
        match trouble:
            case Trouble.NONE if made is not None:
                return answer(201, {"outboundShipmentId": made.id})
            case Trouble.THROTTLE:
                return answer(429)
            case Trouble.PAUSE:
                return answer(429, Retry_After="20")
            case Trouble.ERROR:
                return answer(500)
            case Trouble.STALL | Trouble.STALL_AFTER:
                return AnswerTimeoutError("no answer in time")
            case _:
                return ConnectionLostError("the connection broke")

    def outlive(self) -> None:
        """The client is gone; what is still on its way arrives."""
        for flight in list(self.flying):
            self.arrive(flight)

    def look(self, url: str) -> Response | BaseException:
        """A page of the list."""
        if urlsplit(url).path.endswith("/count"):
            return self._count(url)
        self.lists.append(url)
        if (scripted := self.list_script()) is not None:
            return scripted
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        low, high = (
            _seconds(asked.get(name), default)
            for name, default in (("statusUpdatedAtMin", 0.0), ("statusUpdatedAtMax", 1e12))
        )
        if not self.takes_filters and asked.keys() & {"statusUpdatedAtMin", "statusUpdatedAtMax"}:
            return answer(400, {"title": "unknown filter", "status": 400})
        now = self.now()
        rows = self._visible(low, high)
        rows.sort(key=lambda row: row.at)
        size, begin = min(self.page, int(asked["limit"])), int(asked.get("cursor", "0"))
        headers = {"Date": format_datetime(datetime.fromtimestamp(now + self.skew, UTC), usegmt=True)}
        if begin + size < len(rows):
            headers["Link"] = f'</seller/v2/outbound-shipments?cursor={begin + size}&limit={size}>; rel="next"'
        if not self.tells_time:
            del headers["Date"]
        return answer(200, {"items": [_shown(row) for row in rows[begin : begin + size]]}, **headers)

    def _visible(self, low: float, high: float) -> list[Shipment]:
        return [row for row in self.shipments if row.visible_at <= self.now() and low <= row.at <= high]

    def _count(self, url: str) -> Response | BaseException:
        self.counts.append(url)
        if (scripted := self.count_script()) is not None:
            return scripted
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        if not self.takes_filters and asked:
            return answer(400, {"title": "unknown filter", "status": 400})
        return answer(200, {"count": len(self._visible(_seconds(asked.get("statusUpdatedAtMin"), 0.0), 1e12))})


class RemoteTransport:
    """The way to a :class:`Remote`."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote

    def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, read_timeout: float = 30.0
    ) -> Response:
        if url.endswith("/token"):
            return answer(200, {"access_token": "token", "expires_in": 720000})
        flight = None if body is None else self.remote.depart(posted_reference(body))
        try:
            stalls = flight is not None and flight[1].trouble in (Trouble.STALL, Trouble.STALL_AFTER)
            await asyncio.sleep(TIMEOUT if stalls else LATENCY)
        except asyncio.CancelledError:
            if flight is not None:
                self.remote.arrive(flight)
            raise
        given = self.remote.look(url) if flight is None else self.remote.arrive(flight)
        if isinstance(given, BaseException):
            raise given
        return given._replace(url=url)


class SteppedWriter(SQLiteBackend):
    """Does what the journal's thread does, in turns of the loop: what is asked is durable a turn before it is told."""

    store: Store

    async def open(self) -> Gap | None:
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self.store = self._make()
        self.store.open()
        return self.store.gap

    async def close(self) -> None:
        last = self.future()
        self.submit(Flush(None, last))
        await last
        self._closing = True
        self.store.close()

    def _give(self, steps: list[Command]) -> None:
        assert self._loop is not None
        self._loop.call_soon(_resolve, self.store.process(steps))


class SteppedJournal(SQLiteJournal):
    """A journal without a thread: its batches are the same each time."""

    stepped: SteppedWriter | None = None

    async def __aenter__(self) -> Self:
        self._lease = self._new_lease()
        self.stepped = SteppedWriter(self._store, self._lease)
        self._writer = self.stepped
        self.gap = await self.stepped.open()
        return self

    def crash(self) -> None:
        """Let go of the file as it is, if it was opened."""
        if self.stepped is not None:
            self.stepped.store._let_go()


class Crash(BaseException):
    """The process is gone."""


class MortalLoop(VirtualTimeLoop):
    """Crashes after so many steps."""

    def __init__(self, now: float, steps: int | None) -> None:
        super().__init__()
        self.clock.now = now
        self.steps = 0
        self.last = steps

    def _run_once(self) -> None:
        if self.steps == self.last:
            raise Crash
        self.steps += 1
        super()._run_once()  # type: ignore[misc]


_graveyard: list[Any] = []
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_graveyard))  # nothing in it is ever cleaned up, not even at the end


class World:
    """A remote side and a journal's path that outlive the client's lives. Use it within :meth:`in_its_time`."""

    def __init__(self, remote: Remote, path: Any) -> None:
        self.remote = remote
        self.path = path
        self.now = 1000.0
        self.steps = 0
        self._loop: MortalLoop | None = None
        remote.now = self.time

    def time(self) -> float:
        return EPOCH + (self.now if self._loop is None else self._loop.clock.now)

    @contextmanager
    def in_its_time(self) -> Iterator[None]:
        """Let the clocks that reconciliation reads tell this world's time."""
        world = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(world.time(), tz)

        with (
            patch.object(reconcile, "time", SimpleNamespace(time=self.time)),
            patch.object(reconcile, "datetime", Clock),
            patch.object(finding, "datetime", Clock),
            patch.object(pipeline, "random", SimpleNamespace(Random=lambda: random.Random(1))),
        ):
            yield

    def live(self, main: Callable[[FulfillmentClient, SteppedJournal], Any], *, steps: int | None = None) -> Any:
        """One life of a process: what ``main`` gives, or ``None`` if it crashed."""
        self._loop = loop = MortalLoop(self.now, steps)
        journal = SteppedJournal(self.path, clock=self.time)

        async def life() -> Any:
            transport = RemoteTransport(self.remote)
            async with FulfillmentClient(config(read_timeout=TIMEOUT), transport=transport, hooks=()) as client:
                async with journal:
                    return await main(client, journal)

        task = loop.create_task(life())
        try:
            return loop.run_until_complete(task)
        except Crash:
            journal.crash()
            self._bury(loop)
            return None
        finally:
            self.now = loop.clock.now
            self.steps = loop.steps
            self.remote.outlive()
            self._loop = None
            loop.close()

    def settle_absent(self, outcomes: Sequence[Outcome]) -> None:
        """Say, as a person who looked would, that what does not exist is absent, where nothing else sends it again.

        That is what was absent twice, and what nothing can prove to be absent because no order of ours is known.
        """
        reasons = "not sent a third time", "no order of ours is known"
        unknown = [one for one in outcomes if isinstance(one, Unknown)]
        keys = [one.key for one in unknown if any(reason in one.reason for reason in reasons)]
        assert not self.remote.effects.keys() & keys

        async def settle(client: FulfillmentClient, journal: SteppedJournal) -> None:
            if keys:
                await journal.settle(keys, absent=True)

        self.live(settle)

    def _bury(self, loop: MortalLoop) -> None:
        tasks: Collection[Any] = asyncio.all_tasks(loop)
        for task in tasks:
            task._log_destroy_pending = False
        _graveyard.append((loop, tasks, list(loop._ready), list(loop._scheduled)))  # type: ignore[attr-defined]


async def ended(run: Run[Any, Any]) -> tuple[list[Outcome], Summary]:
    """The outcomes of a run and its counts."""
    async with run:
        outcomes = [outcome async for outcome in run]
    return outcomes, run.summary


def posted_reference(body: bytes) -> str:
    return posted(SimpleNamespace(body=body))[0]  # type: ignore[arg-type]


def _seconds(text: str | None, default: float) -> float:
    return default if text is None else datetime.fromisoformat(text).timestamp()


def _shown(row: Shipment) -> dict[str, Any]:
    at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=row.at)).isoformat()
    return {"outboundShipmentId": row.id, "reference": row.reference, "status": row.status, "statusUpdatedAt": at}
