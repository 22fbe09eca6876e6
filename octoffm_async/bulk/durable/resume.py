"""Resuming a run without its input: the requests in the journal are the input of a journalled job.

The journal stores the encoded request of every item that is neither created nor refused. Items that were never read
from the input are not in it: to send those too, make the same call again with its input. An item whose stored request
cannot be sent any more is no input: it is looked up with the undecided ones, and gets its outcome at the end.
"""

from __future__ import annotations

from collections import deque
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from ...contract.operations import OPERATIONS
from ...errors import ConfigurationError, JournalError
from ...journal import Journal, State
from ...journal.states import KEEPS_PAYLOAD, UNDECIDED
from ..creations import job_of
from ..job import Job
from ..outcomes import Created, Failed, Refused, Unknown
from .job import LOOK_AHEAD, JournaledJob
from .settings import outgoing_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ...journal import Entry, RunRecord
    from ...session.seller_session import SellerSession
    from ..job import Deliver
    from ..outcomes import Outcome
    from .settings import JournalOptions

__all__ = ["ResumeJob"]


class StoredRequests:
    """Async iterator over stored requests, which are read in chunks."""

    def __init__(self, chunks: AsyncGenerator[list[Any], None]) -> None:
        self._chunks = chunks
        self._here: deque[Any] = deque()

    @property
    def ready(self) -> bool:
        """True if the next request is available without waiting."""
        return bool(self._here)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._here:
            self._here += await anext(self._chunks)
        return self._here.popleft()

    async def aclose(self) -> None:
        """Close the reading of the journal."""
        await self._chunks.aclose()


class _Unreadable(NamedTuple):
    state: State
    problem: str


class ResumeJob(JournaledJob[Any]):
    """The job of ``client.bulk.resume``: a journalled job that is its own input, once its journal is open."""

    def __init__(self, journaling: JournalOptions, *, scope: SellerSession) -> None:
        super().__init__(Job(), None, journaling, scope=scope)  # the journal knows the operation
        self._unreadable: dict[str, _Unreadable] = {}

    async def start(self) -> None:
        how, journal = self._how, self._how.journal
        if isinstance(journal, str | PathLike):
            journal = await self._opened.enter_async_context(Journal.open(journal, verify_first=how.verify_first))
        record = await self._record(journal)
        try:
            self._send_through(*job_of(record.operation, self._scope))
        except ConfigurationError as error:
            raise ConfigurationError(f"run {record.id} cannot be resumed: {error}") from None
        self._journal = journal
        self._how = msgspec.structs.replace(how, journal=journal, operation=record.operation)
        self._type = {one.name: one for one in OPERATIONS}[record.operation].request
        await super().start()

    def __aiter__(self) -> StoredRequests:
        """Iterate over the requests that the run may have to send, by key."""
        return StoredRequests(self._chunks())

    async def finish(self, deliver: Deliver) -> None:
        """Reconcile; then deliver the outcomes of items whose requests cannot be read any more."""
        await super().finish(deliver)
        if self.stop_requested or not self._unreadable:
            return
        await self.journal_run.flush()
        keys = list(self._unreadable)
        for start in range(0, len(keys), LOOK_AHEAD):
            some = keys[start : start + LOOK_AHEAD]
            for key, entry in zip(some, await self.journal_run.look_up(some), strict=True):
                if (outcome := _decided(key, entry, self._unreadable[key].problem)) is not None:
                    del self._unreadable[key]
                    await deliver(outcome)

    def undecided(self) -> list[Outcome]:
        reason = "it was sent before, its outcome is not known, and its stored request cannot be read: "
        unreadable: list[Outcome] = [
            Unknown(key=key, reason=reason + problem) if state in UNDECIDED else _lost(key, problem)
            for key, (state, problem) in self._unreadable.items()
        ]
        return [*super().undecided(), *unreadable]

    async def _record(self, journal: Journal) -> RunRecord:
        """Return the run's record.

        Raises:
            ConfigurationError: there is no such run, or it is another seller's.
        """
        name, seller = self._how.run, self._how.seller_id
        record = next((one for one in await journal.runs() if one.id == name), None)
        if record is None:
            raise ConfigurationError(f"the journal has no run {name!r}")
        if record.seller != seller:
            raise ConfigurationError(
                f"run {record.id} is of seller {record.seller}, and this client acts for seller "
                f"{seller}: resume it as client.seller({record.seller!r}), or set OCTOFFM_SELLER_ID"
            )
        return record

    async def _chunks(self) -> AsyncGenerator[list[Any], None]:
        some: list[Entry] = []
        async for entry in self._journal.entries(self.journal_run.run, KEEPS_PAYLOAD):
            some.append(entry)
            if len(some) == LOOK_AHEAD:
                yield await self._read(some)
                some = []
        if some:
            yield await self._read(some)

    async def _read(self, entries: Sequence[Entry]) -> list[Any]:
        payloads = await self.journal_run.payloads([entry.key for entry in entries])
        missing = [entry.key for entry in entries if entry.key not in payloads]
        # Another run decided these since they were listed, and delivered their outcomes.
        gone = {
            key
            for key, now in zip(missing, await self.journal_run.look_up(missing), strict=True)
            if now is None or now.state not in KEEPS_PAYLOAD
        }
        requests: list[Any] = []
        for entry in entries:
            if entry.key in gone:
                continue
            request, problem = self._decoded(entry.key, payloads.get(entry.key))
            if problem:
                self._unreadable[entry.key] = _Unreadable(entry.state, problem)
            else:
                requests.append(request)
        return requests

    def _decoded(self, key: str, payload: bytes | None) -> tuple[Any, str]:
        """Return a stored request, or the reason why it cannot be sent any more."""
        if payload is None:
            return None, "the journal has lost it"
        if not payload:
            return None, "the journal stores no request of an item reported as created"
        try:
            request: Any = msgspec.json.decode(payload, type=self._type)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return None, f"it cannot be decoded: {error}"
        if outgoing_of(key, request).payload != payload:
            return None, "this version would send it differently"
        return request, ""


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
