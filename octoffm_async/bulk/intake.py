"""What a run takes in: items read, sorted out and handed to its workers; those that will not be handled are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import ValidationError
from .look_ahead import LookAhead
from .outcomes import Skipped, refused_locally
from .seen import SeenKeys
from .sieve import seen_before, sort_out
from .source import END, End, Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator

    from .delivery import Delivery
    from .job import Job, Options
    from .outcomes import Outcome

T = TypeVar("T")


class Intake(Generic[T]):
    """The items of one run. Outcomes of those that do not reach a worker go into ``delivery``."""

    def __init__(
        self, job: Job[T], items: Iterable[T] | AsyncIterable[T], options: Options, delivery: Delivery
    ) -> None:
        self.stopping = False
        """Nothing more is to be handled."""
        self.is_screened = job.look_ahead > 1
        """Whether items were sorted out when they are taken."""
        self._job = job
        self._options = options
        self._delivery = delivery
        self._seen = SeenKeys(fingerprints=job.fingerprints)
        self._source = Source(items)
        self._ahead = LookAhead(self._screened, low=0)

    def outcome_before(self, item: T) -> Outcome | None:
        """Return the outcome of an item that is not to be sent, because it is wrong or came before.

        For the items of a run that does not screen, which come one by one.
        """
        job, seen = self._job, self._seen
        try:
            job.check(item)
        except ValidationError as error:
            return refused_locally(error)
        key = job.key(item)
        return None if seen.add_item(key, item) else seen_before(key, item, seen, *job.fingerprints((item,)))

    def begin(self) -> None:
        """The job has started."""
        self._ahead.low = self._job.low

    def hurry(self) -> None:
        """Let nothing more be handled."""
        self.stopping = True
        self._job.hurry()

    def stop(self) -> None:
        """Read no more."""
        self.hurry()
        self._source.stop()

    @property
    def ready(self) -> Iterator[T | End]:
        """Items that are there without waiting, and ``END`` as often as there is none."""
        return self._ahead.ready if self.is_screened else self._source.ready

    async def awaited(self) -> T | End:
        """The next item, which is not there yet; none at the end, or if it is not to be handled any more."""
        try:
            item = await (self._ahead if self.is_screened else self._source).next()
        except StopAsyncIteration:
            return END
        if self.stopping:
            self._put_back([item])
            return END
        return item

    async def collect(self) -> list[T]:
        """So many items that may be sent; fewer only when the input ends. What may not gets its outcome here."""
        batch: list[T] = []
        try:
            while len(batch) < self._job.batch and not self.stopping:
                batch.append(await (self._ahead.next() if self.is_screened else self._read()))
        except StopAsyncIteration:
            pass
        except BaseException:
            self._put_back(batch)
            raise
        if self.stopping:
            self._put_back(batch)
            return []
        return batch

    async def end(self) -> None:
        """Read no further ahead; what nobody took is skipped."""
        self._put_back(await self._ahead.close())

    async def close(self) -> None:
        """Let the input go."""
        self._seen.close()
        await self._source.close()

    async def _read(self) -> T:
        """The next item that may be right and was not there before."""
        while not self.stopping:
            item = await self._source.next()
            right, _, outcomes = sort_out([item], self._job, self._seen)
            if right:
                return item
            for outcome in outcomes:
                await self._delivery.in_turn(outcome)
        raise StopAsyncIteration

    async def _screened(self) -> list[T] | None:
        """The items of the next chunk that the job wants to handle; nothing at the end."""
        chunk = await self._chunk()
        if not chunk:
            return None
        try:
            some, prints, outcomes = sort_out(chunk, self._job, self._seen)
            wanted, known = await self._job.screen(some, prints)
        except BaseException:
            undecided = self._job.undecided_keys()
            self._skip([item for item in chunk if self._job.key(item) not in undecided])
            raise
        outcomes += known
        left = iter(outcomes)
        try:
            if self._options.max_failures is None and self._delivery.has_room(len(outcomes)):
                self._delivery.all_now(outcomes)
                return wanted
            for outcome in left:
                await self._delivery.in_turn(outcome)
        except BaseException:
            for outcome in left:
                self._delivery.now(outcome)
            self._put_back(wanted)
            raise
        return wanted

    async def _chunk(self) -> list[T]:
        """The next items as they come: a few hundred of those that are there, else one; none at the end."""
        chunk: list[T] = []
        most = self._job.look_ahead
        try:
            if not self.stopping:
                self._source.take_ready(chunk, most)
            while len(chunk) < most and not self.stopping and (not chunk or self._source.is_ready):
                chunk.append(await self._source.next())
        except StopAsyncIteration:
            pass
        except BaseException:
            self._skip(chunk)
            raise
        return chunk

    def _put_back(self, items: list[T]) -> None:
        """What was about to be handled and will not be."""
        if items:
            self._job.put_back(items)
            self._skip(items)

    def _skip(self, batch: Iterable[T]) -> None:
        for item in batch:
            self._delivery.now(Skipped(key=self._job.key(item), reason="the run was stopped before it was sent"))
