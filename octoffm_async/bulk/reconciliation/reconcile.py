"""Reconciliation: finding on the remote side the outcome of requests whose response is not known.

An item that is found exists. An item that is not found may still become visible (a replica lags, a request was slow),
so it is looked up again until ``patience`` seconds have passed since its request was sent at the latest; only then, and
only after a thorough look-up proves it, the item counts as absent, and may be sent again. Where no order of ours is
known that the list could show, this takes twice as long, and applies to one item alone: the list must show that one
before it proves anything about the others. Where a look-up leaves a doubt, an item is not absent but undecided, and is
not sent again; a doubt that may pass, because others changed the list while it was read, is looked at again for another
patience. All items that are open at a time share each scan.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...journal import ABSENT_MOST, LOOK_UP_MOST, UNDECIDED, State, is_long_ago
from ...text import printable
from .controls import ControlOrder, Evidence, KnownOrders
from .lookup_findings import not_shown
from .reference_matching import alike
from .taken_reference import was_taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence

    from ...journal import Entry, Journal, JournalRun
    from ...journal.key_claims import KeyClaims
    from .controls import Controls, EntryLookup, OneFirst
    from .id_owners import Owners
    from .lookup_findings import LookupFindings, RemoteMatch
    from .remote_lookup import RemoteLookup

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0
_LOOKS_AGAIN = 4
"""Parts of another patience after which a doubt that may pass is looked at again."""
_NOTED_WITHIN = 0.1
"""Seconds within which the journal has recorded a creation."""
_SHOWN_MOST = 5
"""Maximum number of found orders that a list must show where the journal knows none yet."""
_AGES = timedelta(days=36_500)
"""Age that is greater than the error of any clock."""
ONE_FIRST = not_shown(
    "no order of ours is known that it could show: one is sent again first, and the others once it has shown that one"
)
"""Doubt of an absent item that is looked up again once another absent item has been sent again."""
NONE_KNOWN = not_shown(
    "no order of ours is known that it could show, and one at the most is sent again without that (run again once any "
    "order has been created through the same journal)"
)
_ABSENT_AGAIN = (
    "it was absent, was sent again, and is absent again: it is not sent a third time automatically; look it up, and "
    "record what you found: octoffm jobs settle KEY --absent, or --created ID"
)


class Decision(NamedTuple):
    """Result for a key: its matches; without any it is absent, unless there is a ``doubt``."""

    key: str
    matches: list[RemoteMatch]
    doubt: str = ""


class LookupFunction(Protocol):
    """Look-up function: a quick or a thorough one."""

    def __call__(self, references: Collection[str], *, since: datetime) -> Awaitable[LookupFindings]: ...


logger: logging.Logger = logging.getLogger("octoffm_async")


async def reconcile(
    lookup: RemoteLookup,
    sent_at: Mapping[str, datetime],
    *,
    patience: float,
    ago: Mapping[str, float] | None = None,
    api_at: Mapping[str, datetime] | None = None,
    api_clock: Callable[[], datetime | None] = lambda: None,
    rest: Callable[[float], Awaitable[bool]] | None = None,
    look_up: EntryLookup | None = None,
    controls: Controls | None = None,
    one_first: OneFirst | None = None,
    owners: Owners | None = None,
    rivals: Collection[str] = (),
    ends_at: float = math.inf,
) -> AsyncIterator[Decision]:
    """Decide each key: yield its matches, or none once it is absent, or the reason why its absence is not proven.

    ``sent_at`` is the earliest local time at which each key was sent, ``ago`` the number of seconds since the latest
    (since ``sent_at``, if not given), ``api_at`` the time of the API's own clock before, where known, and ``api_clock``
    returns its present time. ``rest`` waits between scans; if it returns False, the remaining keys stay undecided.
    ``look_up`` returns which similar rows are other items of ours, ``controls`` the orders that the list must show;
    where there is none, ``one_first`` chooses the only key that may be absent. ``owners`` recognises rows of other
    orders, ``rivals`` are other undecided references. No doubt is looked at again after ``ends_at`` (loop time).

    Raises:
        CallError: the remote side could not be read.
    """
    clock = asyncio.get_running_loop().time
    open_keys, api_at = dict(sent_at), api_at or {}
    ages = ago or {key: time.time() - at.timestamp() for key, at in sent_at.items()}
    due = {key: clock() + patience - max(0.0, age) for key, age in ages.items()}
    pause, again, longer, by_api = min(FIRST_PAUSE, patience), patience / _LOOKS_AGAIN, 0.0, False
    doubted_at: dict[str, float] = {}
    shown: dict[str, ControlOrder] = {}
    looking = _Looking(look_up, owners, open_keys, rivals)
    while open_keys:
        began = clock()
        found = await looking.found(lookup.find, open_keys)
        if not by_api and (api_now := api_clock()) is not None:
            by_api = True  # the local clock may have been set forward since
            ages = {key: (api_now - at).total_seconds() for key, at in api_at.items()}
            due |= {key: max(due[key], began + patience - max(0.0, age)) for key, age in ages.items()}
        shown |= {key: ControlOrder(key, open_keys[key]) for key in open_keys if found.matches.get(key)}
        ripe = {key for key in open_keys if began >= due[key]}
        for key in [key for key in open_keys if found.matches.get(key) or (key in ripe and found.doubt_of(key))]:
            del open_keys[key]
            yield looking.decision(key, found)
        absent = ripe & open_keys.keys()
        known = await _known_near([open_keys[key] for key in absent], controls, shown) if absent and controls else None
        ripe_in = 0.0 if known is None else known.ripe_in
        if known is not None:
            longer = 0.0 if known.controls else patience
            absent = {key for key in absent if not ripe_in and began >= due[key] + longer}
        if absent:
            wanted = {key: at for key, at in open_keys.items() if key in absent}
            evidence = _evidence([api_at[key] for key in wanted if key in api_at], known, look_up, patience)
            proof, decisions = await looking.proven(lookup, wanted, evidence, one_first)
            shown |= {key: ControlOrder(key, at) for key, at in wanted.items() if proof.matches.get(key)}
            for decision in decisions:
                until = min(doubted_at.setdefault(decision.key, clock()) + patience, ends_at)
                if proof.passing and decision.doubt == proof.doubt and clock() + again < until:
                    ripe_in = max(ripe_in, again)
                    continue
                del open_keys[decision.key]
                yield decision
        left = max(ripe_in, max((due[key] for key in open_keys), default=0.0) + longer - clock())
        if open_keys and not await (rest or sleep)(min(max(left, 0.01), pause)):
            return
        pause = min(LONGEST_PAUSE, pause * 2)


async def _known_near(times: Sequence[datetime], controls: Controls, shown: Mapping[str, ControlOrder]) -> KnownOrders:
    """Return the orders that a list must show next to those times; in their place the orders that it has shown."""
    known = await controls(min(times), max(times))
    if shown and (known.ripe_in or not known.controls):
        return known._replace(controls=list(shown.values())[:_SHOWN_MOST], ripe_in=0.0)
    return known


def _evidence(
    clocks: Sequence[datetime], known: KnownOrders | None, look_up: EntryLookup | None, patience: float
) -> Evidence:
    """Return what a list must show before it proves an absence."""
    must_show, created = (None, 0) if known is None else (known.controls, known.created)
    first, last = min(clocks, default=None), max(clocks, default=None)
    return Evidence(first, last, must_show, look_up, created, waited=patience)


class _Looking:
    """Look-ups of one reconciliation, and the references that are undecided meanwhile, of others too."""

    def __init__(
        self, look_up: EntryLookup | None, owners: Owners | None, keys: Collection[str], rivals: Collection[str]
    ) -> None:
        self._look_up = look_up
        self._owners = owners
        self._undecided = {*keys, *(rivals if alike(keys, set(rivals).difference(keys)) else ())}

    async def found(self, look: LookupFunction, sent_at: Mapping[str, datetime]) -> LookupFindings:
        """Look up references; return the findings without rows that are other items of ours with that very reference.

        If another undecided reference may be mistaken for one of these, all are looked up together: they may show
        whether the list keeps references.
        """
        references = {*self._undecided} if alike(sent_at, self._undecided - sent_at.keys()) else {*sent_at}
        found = await look(references, since=min(sent_at.values()))
        if self._look_up is not None:
            found = found.without(await _known(found, self._look_up))
        return found if self._owners is None else await self._owners.sift(found, references)

    async def proven(
        self, lookup: RemoteLookup, sent_at: Mapping[str, datetime], evidence: Evidence, one_first: OneFirst | None
    ) -> tuple[LookupFindings, list[Decision]]:
        """Return what a thorough look-up found, and the results; without a control, one missing key may be absent."""
        proof = await self.found(partial(lookup.prove, evidence=evidence), sent_at)
        decisions = [self.decision(key, proof) for key in sent_at]
        if one_first is not None and evidence.controls is not None and not evidence.controls:
            doubts = await one_first({each.key for each in decisions if not each.matches and not each.doubt})
            decisions = [each._replace(doubt=doubts.get(each.key, each.doubt)) for each in decisions]
            self._undecided |= {each.key for each in decisions if each.doubt}
        return proof, decisions

    def decision(self, key: str, found: LookupFindings) -> Decision:
        """Return the result for a key; without a doubt, it is no longer undecided."""
        matches = found.matches.get(key, [])
        if len(matches) > 1:
            ids = ", ".join(printable(str(match.id)) for match in matches)
            logger.error("DUPLICATE: reference %r exists %d times remotely: %s", key, len(matches), ids)
        doubt = "" if matches else found.doubt_of(key)
        if not doubt:
            self._undecided.discard(key)
        return Decision(key, matches, doubt)


async def _known(found: LookupFindings, look_up: EntryLookup) -> dict[str, Entry | None]:
    known: dict[str, Entry | None] = {}
    keys = list(found.others())
    for start in range(0, len(keys), LOOK_UP_MOST):
        some = keys[start : start + LOOK_UP_MOST]
        known.update(zip(some, await look_up(some), strict=True))
    return known


async def sleep(seconds: float) -> bool:
    """Wait; return True to continue."""
    await asyncio.sleep(seconds)
    return True


def left_ago(entry: Entry, journal: Journal, *, over_for: float | None) -> float:
    """Return the seconds since an undecided item's request was sent at the latest.

    ``sent`` is written before the request waits for a permit, which may take long; but no dead process sent a request
    after this process had the ``journal`` alone. ``over_for`` is the number of seconds since a request of this process
    ended, if one did: by a clock that no user can set, while the local clock may have been set forward.
    """
    now = utc_now()
    opened_at = journal.opened_at
    ages = [] if over_for is None else [over_for]
    if entry.latest_sent_at is not None:
        ages.append((now - entry.latest_sent_at).total_seconds())
        if journal.taken_on is not None and entry.state is not State.UNKNOWN:
            ages.append(asyncio.get_running_loop().time() - journal.taken_on)
    elif entry.state is State.UNKNOWN:
        ages.append((now - entry.changed_at).total_seconds())
    elif opened_at is not None and entry.changed_at < opened_at:
        ages.append((now - opened_at).total_seconds())
        if journal.opened_on is not None:
            ages.append(asyncio.get_running_loop().time() - journal.opened_on)
    else:
        ages.append(0.0)
    return max(0.0, min(ages))


def controls_of(journal_run: JournalRun, patience: float) -> Controls:
    """Return a look-up of the controls that a journal has known for so long that the list must show them.

    Where it knows younger ones only, the look-up returns those, and the time until they are old enough by a clock that
    no user can set: the local clock may have been ahead when they were created, and none would ever be old enough by
    it. An item sent at an unknown time has no neighbours: its controls are those of the other items, or the last
    control of all.
    """
    seen: dict[str, float] = {}

    async def near(first: datetime, last: datetime) -> KnownOrders:
        if is_long_ago(first):
            first = last = utc_now() if is_long_ago(last) else last
        now = asyncio.get_running_loop().time()
        ripe = utc_now() - timedelta(seconds=max(0.0, patience - _NOTED_WITHIN))
        found = await journal_run.created_near(first, last, ripe=ripe)
        ripe_in = 0.0
        if not found:
            found = await journal_run.created_near(first, last, ripe=ripe + _AGES)
            ages = [now - seen.setdefault(entry.key, now) for entry in found]
            ripe_in = max(0.0, patience - min(ages, default=patience))
        count = await journal_run.count_created(first, ripe=ripe)
        return KnownOrders([ControlOrder(entry.key, entry.sent_at) for entry in found], count, ripe_in)

    return near


def one_first_of(
    journal_run: JournalRun, claims: KeyClaims, entries: Mapping[str, Entry], waiting: Collection[str]
) -> OneFirst:
    """Return a function that chooses the one waiting item that is sent again where no order of ours is known.

    None is chosen while an earlier choice is undecided: an item with an absence in the journal, or one that this
    process chose. ``entries`` are the undecided ones. Items of killed runs may never have been sent, and the last of
    them are the least likely to have been, since a run sends in the order of its input. Items that are not sent again
    anyway do not count.
    """

    async def choose(absent: Collection[str]) -> str | None:
        keys = [key for key in waiting if key in absent][::-1]
        keys.sort(key=lambda key: entries[key].state is not State.SENT)
        if not keys or any(entry.absences for entry in entries.values()):
            return None
        if (before := claims.sent_first) is not None:
            (entry,) = await journal_run.look_up([before])
            is_open = entry is not None and (entry.state in UNDECIDED or entry.state is State.PENDING)
            if is_open or claims.sent_first != before:  # another call chose one meanwhile
                return None
        claims.sent_first = keys[0]
        return keys[0]

    async def doubts(absent: Collection[str]) -> dict[str, str]:
        held = {key for key in absent if not braked(entries[key]) and not was_taken(entries[key])}
        one = await choose(held)
        return dict.fromkeys(held - {one}, NONE_KNOWN if one is None else ONE_FIRST)

    return doubts


def braked(entry: Entry) -> str:
    """Return the reason why an absent item is not sent again automatically, or "".

    Of two requests, one should have arrived.
    """
    return _ABSENT_AGAIN if entry.absences >= ABSENT_MOST else ""


def utc_now() -> datetime:
    """Return the local time."""
    return datetime.now(UTC)
