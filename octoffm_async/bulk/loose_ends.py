"""The items of a journalled run that have no outcome yet, and how each gets one.

- *Waiting*: their sending is undecided. They are looked for on the remote side.
- *Again*: they are surely absent and to be sent again.
- *Followed*: they were created and have not reached the status that the run waits for.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from ..contract.operations import CREATE_PRODUCTS
from ..errors import CallError
from .creations import exists_already
from .finding import is_long_ago
from .journal import LONG_AGO, LOOK_UP_MOST, UNDECIDED, State, Verdict, judge
from .journaling import known_outcome, outcome_of_match, sending_of, settle
from .outcomes import Created, Refused, Skipped, Unknown
from .reconcile import left_by, reconcile, utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import datetime

    from .claims import Claims
    from .finding import Finder
    from .following import Follower
    from .gathering import Findings, Match
    from .job import Deliver
    from .journal import Book, Entry
    from .outcomes import Outcome

T = TypeVar("T")
logger = logging.getLogger("octoffm_async")

_FIRST_LOOK, _LONGEST_LOOK = 0.1, 2.0
"""Seconds between looks at what another process is busy with."""


_WAITING_MOST = 10_000
"""Items that were looked up before they are sent and wait for another look, at the most: memory holds them all."""
_CONTROLS_MOST = 5
"""Created items that a list is checked with, at the most: any one of them is enough."""
_ABSENT_TWICE = (
    "it was not there, was sent again, and is not there again: it is not sent a third time by itself; look it up, and "
    "run again if it does not exist"
)


class _Waiting(NamedTuple, Generic[T]):
    item: T
    outcome: Unknown


class LooseEnds(Generic[T]):
    """What is left to be decided, in the end, of one run."""

    def __init__(
        self, book: Book, claims: Claims, *, finder: Finder, follower: Follower | None, alone_since: datetime | None
    ) -> None:
        self.again: dict[str, T] = {}
        self.control = ""
        """An order that the journal knew as created, of any age: a list of all orders must show it."""
        self._book = book
        self._claims = claims
        self._finder = finder
        self._follower = follower
        self._alone_since = alone_since
        self._waiting: dict[str, _Waiting[T]] = {}
        self._sent_again: set[str] = set()
        self._created: dict[str, float] = {}
        self.wants_created = book.operation != CREATE_PRODUCTS.name  # a product may be listed much later
        self._followed: dict[str, str | None] = {}
        self._followed_since = utc_now()
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Wait for nothing any more."""
        self._hurry.set()

    def wait_for(self, item: T, key: str, reason: str) -> None:
        """An item of the input whose sending is undecided."""
        self.again.pop(key, None)
        self._waiting[key] = _Waiting(item, Unknown(key=key, reason=reason))
        self._claims.take([key], self)

    def found_first(self, item: T, key: str, found: Findings) -> Outcome | None:
        """Write down what was found of an item before it was sent; its outcome, unless it waits for one."""
        if matches := found.matches.get(key):
            outcome = exists_already(key, matches)
            settle(self._book, outcome_of_match(key, matches[0]))
            self._claims.release_one(key, self)
            if outcome.earlier is None or not self.keeps(outcome.earlier):
                return outcome
            self._followed_since = LONG_AGO  # it may have got there long ago
            return None
        doubted = Unknown(key=key, reason=found.doubt_of(key))
        self.settle(doubted)
        if len(self._waiting) >= _WAITING_MOST:
            self._book.release([key])
            self._claims.release_one(key, self)
            return doubted
        self.wait_for(item, key, doubted.reason)
        return None

    def saw_created(self, key: str) -> None:
        """Note one of the first items that this run created: a list that shows none of them proves no absence."""
        self._created[key] = asyncio.get_running_loop().time()
        self.wants_created = len(self._created) < _CONTROLS_MOST

    def is_waiting(self, key: str) -> bool:
        """Whether an item waits for reconciliation."""
        return key in self._waiting

    def needs_following(self, entry: Entry) -> bool:
        """Whether a created entry is still to reach what the run waits for; if so, it is waited for."""
        if self._follower is None or self._follower.has_arrived(entry.followed):
            return False
        self._followed[entry.key] = entry.remote_id
        self._followed_since = min(self._followed_since, entry.sent_at)
        return True

    def settle(self, outcome: Outcome) -> None:
        """Write an outcome behind."""
        settle(self._book, outcome)

    def keeps(self, outcome: Outcome) -> bool:
        """Whether an outcome is a creation that is to be followed first; if so, it is told when it has arrived."""
        if self._follower is None or not isinstance(outcome, Created):
            return False
        self._followed[outcome.key] = outcome.id
        return True

    async def tell(self, outcome: Outcome, deliver: Deliver) -> None:
        """Deliver an outcome, unless it is kept."""
        if not self.keeps(outcome):
            await deliver(outcome)

    def let_go(self) -> None:
        """Leave to others what has found no end."""
        keys = [key for key in (*self._waiting, *self.again) if self._claims.held_by(key, self)]
        self._book.release(keys)
        self._claims.release(keys, self)

    def undecided(self) -> list[Outcome]:
        """The outcomes that items have if nothing more is found out."""
        absent = "it was not there, and the run ended before it was sent again"
        return [
            *(waiting.outcome for waiting in self._waiting.values()),
            *(Skipped(key=key, reason=absent) for key in self.again),
            *(Created(key=key, id=remote_id) for key, remote_id in self._followed.items()),
        ]

    async def reconcile(self, deliver: Deliver, *, patience: float, resend_unknown: bool) -> None:
        """Decide what is undecided, of whichever run; what is absent and in the input stands in :attr:`again` then."""
        decide = partial(self._decide, deliver, patience=patience, resend_unknown=resend_unknown)
        await self._book.flush()
        await self._learn(deliver, patience)
        entries = await self._undecided_entries()
        await decide(entries)
        theirs = self._waiting.keys() - {entry.key for entry in entries}
        if theirs and self._book.others_within:
            await self._wait_for_others(theirs, deliver, decide, seconds=patience + self._book.others_within)
        await self._book.flush()

    async def follow(self, deliver: Deliver) -> None:
        """Scan until all that was created has reached its goal, or was refused."""
        if self._follower is None or not self._followed or self._hurry.is_set():
            return
        arrivals = self._follower.follow(self._followed, since=self._followed_since, rest=self._rest)
        async for key, match, status, reason in arrivals:
            if match is None:  # the journal keeps it as created: another run follows it again
                await deliver(Unknown(key=key, reason=reason))
                continue
            outcome = outcome_of_match(key, match)
            if isinstance(outcome, Refused):
                self.settle(outcome)
            else:
                self._book.follow(key, status)
            await deliver(outcome)

    async def _decide(
        self, deliver: Deliver, entries: Sequence[Entry], *, patience: float, resend_unknown: bool
    ) -> None:
        """Look for items that are ours to decide."""
        sent_at = {entry.key: entry.sent_at for entry in entries}
        self._claims.take(sent_at, self)
        left = {entry.key: left_by(entry, alone_since=self._alone_since) for entry in entries}
        undecided = set(sent_at)
        doubted: set[str] = set()
        try:
            decided = reconcile(
                self._finder,
                sent_at,
                patience=patience,
                left_by=left,
                rest=self._rest,
                look_up=self._book.look_up,
                controls=partial(self._controls, patience, of_all=any(map(is_long_ago, sent_at.values()))),
            )
            async for key, matches, doubt in decided:
                if doubt := doubt or self._doubt_of_absence(key, matches):
                    doubted.add(key)
                    self._doubt(key, doubt)
                    continue
                undecided.discard(key)
                waiting = self._waiting.pop(key, None)
                if matches:
                    outcome = outcome_of_match(key, matches[0])
                    self.settle(outcome)
                    if waiting is not None:
                        await self.tell(outcome, deliver)
                else:
                    self._absent(key, waiting)
        except CallError as error:
            logger.warning("%d items stay unknown, reconciliation failed: %s", len(self._waiting), error)
            for key in undecided:
                self._doubt(key, f"it was sent, and could not be looked for: {error}")
            if resend_unknown:
                await self._give_up_waiting(self._waiting.keys())
        else:
            if doubted:
                logger.warning("the absence of %d items is not proven: they stay unknown", len(doubted))
            if doubted and resend_unknown:
                await self._give_up_waiting(doubted)
        finally:
            keys = [entry.key for entry in entries if entry.key not in self.again and entry.key not in self._waiting]
            self._book.release(undecided.intersection(keys))
            self._claims.release(keys, self)

    async def _wait_for_others(
        self,
        theirs: set[str],
        deliver: Deliver,
        decide: Callable[[Sequence[Entry]], Awaitable[None]],
        *,
        seconds: float,
    ) -> None:
        """Learn what other processes decide of items that wait, or decide those of which they let go or that died."""
        now = asyncio.get_running_loop().time
        until, pause = now() + seconds, 0.0
        while theirs and await self._rest(pause):
            await self._learn_of(list(theirs), deliver)
            theirs &= self._waiting.keys()
            keys = list(theirs)
            for start in range(0, len(keys), LOOK_UP_MOST):
                free = await self._book.undecided(keys[start : start + LOOK_UP_MOST])
                theirs.difference_update(entry.key for entry in free)
                await decide([entry for entry in free if not self._claims.held_by_other(entry.key, self)])
            if now() >= until:
                return
            pause = min(_LONGEST_LOOK, max(_FIRST_LOOK, 2 * pause))

    async def _learn(self, deliver: Deliver, patience: float) -> None:
        """Take what other calls of this process decide of the items that wait, once they are done with them."""
        theirs = [key for key in self._waiting if not self._claims.held_by(key, self)]
        try:
            async with asyncio.timeout(2 * patience):
                for key in theirs:
                    await self._claims.wait_for(key, self)
        except TimeoutError:
            pass
        await self._learn_of(theirs, deliver)

    async def _learn_of(self, keys: Sequence[str], deliver: Deliver) -> None:
        """Take what others have decided of items that wait."""
        for start in range(0, len(keys), LOOK_UP_MOST):
            for entry in await self._book.look_up(keys[start : start + LOOK_UP_MOST]):
                if entry is None or entry.state in UNDECIDED:
                    continue
                item = self._waiting.pop(entry.key).item
                given = sending_of(entry.key, item).payload_hash
                if (verdict := judge(entry, given)) is Verdict.SEND:
                    self.again[entry.key] = item
                else:
                    await deliver(known_outcome(entry, verdict, given))

    async def _undecided_entries(self) -> list[Entry]:
        """What is undecided and not in the hands of another call of this process."""
        found: list[Entry] = []
        keys = [entry.key for entry in await self._book.undecided()]
        for start in range(0, len(keys), LOOK_UP_MOST):
            # Looked up again: one that was under way when it was read may have been decided and let go of since.
            free = [key for key in keys[start : start + LOOK_UP_MOST] if not self._claims.held_by_other(key, self)]
            found += [
                entry
                for entry in await self._book.look_up(free)
                if entry is not None and entry.state in UNDECIDED and not self._claims.held_by_other(entry.key, self)
            ]
        return found

    def _controls(self, patience: float, *, of_all: bool) -> list[str]:
        """Return items that exist for so long that the list must show them; a list ``of_all`` shows any."""
        now = asyncio.get_running_loop().time()
        created = [key for key, at in self._created.items() if now - at >= patience]
        return [*created, self.control] if of_all and self.control else created

    def _absent(self, key: str, waiting: _Waiting[T] | None) -> None:
        """Let an item that does not exist be sent, now or another time."""
        self._book.settle(key, State.PENDING)
        if waiting is not None:
            self.again[key] = waiting.item
            self._sent_again.add(key)

    def _doubt_of_absence(self, key: str, matches: Sequence[Match]) -> str:
        """Why what is not found is not believed to be absent: of two sendings, one should have arrived."""
        return "" if matches or key not in self._sent_again else _ABSENT_TWICE

    def _doubt(self, key: str, reason: str) -> None:
        """Let an item that may exist all the same wait for ever: it is told as unknown in the end."""
        if (waiting := self._waiting.get(key)) is not None:
            self._waiting[key] = waiting._replace(outcome=Unknown(key=key, reason=reason))
        self._book.settle(key, State.UNKNOWN, message=reason)  # the journal tells which proof is missing

    async def _give_up_waiting(self, keys: Collection[str]) -> None:
        """Send what waits again although nothing is known of it: the user asked for it."""
        given_up = {key: waiting.item for key, waiting in self._waiting.items() if key in keys}
        for entry in await self._book.undecided():
            if entry.key in given_up and entry.state is State.SENT:
                self._book.settle(entry.key, State.UNKNOWN)
        for key in given_up:
            del self._waiting[key]
        self.again |= given_up

    async def _rest(self, seconds: float) -> bool:
        """Wait, unless the run is to end soon; whether to go on."""
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return True
        return False
