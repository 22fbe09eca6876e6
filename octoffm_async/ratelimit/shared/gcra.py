"""The algorithm of one limit that many processes share: its state in a store, and its changes. Pure: time is passed in.

All times are whole microseconds of the store's clock, all durations whole microseconds.

**Slots.** The limit is a sequence of times, called *slots*; at each of them one call may be sent, and a client leases
the next ones. This is the generic cell rate algorithm (GCRA): the state is the time of the next free slot, and a lease
of k slots moves it by k intervals. With a burst b, slots may come (b - 1) intervals early, so that b of them are
available at once.

**Why no window contains too many requests.** A slot is used between its time and ``slack`` after it, or not at all. The
API may receive a request up to ``jitter`` later than another. So the requests that it receives within T used slots of a
span of T + jitter + slack. With an interval of I = (T + jitter + slack) / (N - b + 1) such a span holds at most
(b - 1) + (N - b + 1) = N of them. Of the limit T / (T + jitter + slack) can be used if b is 1.

**Epochs.** A 429 ends one *epoch* of the limit, an accepted request after it another. A report about a request counts
only if the request was sent in the present epoch of the state: therefore the 429s that several processes receive at
once cut the rate once, and no clocks are compared. Slots of an older epoch are expired. A client that has not received
the epoch for :data:`FRESH` asks before it uses any slot, so that a pause holds everywhere within that time; it leases
slots that are further ahead again.

**After a 429** the limit is *blocked*: no call is sent during the pause, then one slot every :data:`PROBE` is leased,
until a request is accepted. Then the rate is found again (:mod:`..learned_rate`).

**Clients that are cut off** go on with a *share* of the limit each, which must come off what the others lease. So each
client has an entry in a *register* of the store: the last time of the store that it knows. An entry older than
:data:`SILENT` reserves a share, unless the others are so many that its client cannot be there any more, for at most
:data:`RESERVED`. Each client reads the register twice a second, and no slot is leased by a reading older than
:data:`READ`. A client goes on alone only after the time at which every slot that is used was leased with its share
reserved (:data:`ALONE_AFTER`) and one interval of its own more, and updates its entry one such interval after its last
call alone. So its calls and the leased ones together are at each moment within the limit, and each place that the
rounding of its first and last call may take in a window was left free before and after. A share is at least one call;
of a limit with fewer calls than there may be clients, so many of them can be cut off.

**A store that has lost its state** reserves a share for each client that has not returned, for a while (``settle``).
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import msgspec

from ..learned_rate import SECOND, LearnedRate

FRESH = 250_000
"""Microseconds after its last reply for which a client may use its slots without asking again."""
PROBE = 500_000
"""Microseconds between two probes while a limit is blocked."""
SILENT, RESERVED = 2 * SECOND, 600 * SECOND
"""Microseconds after the last time that a client knows, from which and until which its share is reserved."""
READ = SECOND
"""Microseconds after a reading of the register for which slots are leased by it."""
ALONE_AFTER = SILENT + READ + FRESH
"""Microseconds after the last time that a client knows, from which its share is reserved in every slot that is used."""
AGAIN = 50_000
"""Microseconds until another request is useful if nothing can be leased now."""
KEPT, KEPT_LEARNED = 60 * SECOND, 600 * SECOND
"""Microseconds after its last slot for which a state is kept; the second: a state with a learned rate."""
PAUSE_MOST = 86_400 * SECOND
"""Microseconds: the longest pause that clients share."""
VERSION = 4
"""The version of the format in which a state is stored; a fleet must have one."""


class LeaseRequest(NamedTuple):
    """The request of a client about one limit: news and wishes. ``epoch`` is the last it received; 0 is none."""

    key: str
    interval: int
    """Microseconds between two slots by the configured limit; 0 is no limit."""
    tolerance: int = 0
    """Microseconds by which slots may come early: the burst less one, times the interval."""
    settle: int = 0
    """Microseconds after a loss of state in which clients may not have returned yet."""
    shares: int = 1
    reserved: int = 0
    seen: int = 0
    """The number of shares of the limit, and how many the register reserved at a time of the store; 0: not read."""
    want: int = 0
    within: int = 60 * SECOND
    """Microseconds: slots further ahead are not wanted."""
    epoch: int = 0
    used: int = 0
    """Calls that were accepted since the last request."""
    back_from: int = 0
    back_to: int = 0
    """Slots that are returned: from the place of the first unused one to the end of the lease."""
    pause: int = 0
    """Microseconds for which the API, or a back-off, asks all clients to wait."""
    refused: bool = False
    accepted: bool = False
    """Reports on this epoch: a request met a 429; a request was the first to be accepted after one."""
    client: int = 0
    """The number of a client, in a request about its entry in the register at ``key``; 0: about a limit."""
    known: int = 0
    leaves: bool = False
    """The last time of the store that the client knows, 0 is none; True ends its entry."""


class LeaseReply(NamedTuple):
    """The reply of a store about one limit. Durations count from the moment of its decision."""

    epoch: int
    granted: int
    start: int
    """Microseconds until the first leased slot; below zero with a burst."""
    step: int
    """Microseconds between two leased slots."""
    floor: int
    """Microseconds until the first moment at which any slot may be used."""
    place: int
    """The place of the first slot, for its return: that of the n-th is n steps further."""
    again: int
    """Microseconds until another request is useful, if no slot was leased."""
    pause: int
    blocked: bool
    pace: int
    """Microseconds between two slots by the learned rate alone; 0: no rate was learned."""
    throttlings: int
    free: int
    """Microseconds for which no slot is needed, because there is no limit, configured or learned."""
    now: int
    """The store's clock at its decision."""
    reserved: int = 0
    """Shares that the register reserves."""


class LimitState(msgspec.Struct, array_like=True, tag=VERSION):
    """The state of one limit. Rates are in calls per second; a time of 0 is none.

    In every version of the format the version stands first, then ``asked_at``, the time of the last request.
    """

    asked_at: int
    free_at: int
    epoch: int
    learned: LearnedRate
    slow_until: int = 0
    paused_until: int = 0
    reserved: int = 0
    seen: int = 0
    """The last reading of the register."""
    clients: dict[int, int] = {}
    """The register: the last time that each client knows. Its state has no slots."""

    @property
    def kept_until(self) -> int:
        """The time after which the state may be deleted."""
        if self.clients:
            return self.asked_at + RESERVED
        kept = KEPT_LEARNED if self.learned.found > 0 or self.learned.blocked_at > 0 else KEPT
        return max(self.free_at, self.paused_until) + kept


def advance(state: LimitState | None, request: LeaseRequest, now: int) -> tuple[LimitState, LeaseReply]:
    """Return the state after a request, and the reply. A state that was kept long enough may be passed as None."""
    if state is None:
        state = LimitState(asked_at=0, free_at=now, epoch=now, learned=LearnedRate(resumed=now, second=now))
        if request.epoch > 0:
            state.slow_until = now + request.settle
    state.asked_at = now
    if request.client:
        return state, _register(state, request, now)
    learned = state.learned
    learned.count(request.used, now)
    if request.epoch == state.epoch:
        # Only the end of the sequence can be taken back: slots that other clients leased behind it keep their times.
        if 0 < request.back_to == state.free_at:
            state.free_at = request.back_from
        if request.refused:
            _block(state, request, now)
        elif request.accepted and learned.blocked_at > 0:
            _resume(state, request, now)
    if request.pause > 0:
        state.paused_until = max(state.paused_until, now + min(request.pause, PAUSE_MOST))
    before = state.reserved
    if request.seen >= state.seen or state.seen > now:
        state.reserved, state.seen = request.reserved, request.seen
    if state.reserved > before or _is_unread(state, now):
        _expire(state, request, max(request.interval, _pace(state, now)), now)
    return state, _lease(state, request, now)


def _register(state: LimitState, request: LeaseRequest, now: int) -> LeaseReply:
    """Update a client's entry in the register, and return the shares that are reserved."""
    clients = {client: min(known, now) for client, known in state.clients.items() if now - known < RESERVED}
    if request.leaves:
        clients.pop(request.client, None)
    else:
        if request.known and request.client not in clients:  # others may have gone on alone too
            state.slow_until = now + request.settle
        clients[request.client] = request.known or now
    # Older entries reserve nothing: either so many clients are there, or so many others are silent.
    state.clients = dict(sorted(clients.items(), key=lambda entry: entry[1])[-2 * request.shares :])
    connected = sum(now - known <= SILENT for known in state.clients.values())
    silent = request.shares if now < state.slow_until else len(state.clients) - connected
    reserved = max(0, min(silent, request.shares - connected))
    return LeaseReply(0, 0, 0, 0, 0, 0, 0, 0, blocked=False, pace=0, throttlings=0, free=0, now=now, reserved=reserved)


def _is_unread(state: LimitState, now: int) -> bool:
    return state.seen > 0 and now - state.seen > READ


def _expire(state: LimitState, request: LeaseRequest, step: int, now: int) -> None:
    """End the epoch."""
    state.epoch += 1
    # Clients that have not received the new epoch use old slots until then; those further ahead are expired.
    state.free_at = min(state.free_at, now + FRESH + request.tolerance + step)


def _block(state: LimitState, request: LeaseRequest, now: int) -> None:
    step = max(request.interval, _pace(state, now))
    state.learned.refuse(now, ceiling=SECOND / request.interval if request.interval else 0.0)
    _expire(state, request, step, now)


def _resume(state: LimitState, request: LeaseRequest, now: int) -> None:
    state.learned.resume(now)
    state.epoch += 1
    step = max(request.interval, _pace(state, now))
    # After the old epoch's slots, even if no probe was leased: a client that went on alone may have been accepted.
    behind = min(state.free_at, state.learned.refused_at + FRESH + request.interval)
    state.free_at = max(now, behind, state.free_at - max(PROBE - step, 0))


def _pace(state: LimitState, now: int) -> int:
    """Return the microseconds between two slots by the learned rate; 0: no rate was learned."""
    rate = state.learned.rate(now)
    return ceil(SECOND / rate) if rate else 0


def _lease(state: LimitState, request: LeaseRequest, now: int) -> LeaseReply:
    pace = _pace(state, now)
    blocked, shares = state.learned.blocked_at > 0, request.shares
    unreserved = min(shares - state.reserved, 1 if now < state.slow_until else shares)
    step, tolerance, within, want = max(request.interval, pace), request.tolerance, request.within, request.want
    if 0 < unreserved < shares:
        step = max(step, -(-request.interval * shares // unreserved))
    if blocked:
        step, within, want = max(step, PROBE), FRESH, min(want, 1)
    if pace > 0 or blocked or unreserved < shares:
        tolerance = 0
    pause = max(state.paused_until - now, 0)
    # GCRA: the next slot is the later of now and the end of the last lease, less the burst's tolerance.
    base = max(now + pause, state.free_at)
    start = base - tolerance - now
    granted = again = 0
    if step > 0 and (unreserved <= 0 or _is_unread(state, now)):
        again = AGAIN
    elif step > 0 and want > 0:
        granted = min(want, max(0, (within - max(start, pause)) // step + 1))
        if granted == 0:
            again = max(start, pause) - within if not blocked else max(start, pause)
        state.free_at = base + granted * step if granted > 0 else state.free_at
    return LeaseReply(
        epoch=state.epoch,
        granted=granted,
        start=start,
        step=step,
        floor=pause,
        place=base,
        again=again,
        pause=pause,
        blocked=blocked,
        pace=pace,
        throttlings=state.learned.throttlings,
        free=FRESH if step == 0 and pause == 0 else 0,
        now=now,
    )
