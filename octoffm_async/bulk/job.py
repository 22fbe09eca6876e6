"""What a run does with its items: the job, and the options that it is done with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import msgspec

from ..errors import ClosedError, ConfigurationError, CredentialsRefusedError, JournalError
from .outcomes import Outcome, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..session.given import Given
    from .oddities import OddReferences

T = TypeVar("T")

Deliver: TypeAlias = Callable[[Outcome], Awaitable[None]]

RUN_ENDING = (CredentialsRefusedError, ClosedError, JournalError)
"""Errors that concern every item alike: there is no use in going on."""


class Job(Generic[T]):
    """What a run does with its items. Most jobs need to say only key, check and handle, or send and outcome."""

    key: Callable[[T], str]
    """The item's business reference."""
    check: Callable[[T], None]
    """Raises ``ValidationError`` if an item cannot be right."""
    send: Callable[[Any], Awaitable[Any]]
    """Begins the call of one item."""
    batch: int = 1
    """Items handled together."""
    look_ahead: int = 1
    """Items that are there without waiting and are screened together."""
    low: int = 0
    """So few of them are left when the next ones are screened; known once it is started."""
    one_by_one: bool = False
    """Whether each item is one call: :meth:`send` begins it, :meth:`outcome` or :meth:`outcome_of_error` ends it."""
    takes_encoded: bool = False
    """Whether :meth:`send` does so, too, for an item's request as the journal has it."""
    given: Given | None = None
    """What the session knows of the ids of what is created, if there are any; there once it is started."""
    odd: OddReferences | None = None
    """Tells of references that an API may keep in another form."""
    hurried: bool = False
    """Whether the run is to end soon: it was stopped, or broke off."""

    def fingerprints(self, items: Sequence[T]) -> list[bytes]:
        """Return what tells items of one reference apart; nothing where the reference says all."""
        return [b""] * len(items)

    def keys(self, items: Iterable[T]) -> list[str]:
        """The business references of many."""
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
        """What the answer to an item's call means for it; none if it gets its outcome in the end."""
        raise NotImplementedError

    def outcome_of_error(self, item: T, error: BaseException) -> Outcome | None:
        """What it means that there is none. An error that is not of this call alone is raised."""
        raise NotImplementedError

    def hurry(self) -> None:
        """The run is to end soon."""
        self.hurried = True

    async def start(self) -> None:
        """Be ready; called once, before the first item is read."""

    async def screen(
        self,
        items: list[T],
        prints: list[bytes],  # noqa: ARG002  (for jobs that write them down)
    ) -> tuple[list[T], list[Outcome]]:
        """The items that are to be handled, and the outcomes of others; what has neither gets one in the end.

        ``prints`` are their fingerprints.
        """
        return items, []

    def put_back(self, items: Iterable[T]) -> None:
        """These were screened and will not be handled."""

    async def finish(self, deliver: Deliver) -> None:
        """Deliver what can only be known after all items were handled; if the run is hurried, only what is at hand."""

    def undecided(self) -> list[Outcome]:
        """Outcomes of what was handled or screened and has none yet."""
        return []

    def undecided_keys(self) -> set[str]:
        """The keys of those."""
        return {outcome.key for outcome in self.undecided()}

    async def close(self) -> None:
        """Let go of everything; called in every case, last."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a run works. ``drain`` is in seconds."""

    workers: int
    on_progress: Callable[[Summary], None] | None = None
    max_failures: int | None = None
    drain: float = 30.0

    def __post_init__(self) -> None:
        if self.workers < 1 or not self.drain >= 0:
            raise ConfigurationError(
                f"concurrency must be at least 1 and drain not below 0: {self.workers}, {self.drain}"
            )
