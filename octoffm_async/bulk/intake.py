"""Input of a run: items are read, validated and de-duplicated for the workers; unhandled items are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ..disk.seen_keys import SeenKeys
from ..errors import ValidationError
from .durable.settings import conflict_within, refused_conflict
from .item_source import END, End, Source
from .outcomes import Refused, Skipped, refused_locally
from .output import ItemOutcomeQueue
from .prefetch import Prefetcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Iterator

    from .job import Job, RunOptions
    from .outcomes import Outcome
    from .output import OutcomeQueue

T = TypeVar("T")


class RunInput(Generic[T]):
    """The items of one run. Outcomes of items that do not reach a worker go into ``delivery``."""

    def __init__(
        self, job: Job[T], items: Iterable[T] | AsyncIterable[T], options: RunOptions, delivery: OutcomeQueue
    ) -> None:
        self.stopping: bool = False
        """True once no more items are to be handled."""
        self.is_screened: bool = job.look_ahead > 1
        """True if items are screened ahead of the workers."""
        self._job = job
        self._options = options
        self._delivery = delivery
        self._items = delivery if isinstance(delivery, ItemOutcomeQueue) else None
        self._seen = SeenKeys(fingerprints=job.fingerprints)
        self._source = Source(items)
        self._ahead = Prefetcher(self._screened, low=0)

    def outcome_before(self, item: T) -> Outcome | None:
        """Return the outcome of an item that must not be sent, because it is invalid or a duplicate.

        This is for runs without screening, whose items come one by one.
        """
        job, seen = self._job, self._seen
        try:
            encoded = job.check(item)
        except ValidationError as error:
            return refused_locally(error)
        key = job.key(item)
        return None if seen.add_item(key, encoded or item) else seen_before(key, item, seen, *job.fingerprints((item,)))

    def outcome_before_with_item(self, item: T) -> Outcome | None:
        """Return :meth:`outcome_before` with its item, or keep the item for its outcome to come."""
        if (outcome := self.outcome_before(item)) is not None:
            return self._of_item(outcome, item)
        self._keep([item])
        return None

    def begin(self) -> None:
        """Take the settings that the job knows once it has started."""
        self._ahead.low = self._job.low

    def hurry(self) -> None:
        """Request that no more items are handled."""
        self.stopping = True
        self._job.request_stop()

    def stop(self) -> None:
        """Stop reading the input."""
        self.hurry()
        self._source.stop()

    @property
    def ready(self) -> Iterator[T | End]:
        """Iterator over items that are available without waiting; it yields ``END`` each time there is none."""
        return self._ahead.ready if self.is_screened else self._source.ready

    async def awaited(self) -> T | End:
        """Wait for the next item; ``END`` at the end of the input, or if no more items are to be handled."""
        try:
            item = await (self._ahead if self.is_screened else self._source).next()
        except StopAsyncIteration:
            return END
        if self.stopping:
            self._put_back([item])
            return END
        return item

    async def collect(self) -> list[T]:
        """Return up to ``batch`` valid, new items (fewer only at the end of the input); deliver outcomes of others."""
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
        """Stop reading ahead; skip the items that no worker took."""
        self._put_back(await self._ahead.close())

    async def close(self) -> None:
        """Close the input."""
        self._seen.close()
        await self._source.close()

    async def _read(self) -> T:
        """Return the next item that may be valid and is no duplicate."""
        while not self.stopping:
            item = await self._source.next()
            right, outcomes = sort_out([item], self._job, self._seen, self._of_item)
            if right:
                self._keep(right)
                return item
            for outcome in outcomes:
                await self._delivery.in_turn(outcome)
        raise StopAsyncIteration

    async def _screened(self) -> list[T] | None:
        """Return the items of the next chunk that the job wants to handle; ``None`` at the end."""
        chunk = await self._chunk()
        if not chunk:
            return None
        try:
            some, outcomes = sort_out(chunk, self._job, self._seen, self._of_item)
            self._keep(some)
            prints: dict[str, bytes | None] = {}
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
            else:
                for outcome in left:
                    await self._delivery.in_turn(outcome)
        except BaseException:
            for outcome in left:
                self._delivery.now(outcome)
            self._put_back(wanted)
            raise
        self._seen.settle(prints)  # now that the outcomes have their items, which are found by key
        return wanted

    async def _chunk(self) -> list[T]:
        """Return the next items: up to a few hundred that are available, else one; none at the end."""
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
        """Skip items that were about to be handled and will not be."""
        if items:
            self._job.return_unsent(items)
            self._skip(items)

    def _skip(self, batch: Iterable[T]) -> None:
        for item in batch:
            outcome = Skipped(key=self._job.key(item), reason="the run was stopped before it was sent")
            self._delivery.now(self._of_item(outcome, item))

    def _keep(self, items: Iterable[T]) -> None:
        """Keep accepted items for their outcomes, if these are to have them."""
        if self._items is not None:
            for item in items:
                self._items.keep(self._job.key(item), self._job.original(item))

    def _of_item(self, outcome: Outcome, item: T) -> Outcome:
        """Return the outcome of an item with this item, if it is to have it."""
        return outcome if self._items is None else self._items.of_item(outcome, self._job.original(item))


def bare(outcome: Outcome, item: object) -> Outcome:  # noqa: ARG001  (the item is what others add)
    """Return the outcome as it is."""
    return outcome


def sort_out(
    chunk: list[T], job: Job[T], seen: SeenKeys, of_item: Callable[[Outcome, T], Outcome] = bare
) -> tuple[list[T], list[Outcome]]:
    """Return a chunk's valid new items, and the outcomes of the others, made ``of_item``."""
    right: list[T] = []
    outcomes: list[Outcome] = []
    check, key_of = job.check, job.key
    for item in chunk:
        try:
            check(item)
        except ValidationError as error:
            outcomes.append(of_item(refused_locally(error), item))
        else:
            right.append(item)
    keys = list(map(key_of, right))
    if seen.add_items(keys, right):
        return right, outcomes
    new: list[T] = []
    for key, item in zip(keys, right, strict=True):
        if seen.add_item(key, item):
            new.append(item)
        else:
            outcomes.append(of_item(seen_before(key, item, seen, *job.fingerprints((item,))), item))
    return new, outcomes


def seen_before(key: str, item: object, seen: SeenKeys, print_: bytes) -> Skipped | Refused:
    """Return the outcome of a duplicate key: refused if the first item is known to be another request, else skipped."""
    before = seen.print_of(key)
    if before and print_ and before != print_:
        return refused_conflict(conflict_within(key, item, before, print_))
    return Skipped(key=key, reason="the same key came before in this input")
