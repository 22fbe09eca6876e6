"""Shared limits: what the arithmetic promises whoever leases, gives back, pauses or is late."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import Limit
from octoffm_async.ratelimit.learned_rate import SECOND
from octoffm_async.ratelimit.shared.gcra import (
    FRESH,
    KEPT,
    KEPT_LEARNED,
    PROBE,
    RESERVED,
    SILENT,
    LeaseReply,
    LeaseRequest,
    LimitState,
    advance,
)
from octoffm_async.ratelimit.shared.lease import burst_of, interval_for, slack_for
from tests.unit.ratelimit.test_limiter import worst_window
from tests.unit.sizes import tries

JITTER = 0.02
LIMITS = st.builds(
    Limit, st.integers(1, 60), per=st.sampled_from([0.5, 1.0, 10.0, 60.0]), burst=st.none() | st.integers(1, 8)
)


class Step(NamedTuple):
    """What one of several clients does: when, how many slots it asks for, how many it gives back, what it tells."""

    client: int
    gap: float
    want: int
    back: int
    late: float
    travel: float
    pause: float
    event: str


STEPS = st.lists(
    st.builds(
        Step,
        client=st.integers(0, 3),
        gap=st.sampled_from([0.0, 0.0, 0.001, 0.02, 0.3, 2.0]),
        want=st.integers(0, 12),
        back=st.integers(0, 12),
        late=st.floats(0.0, 1.0),
        travel=st.floats(0.0, 1.0),
        pause=st.sampled_from([0.0, 0.0, 0.0, 0.05, 1.0]),
        event=st.sampled_from(["", "", "", "", "refused", "accepted"]),
    ),
    max_size=80,
)


class LeasedSlot(NamedTuple):
    """A slot that a client leased: its place, when it may be used and when it is, and the epoch that it is of."""

    place: int
    end: int
    moment: float
    arrival: float
    epoch: int


class Client:
    """Leases slots, and uses each one as late as it may; a request then arrives later still."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.interval = interval_for(limit, jitter=JITTER)
        self.epoch = self.end = 0
        self.held: list[LeasedSlot] = []

    def request(self, step: Step) -> LeaseRequest:
        """Give back the last slots, as far as they follow each other without a gap, and ask for more."""
        end = self.end
        for _ in range(step.back):
            if self.held and self.held[-1].end == self.end:
                self.end = self.held.pop().place
        return LeaseRequest(
            key="key",
            interval=self.interval,
            tolerance=(burst_of(self.limit) - 1) * self.interval,
            want=step.want,
            within=3600 * SECOND,
            epoch=self.epoch,
            back_from=self.end if self.end < end else 0,
            back_to=end if self.end < end else 0,
            pause=int(step.pause * SECOND),
            refused=step.event == "refused",
            accepted=step.event == "accepted",
        )

    def apply_reply(self, step: Step, reply: LeaseReply) -> None:
        self.epoch = reply.epoch
        for number in range(reply.granted):
            place = reply.place + number * reply.step
            moment = (reply.now + max(reply.floor, reply.start + number * reply.step)) / SECOND
            arrival = moment + step.late * slack_for(self.limit) + step.travel * JITTER
            self.held.append(LeasedSlot(place, place + reply.step, moment, arrival, reply.epoch))
            self.end = place + reply.step


@settings(max_examples=tries(500))
@given(LIMITS, STEPS)
def test_no_window_holds_more_than_the_limit_however_late_the_slots_are_used(limit: Limit, steps: list[Step]) -> None:
    clients, ended = [Client(limit) for _ in range(4)], dict[int, float]()
    state, now = None, 10 * SECOND
    for step in steps:
        now += int(step.gap * SECOND)
        client, epoch = clients[step.client], 0 if state is None else state.epoch
        state, reply = advance(state, client.request(step), now)
        if reply.epoch != epoch:
            ended[epoch] = now / SECOND
        client.apply_reply(step, reply)
    arrivals = [
        min(slot.arrival, slot.moment + FRESH / SECOND)
        for client in clients
        for slot in client.held
        if slot.moment <= ended.get(slot.epoch, 1e9) + FRESH / SECOND  # by then its client has heard of a new epoch
    ]
    assert worst_window(arrivals, limit.per - 1e-9) <= limit.calls


@pytest.mark.parametrize("limit", [Limit(50), Limit(50, per=10.0), Limit(1000), Limit(3, per=60.0)])
def test_at_least_96_percent_of_a_limit_can_be_used(limit: Limit) -> None:
    state, reply = advance(None, LeaseRequest("key", interval_for(limit, jitter=JITTER), want=100_000), 0)
    assert reply.granted * reply.step >= 59 * SECOND
    assert SECOND / reply.step >= 0.96 * limit.calls / limit.per
    assert state.free_at == reply.granted * reply.step


def test_slots_follow_each_other_whoever_leases_them() -> None:
    state, first = advance(None, LeaseRequest("key", 20_000, want=3), 1_000_000)
    state, second = advance(state, LeaseRequest("key", 20_000, want=2), 1_010_000)
    assert (first.granted, first.start, first.place) == (3, 0, 1_000_000)
    assert (second.granted, second.start, second.place) == (2, 50_000, 1_060_000)


def test_time_that_nobody_used_is_not_saved_up() -> None:
    state, _ = advance(None, LeaseRequest("key", 20_000, want=1), 1_000_000)
    _, late = advance(state, LeaseRequest("key", 20_000, want=3), 9_000_000)
    assert (late.start, late.place) == (0, 9_000_000)


def test_a_burst_may_leave_at_once() -> None:
    _, reply = advance(None, LeaseRequest("key", 20_000, tolerance=40_000, want=5), 1_000_000)
    moments = [max(reply.floor, reply.start + number * reply.step) for number in range(5)]
    assert moments == [0, 0, 0, 20_000, 40_000]


def test_slots_are_taken_back_only_if_they_are_the_last() -> None:
    state, mine = advance(None, LeaseRequest("key", 20_000, want=4), 1_000_000)
    back = LeaseRequest("key", 20_000, epoch=mine.epoch, back_from=mine.place + 40_000, back_to=mine.place + 80_000)
    state, _ = advance(state, back, 1_001_000)
    state, other = advance(state, LeaseRequest("key", 20_000, want=1), 1_002_000)
    assert other.place == mine.place + 40_000
    state, _ = advance(state, back._replace(back_from=mine.place, back_to=mine.place + 40_000), 1_003_000)
    _, last = advance(state, LeaseRequest("key", 20_000, want=1), 1_004_000)
    assert last.place == other.place + 20_000


def blocked(now: int = 100 * SECOND, *, interval: int = 20_000, calls: int = 500) -> tuple[LimitState, LeaseReply]:
    """The state after a 429 that came when so many calls had been let through for ten seconds."""
    state, reply = advance(None, LeaseRequest("key", interval, want=1), now - 10 * SECOND)
    for second in range(10):
        state, reply = advance(state, LeaseRequest("key", interval, used=calls // 10), now - (9 - second) * SECOND)
    return advance(state, LeaseRequest("key", interval, epoch=reply.epoch, refused=True, pause=300_000), now)


def test_a_429_is_news_once_in_an_epoch() -> None:
    state, first = blocked()
    assert (first.blocked, first.pause, first.throttlings) == (True, 300_000, 1)
    state, again = advance(state, LeaseRequest("key", 20_000, epoch=first.epoch - 1, refused=True), 100 * SECOND + 1000)
    assert (again.epoch, again.throttlings) == (first.epoch, 1)
    _, probe = advance(state, LeaseRequest("key", 20_000, epoch=first.epoch, refused=True), 100 * SECOND + 400_000)
    assert (probe.epoch, probe.throttlings) == (first.epoch + 1, 2)


def test_while_it_is_blocked_one_slot_at_a_time_is_leased_after_the_pause() -> None:
    state, _ = blocked()
    now, granted = 100 * SECOND, list[int]()
    for _ in range(300):
        now += 10_000
        state, reply = advance(state, LeaseRequest("key", 20_000, want=5), now)
        assert reply.granted <= 1
        assert reply.granted or reply.again > 0
        granted += [now + reply.start] * reply.granted
    assert granted[0] >= 100 * SECOND + 300_000
    assert len(granted) in (5, 6)
    assert all(later - before >= PROBE for before, later in pairwise(granted))


def test_the_first_accepted_request_ends_a_block_and_the_rate_begins_below_what_was_refused() -> None:
    state, first = blocked()
    state, _ = advance(state, LeaseRequest("key", 20_000, epoch=first.epoch - 1, accepted=True), 101 * SECOND)
    assert state.learned.blocked_at > 0
    state, reply = advance(state, LeaseRequest("key", 20_000, want=3, epoch=first.epoch, accepted=True), 101 * SECOND)
    assert not reply.blocked
    assert reply.epoch == first.epoch + 1
    assert 0.97 * 50 <= SECOND / reply.pace <= 0.99 * 50
    assert (reply.granted, reply.step) == (3, reply.pace)


def test_after_a_long_block_the_rate_is_what_the_window_held() -> None:
    state, reply = blocked(calls=500)  # 500 in 10 s, then nothing for 50 s: the limit is 500 a minute
    now = 100 * SECOND
    while now < 150 * SECOND:
        now += SECOND
        state, reply = advance(state, LeaseRequest("key", 20_000, epoch=reply.epoch, refused=True), now)
    _, reply = advance(state, LeaseRequest("key", 20_000, epoch=reply.epoch, accepted=True), now)
    assert SECOND / reply.pace == pytest.approx(500 / 60, rel=0.12)


def test_a_learned_rate_grows_to_what_is_configured() -> None:
    state, first = blocked()
    state, reply = advance(state, LeaseRequest("key", 20_000, epoch=first.epoch, accepted=True), 101 * SECOND)
    paces = list[int]()
    for second in range(102, 200):
        state, reply = advance(state, LeaseRequest("key", 20_000, want=1), second * SECOND)
        paces.append(reply.pace)
    assert paces == sorted(paces, reverse=True)
    assert reply.step == 20_000


def test_without_a_limit_calls_are_free_until_a_429() -> None:
    state, reply = advance(None, LeaseRequest("key", 0, want=5), SECOND)
    assert (reply.granted, reply.free) == (0, FRESH)
    for tenth in range(11, 111):
        state, reply = advance(state, LeaseRequest("key", 0, used=10), tenth * SECOND // 10)
    state, reply = advance(state, LeaseRequest("key", 0, epoch=reply.epoch, refused=True), 11 * SECOND)
    assert reply.free == 0
    state, reply = advance(state, LeaseRequest("key", 0, epoch=reply.epoch, accepted=True, want=2), 12 * SECOND)
    assert (reply.granted, reply.free) == (2, 0)
    assert SECOND / reply.step == pytest.approx(98, rel=0.1)


def test_a_clock_that_is_set_back_frees_no_call() -> None:
    state, first = blocked()
    state, _ = advance(state, LeaseRequest("key", 0, epoch=first.epoch, accepted=True), 101 * SECOND)
    _, reply = advance(state, LeaseRequest("key", 0, want=1), SECOND)
    assert (reply.granted, reply.free) == (0, 0)
    assert 40 <= SECOND / reply.pace <= 50


def test_a_pause_is_for_all_and_a_shorter_one_does_not_end_it() -> None:
    state, _ = advance(None, LeaseRequest("key", 20_000, pause=5 * SECOND), SECOND)
    state, reply = advance(state, LeaseRequest("key", 20_000, want=1, pause=SECOND), 2 * SECOND)
    assert (reply.pause, reply.start, reply.floor) == (4 * SECOND, 4 * SECOND, 4 * SECOND)


def test_who_knows_of_a_state_that_is_not_there_makes_all_go_slowly() -> None:
    state, reply = advance(None, LeaseRequest("key", 20_000, settle=3 * SECOND, shares=10, want=3, epoch=7), SECOND)
    assert reply.step == 200_000
    _, reply = advance(state, LeaseRequest("key", 20_000, want=1), 4 * SECOND)
    assert reply.step == 20_000


def test_a_state_is_kept_longer_if_it_has_learned_something() -> None:
    state, _ = advance(None, LeaseRequest("key", 20_000, want=1), SECOND)
    assert state.kept_until == SECOND + 20_000 + KEPT
    state, _ = blocked()
    assert state.kept_until >= 100 * SECOND + KEPT_LEARNED


def test_no_new_slot_comes_closer_to_an_old_one_than_the_interval_when_an_epoch_ends() -> None:
    state, first = advance(None, LeaseRequest("key", 20_000, want=100), 100 * SECOND)
    now = 100 * SECOND + 5000
    state, reported = advance(state, LeaseRequest("key", 20_000, epoch=first.epoch, refused=True, want=1), now)
    state, probe = advance(state, LeaseRequest("key", 20_000, epoch=reported.epoch, want=1), now + 100_000)
    usable = max(place for place in range(first.place, first.place + 2_000_000, 20_000) if place <= now + FRESH)
    assert probe.granted == 1
    assert probe.place >= usable + 20_000
    _, after = advance(
        state, LeaseRequest("key", 20_000, epoch=reported.epoch, accepted=True, want=1), probe.place + 1000
    )
    assert after.place >= probe.place + 20_000


def test_after_a_block_that_nobody_probed_the_old_slots_are_not_given_out_again() -> None:
    state, first = advance(None, LeaseRequest("key", 200_000, want=2), 100 * SECOND)
    _, reported = advance(state, LeaseRequest("key", 200_000, epoch=first.epoch, refused=True), 100 * SECOND)
    _, after = advance(state, LeaseRequest("key", 200_000, epoch=reported.epoch, accepted=True, want=1), 100 * SECOND)
    assert after.granted == 1
    assert after.place >= first.place + 2 * first.step


def entry(client: int, known: int, **more: bool) -> LeaseRequest:
    return LeaseRequest("clients", 0, shares=4, settle=3 * SECOND, client=client, known=known, **more)


def registered(*known: int, now: int) -> tuple[LimitState, int]:
    """The register after clients 1, 2, … renewed their entries at ``now``, and the shares that it reserves."""
    state, reply = advance(None, entry(1, 0), now)
    for client in range(2, len(known) + 1):
        state, _ = advance(state, entry(client, 0), now)
    for client, each in enumerate(known, 1):
        state, reply = advance(state, entry(client, each), now)
    return state, reply.reserved


def test_a_share_is_reserved_for_each_silent_client_as_far_as_it_can_still_be_there() -> None:
    now = 1000 * SECOND
    old = now - SILENT - 1
    assert registered(now, now - SILENT, now, now=now)[1] == 0
    assert registered(now, old, now, now=now)[1] == 1
    assert registered(now, old, old, old, now=now)[1] == 3
    assert registered(now, now, old, old, old, now=now)[1] == 2
    assert registered(*[old] * 4, now=now)[1] == 4
    state, reserved = registered(*[old] * 20, *[now] * 4, now=now)
    assert (len(state.clients), reserved) == (8, 0)


def test_an_entry_ends_when_its_client_leaves_or_was_silent_for_long() -> None:
    now = 1000 * SECOND
    state, reserved = registered(now, now, now - SILENT - 1, now=now)
    assert reserved == 1
    left, reply = advance(msgspec.convert(msgspec.to_builtins(state), LimitState), entry(3, now, leaves=True), now)
    assert (set(left.clients), reply.reserved) == ({1, 2}, 0)
    later = now - SILENT - 1 + RESERVED
    assert state.kept_until > later
    state, reply = advance(state, entry(1, later), later)
    assert (set(state.clients), reply.reserved) == ({1, 2}, 1)


def test_a_register_that_was_lost_reserves_a_share_for_each_client_that_has_not_returned() -> None:
    now = 1000 * SECOND
    state, reply = advance(None, entry(1, now - SECOND), now)
    assert reply.reserved == 3
    state, reply = advance(state, entry(2, now - SECOND), now)
    assert reply.reserved == 2
    state, reply = advance(state, entry(1, now + 3 * SECOND), now + 3 * SECOND)
    assert reply.reserved == 1  # the other is silent
    _, reply = advance(state, entry(2, now + 3 * SECOND), now + 3 * SECOND)
    assert reply.reserved == 0


def test_slots_that_were_leased_before_a_share_was_reserved_expire() -> None:
    ask = LeaseRequest("key", 20_000, shares=10, want=100)
    state, first = advance(None, ask._replace(seen=SECOND), SECOND)
    state, same = advance(state, ask._replace(seen=SECOND + 1), SECOND + 1)
    assert (same.epoch, same.step) == (first.epoch, 20_000)
    state, less = advance(state, ask._replace(reserved=5, seen=SECOND + 2), SECOND + 2)
    assert (less.epoch, less.step, less.granted) == (first.epoch + 1, 40_000, 100)
    assert less.start <= FRESH + 40_000
    state, older = advance(state, ask._replace(seen=SECOND + 1), SECOND + 3)
    assert (older.epoch, older.step) == (less.epoch, 40_000)
    state, more = advance(state, ask._replace(seen=SECOND + 3), SECOND + 4)
    assert (more.epoch, more.step) == (less.epoch, 20_000)


def test_nothing_is_leased_by_an_old_reading_or_where_all_is_reserved() -> None:
    ask = LeaseRequest("key", 20_000, shares=10, want=1, seen=SECOND)
    state, first = advance(None, ask, SECOND)
    state, old = advance(state, ask, 2 * SECOND + 1)
    assert (old.granted, old.epoch) == (0, first.epoch + 1)
    assert old.again > 0
    state, none = advance(state, ask._replace(seen=2 * SECOND, reserved=10), 2 * SECOND + 2)
    assert none.granted == 0
    assert none.again > 0
    _, back = advance(state, ask, SECOND)  # the clock was set back
    assert back.granted == 1
