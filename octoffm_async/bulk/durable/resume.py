"""Resuming a run without its input, from the requests in the journal.

The journal stores the encoded request of every item that is neither created nor refused. Items that were never read
from the input are not in it: to send those too, make the same call again with its input.
"""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from ...contract.operations import OPERATIONS
from ...errors import ConfigurationError, JournalError
from ...journal import Journal, State
from ...journal.states import KEEPS_PAYLOAD, UNDECIDED
from ...session.seller_session import SellerSession
from ..creations import job_of
from ..job import Job
from ..outcomes import Created, Failed, Refused, Unknown
from .job import LOOK_AHEAD, JournaledJob
from .settings import JournalOptions, outgoing_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence

    from ...journal import Entry, RunRecord
    from ..job import Deliver
    from ..odd_references import OddReferences
    from ..outcomes import Outcome

__all__ = ["ResumeJob", "StoredItem"]


class StoredItem(NamedTuple):
    """An item from the journal; ``problem`` is the reason why its request cannot be sent any more."""

    key: str
    state: State
    request: Any = None
    problem: str = ""


class StoredItems:
    """Async iterator over items that are read in chunks."""

    def __init__(self, chunks: AsyncGenerator[list[StoredItem], None]) -> None:
        self._chunks = chunks
        self._here: deque[StoredItem] = deque()

    @property
    def ready(self) -> bool:
        """True if the next item is available without waiting."""
        return bool(self._here)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StoredItem:
        while not self._here:
            self._here += await anext(self._chunks)
        return self._here.popleft()

    async def aclose(self) -> None:
        """Close the reading of the journal."""
        await self._chunks.aclose()


class ResumeJob(Job[StoredItem]):
    """The job of ``client.bulk.resume``: a journalled job whose items come from the journal itself."""

    look_ahead = LOOK_AHEAD

    def __init__(
        self,
        scope: SellerSession,
        journal: Journal | str | PathLike[str],
        run: str,
        *,
        patience: float,
        resend_unknown: bool,
        verify_first: bool = False,
    ) -> None:
        self._scope = scope
        self._how = JournalOptions(
            journal=journal,
            seller_id=scope.seller_id,
            operation="",
            patience=patience,
            resend_unknown=resend_unknown,
            verify_first=verify_first,
            run=run,
        )
        self._run = run
        self._opened = AsyncExitStack()
        self._journal: Journal | None = None
        self._inner: JournaledJob[Any] | None = None
        self._request: Any = None
        self._stuck: dict[str, str] = {}

    def request_stop(self) -> None:
        super().request_stop()
        if self._inner is not None:
            self._inner.request_stop()

    def key(self, item: StoredItem) -> str:
        return item.key

    def original(self, item: StoredItem) -> object:
        return item.request

    def check(self, item: StoredItem) -> None:
        if not item.problem:
            self._started.check(item.request)

    def fingerprints(self, items: Sequence[StoredItem]) -> list[bytes]:
        return self._started.fingerprints([item.request for item in items])

    async def start(self) -> None:
        journal = self._how.journal
        if isinstance(journal, str | PathLike):
            journal = await self._opened.enter_async_context(Journal.open(journal, verify_first=self._how.verify_first))
        record = await self._record(journal)
        try:
            scope = SellerSession(self._scope.session, self._scope.seller_id, self._scope.options)
            job, lookup = job_of(record.operation, scope)
        except ConfigurationError as error:
            raise ConfigurationError(f"run {record.id} cannot be resumed: {error}") from None
        self.batch: int = job.batch
        self.one_by_one: bool = job.one_by_one
        self.odd: OddReferences | None = job.odd
        self._request = {one.name: one for one in OPERATIONS}[record.operation].request
        how = msgspec.structs.replace(self._how, journal=journal, operation=record.operation)
        inner = JournaledJob[Any](job, lookup, how, scope=scope)
        self._journal, self._inner = journal, inner
        if self.stop_requested:
            inner.request_stop()
        await inner.start()
        self.low: int = inner.low

    def __aiter__(self) -> StoredItems:
        """Iterate over the items that the run may have to send, by key."""
        return StoredItems(self._chunks())

    async def screen(self, items: list[StoredItem], prints: list[bytes]) -> tuple[list[StoredItem], list[Outcome]]:
        lost: list[Outcome] = []
        whole: dict[str, StoredItem] = {}
        whole_prints: list[bytes] = []
        for item, print_ in zip(items, prints, strict=True):
            if not item.problem:
                whole[item.key] = item
                whole_prints.append(print_)
            elif item.state in UNDECIDED:
                self._stuck[item.key] = item.problem
            else:
                lost.append(_lost(item.key, item.problem))
        inner = self._started
        unsent, outcomes = await inner.screen([item.request for item in whole.values()], whole_prints)
        return [whole[inner.key(request)] for request in unsent], outcomes + lost

    def send(self, item: StoredItem) -> Awaitable[Any]:
        return self._started.send(item.request)

    def outcome(self, item: StoredItem, answer: Any) -> Outcome | None:
        return self._started.outcome(item.request, answer)

    def outcome_of_error(self, item: StoredItem, error: BaseException) -> Outcome | None:
        return self._started.outcome_of_error(item.request, error)

    async def handle(self, items: Sequence[StoredItem], deliver: Deliver) -> None:
        await self._started.handle([item.request for item in items], deliver)

    def return_unsent(self, items: Iterable[StoredItem]) -> None:
        self._started.return_unsent([item.request for item in items])

    async def finish(self, deliver: Deliver) -> None:
        """Reconcile; then deliver the outcomes of items whose requests cannot be read any more."""
        inner = self._started
        await inner.finish(deliver)
        if self.stop_requested or not self._stuck:
            return
        await inner.journal_run.flush()
        stuck = list(self._stuck)
        for start in range(0, len(stuck), LOOK_AHEAD):
            keys = stuck[start : start + LOOK_AHEAD]
            for key, entry in zip(keys, await inner.journal_run.look_up(keys), strict=True):
                if (outcome := _decided(key, entry, self._stuck[key])) is not None:
                    del self._stuck[key]
                    await deliver(outcome)

    def undecided(self) -> list[Outcome]:
        reason = "it was sent before, its outcome is not known, and its stored request cannot be read: "
        stuck: list[Outcome] = [Unknown(key=key, reason=reason + problem) for key, problem in self._stuck.items()]
        return stuck if self._inner is None else [*self._inner.undecided(), *stuck]

    async def close(self) -> None:
        try:
            if self._inner is not None:
                await self._inner.close()
        finally:
            await self._opened.aclose()

    @property
    def _started(self) -> JournaledJob[Any]:
        assert self._inner is not None  # noqa: S101  (a run starts its job first)
        return self._inner

    async def _record(self, journal: Journal) -> RunRecord:
        """Return the run's record.

        Raises:
            ConfigurationError: there is no such run, or it is another seller's.
        """
        record = next((one for one in await journal.runs() if one.id == self._run), None)
        if record is None:
            raise ConfigurationError(f"the journal has no run {self._run!r}")
        if record.seller != self._scope.seller_id:
            raise ConfigurationError(
                f"run {record.id} is of seller {record.seller}, and this client acts for seller "
                f"{self._scope.seller_id}: resume it as client.seller({record.seller!r}), or set OCTOFFM_SELLER_ID"
            )
        return record

    async def _chunks(self) -> AsyncGenerator[list[StoredItem], None]:
        assert self._journal is not None  # noqa: S101  (nothing is read before the start)
        some: list[Entry] = []
        async for entry in self._journal.entries(self._run, KEEPS_PAYLOAD):
            some.append(entry)
            if len(some) == LOOK_AHEAD:
                yield await self._read(some)
                some = []
        if some:
            yield await self._read(some)

    async def _read(self, entries: Sequence[Entry]) -> list[StoredItem]:
        journal_run = self._started.journal_run
        payloads = await journal_run.payloads([entry.key for entry in entries])
        missing = [entry.key for entry in entries if entry.key not in payloads]
        # Another run decided these since they were listed, and delivered their outcomes.
        gone = {
            key
            for key, now in zip(missing, await journal_run.look_up(missing), strict=True)
            if now is None or now.state not in KEEPS_PAYLOAD
        }
        return [self._decoded(entry, payloads.get(entry.key)) for entry in entries if entry.key not in gone]

    def _decoded(self, entry: Entry, payload: bytes | None) -> StoredItem:
        kept = StoredItem(entry.key, entry.state)
        if payload is None:
            return kept._replace(problem="the journal has lost it")
        if not payload:
            return kept._replace(problem="the journal stores no request of an item reported as created")
        try:
            request: Any = msgspec.json.decode(payload, type=self._request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return kept._replace(problem=f"it cannot be decoded: {error}")
        if outgoing_of(entry.key, request).payload != payload:
            return kept._replace(problem="this version would send it differently")
        return kept._replace(request=request)


def _lost(key: str, problem: str) -> Failed:
    return Failed(key=key, error=JournalError(f"the stored request of {key!r} cannot be sent again: {problem}"))


def _decided(key: str, entry: Entry | None, problem: str) -> Outcome | None:
    """Return the outcome of an item whose request cannot be read, after reconciliation; ``None`` if it is undecided."""
    match entry:
        case None:
            return _lost(key, problem)
        case _ if entry.state in UNDECIDED:
            return None
        case _ if entry.state is State.CREATED:
            return Created(key=key, id=entry.remote_id)
        case _ if entry.state is State.REFUSED:
            return Refused(key=key, code=entry.code, message=entry.message)
        case _:
            return _lost(key, problem)
