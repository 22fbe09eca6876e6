"""The job of a run, which handles its items, and the run's options."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import msgspec

from ..errors import ClosedError, ConfigurationError, CredentialsRefusedError, JournalError
from .outcomes import Outcome, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..session.decoding.known_ids import KnownIds
    from .odd_references import OddReferences

T = TypeVar("T")

Deliver: TypeAlias = Callable[[Outcome], Awaitable[None]]

RUN_ENDING = (CredentialsRefusedError, ClosedError, JournalError)
"""Errors that concern every item alike, so that the run ends."""


class Job(Generic[T]):
    """The handling of a run's items. Most jobs define only key, check and handle, or send and outcome."""

    key: Callable[[T], str]
    """Function that returns an item's business reference."""
    check: Callable[[T], bytes | None]
    """Function that raises ``ValidationError`` for an invalid item; it may return its JSON, if it encoded it."""
    send: Callable[[Any], Awaitable[Any]]
    """Function that begins the call of one item."""
    batch: int = 1
    """Number of items that are handled together."""
    look_ahead: int = 1
    """Maximum number of available items that are screened together."""
    low: int = 0
    """Low-water mark of screened items, at which the next ones are screened; known once the job is started."""
    one_by_one: bool = False
    """True if each item is one call: :meth:`send` begins it, :meth:`outcome` or :meth:`outcome_of_error` ends it."""
    reads_only: bool = False
    """True if the calls of the job change nothing, so that an interrupted item is failed and not unknown."""
    takes_encoded: bool = False
    """True if :meth:`send` also takes an item's encoded request, as the journal stores it."""
    given: KnownIds | None = None
    """Ids that the session knows of created items, if there are any; set once the job is started."""
    odd: OddReferences | None = None
    """Check of references that an API may store in another form."""
    run_id: str | None = None
    """Name of the run in its journal; ``None`` before the job has started, and without a journal."""
    stop_requested: bool = False
    """True if the run is to end soon: it was stopped, or an error ended it."""

    def awaited(self) -> tuple[int, int]:
        """Return the numbers of items that are being looked up, and of those whose status is awaited."""
        return 0, 0

    def fingerprints(self, items: Sequence[T]) -> list[bytes]:
        """Return fingerprints that distinguish items of one reference; empty where the reference is enough."""
        return [b""] * len(items)

    def original(self, item: T) -> object:
        """Return the form of an item that the caller knows, for ``outcome.item``."""
        return item

    def keys(self, items: Iterable[T]) -> list[str]:
        """Return the business references of many items."""
        return list(map(self.key, items))

    async def handle(self, items: Sequence[T], deliver: Deliver) -> None:
        """Deliver one outcome for each item."""
        for item in items:
            try:
                answer = await self.send(item)
            except BaseException as error:  # noqa: BLE001  (raised again, unless it is the item's outcome)
                outcome = self.outcome_of_error(item, error)
            else:
                outcome = self.outcome(item, answer)
            if outcome is not None:
                await deliver(outcome)

    def outcome(self, item: T, answer: Any) -> Outcome | None:
        """Return the outcome of an item from its response; ``None`` if :meth:`finish` delivers it."""
        raise NotImplementedError

    def outcome_of_error(self, item: T, error: BaseException) -> Outcome | None:
        """Return the outcome of an item whose call failed; raise an error that does not concern this call alone."""
        raise NotImplementedError

    def request_stop(self) -> None:
        """Request the end of the run."""
        self.stop_requested = True

    async def start(self) -> None:
        """Prepare the job; called once, before the first item is read."""

    async def screen(
        self,
        items: list[T],
        prints: dict[str, bytes | None],  # noqa: ARG002  (for jobs that know them)
    ) -> tuple[list[T], list[Outcome]]:
        """Return the items to handle, and outcomes of others; an item with neither gets its outcome in :meth:`finish`.

        ``prints`` takes the fingerprints that are known then, by key; ``None`` for an item that a journal shows as
        created, and will show so again: the run need not remember its key.
        """
        return items, []

    def return_unsent(self, items: Iterable[T]) -> None:
        """Return items that were screened and will not be handled."""

    async def finish(self, deliver: Deliver) -> None:
        """Deliver outcomes that are known only after all items were handled; in a hurried run, only those at hand."""

    def undecided(self) -> list[Outcome]:
        """Return outcomes of items that were handled or screened and have none yet."""
        return []

    def undecided_keys(self) -> set[str]:
        """Return the keys of those items."""
        return {outcome.key for outcome in self.undecided()}

    async def close(self) -> None:
        """Release all resources; called last, in every case."""


class RunOptions(msgspec.Struct, frozen=True):
    """Options of a run. ``drain`` is in seconds; ``with_items`` puts each item onto its outcome."""

    workers: int
    on_progress: Callable[[Summary], None] | None = None
    max_failures: int | None = None
    drain: float = 30.0
    with_items: bool = False

    def __post_init__(self) -> None:
        if self.workers < 1 or not self.drain >= 0:
            raise ConfigurationError(
                f"concurrency must be at least 1 and drain not below 0: {self.workers}, {self.drain}"
            )
