"""What one client holds of a shared limit: never used too early or too late, whatever the clocks show."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import Limit
from octoffm_async.ratelimit.learned_rate import SECOND
from octoffm_async.ratelimit.shared.gcra import LeaseReply, LeaseRequest, advance
from octoffm_async.ratelimit.shared.lease import (
    DRIFT,
    EAGER,
    FRESH,
    ClockOffset,
    FallbackLimiter,
    Leases,
    burst_of,
    interval_for,
    slack_for,
)

SLACK = 0.015
STEP = 20_000


def lease(want: int, *, now: int = 1000 * SECOND, step: int = STEP) -> LeaseReply:
    """An answer of a store whose clock shows ``now``."""
    return advance(None, LeaseRequest("key", step, want=want), now)[1]


def holding(want: int, *, sent: float = 5.0, received: float = 5.001, step: int = STEP) -> Leases:
    """Leases whose client asked then, of a store that knows of no one else."""
    leases = Leases(SLACK, step)
    reply = lease(want, step=step)
    ahead = sent - reply.now / SECOND, received - reply.now / SECOND
    leases.apply_reply(reply, sent=sent, received=received, ahead=ahead)
    return leases


@given(
    st.floats(-1e5, 1e5),
    st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 0.05), st.floats(0.0, 0.05)), min_size=1, max_size=30),
    st.floats(-1.0, 1.0),
)
def test_the_offset_of_two_clocks_lies_within_its_bounds(
    offset: float, trips: list[tuple[float, float, float]], drift: float
) -> None:
    slack = 1e-6 + 0.05 * DRIFT  # what clocks may drift apart while an answer is on its way back is not counted
    known, true = ClockOffset(), 0.0
    for gap, there, back in trips:
        true += gap + there
        mine = true * (1 + drift * DRIFT * 0.9) + offset
        least, most = known.update(true, sent=mine - there, received=mine + back)
        assert least - slack <= mine - true <= most + slack
        assert most - least <= there + back + 1e-6
        true += back


def test_the_quickest_answer_of_late_tells_most() -> None:
    known = ClockOffset()
    assert known.width(0.0) == inf
    known.update(100.0, sent=5.0, received=5.001)
    least, most = known.update(101.0, sent=5.9, received=6.1)
    assert most - least == pytest.approx(0.001, abs=3 * DRIFT)
    assert known.width(6.1) == pytest.approx(most - least)


def test_a_clock_that_was_put_back_is_believed() -> None:
    known = ClockOffset()
    known.update(100.0, sent=5.0, received=5.001)
    assert known.update(50.0, sent=6.0, received=6.001) == (-44.0, pytest.approx(-43.999))


@given(st.floats(0.0, 0.2), st.floats(0.0, 1.0))
def test_a_slot_is_used_neither_before_its_time_nor_too_late(trip: float, when: float) -> None:
    decided = 5.0 + trip * when  # the client does not know when
    leases = holding(3, sent=5.0, received=5.0 + trip)
    for moment in (5.0 + trip + number * 0.001 for number in range(300)):
        if leases.wait(moment) <= 0:
            place = next(iter(leases._slots)).place
            late = moment - (decided + (place - 1000 * SECOND) / SECOND)
            assert -1e-6 <= late <= SLACK + 1e-6
            leases.take()


def test_an_answer_that_took_longer_than_a_slot_lasts_is_of_no_use() -> None:
    assert len(holding(3, sent=5.0, received=5.02)) == 0
    assert holding(3, sent=5.0, received=5.02).expired == 3


def test_a_slow_answer_does_no_harm_where_the_clock_is_known() -> None:
    leases, reply = Leases(SLACK, STEP), lease(3)
    known = ClockOffset()
    known.update(reply.now / SECOND - 1, sent=4.0, received=4.001)
    ahead = known.update(reply.now / SECOND, sent=5.0, received=5.03)
    assert leases.apply_reply(reply, sent=5.0, received=5.03, ahead=ahead) == 2


def test_what_was_not_heard_of_lately_is_asked_for_before_it_is_used() -> None:
    leases = holding(30)
    first = 0
    while leases.wait(5.002 + first * 0.02) <= 0:
        leases.take()
        first += 1
    assert first * 0.02 == pytest.approx(FRESH, abs=0.02)
    assert leases.wait(5.002 + first * 0.02) == inf
    assert leases.check_at(5.26) < 5.26
    sent = 5.26
    reply = lease(0, now=1000 * SECOND + 260_000)._replace(epoch=leases.epoch)
    leases.apply_reply(reply, sent=sent, received=sent + 0.001, ahead=(5.0 - 1000.0, 5.001 - 1000.0))
    assert leases.wait(5.002 + first * 0.02) <= 0


def test_slots_of_an_older_epoch_are_forgotten() -> None:
    leases = holding(5)
    reply = lease(1, now=1001 * SECOND)
    leases.apply_reply(reply, sent=6.0, received=6.001, ahead=(-995.0, -994.999))
    assert (len(leases), leases.epoch) == (1, reply.epoch)


def test_only_slots_without_a_gap_before_the_end_are_given_back() -> None:
    leases = holding(3)
    end = leases.end
    assert leases.give_back(1) == (end - 2 * STEP, end)
    assert len(leases) == 1
    reply = lease(2, now=1000 * SECOND + 100_000)._replace(epoch=leases.epoch)
    leases.apply_reply(reply, sent=5.1, received=5.101, ahead=(-995.0, -994.999))
    assert leases.give_back(0) == (reply.place, reply.place + 2 * STEP)
    assert len(leases) == 1  # another client may hold what lies between
    assert leases.give_back(1) == (0, 0)


def test_slots_are_leased_ahead_unless_others_do() -> None:
    leases = holding(1, step=1000)
    assert leases.eager(5.001) == int(EAGER * 1000)
    reply = lease(1, step=1000)._replace(epoch=leases.epoch, place=leases.end + 50_000, start=50_000)
    leases.apply_reply(reply, sent=5.0, received=5.001, ahead=(-995.0, -994.999))
    assert leases.crowded
    assert leases.eager(5.001) == 0


def test_alone_calls_are_spaced_from_a_moment_after_the_store_was_lost() -> None:
    alone = FallbackLimiter(2.0)
    alone.begin(100.0, -inf)
    assert FRESH <= alone.wait(100.0) <= FRESH + 2.0
    assert alone.add(103.0) == 105.0
    assert alone.wait(103.0) == pytest.approx(2.0)
    alone.begin(103.0, -inf)
    assert alone.wait(103.0) >= 2.0


def test_the_first_call_alone_comes_an_interval_after_its_share_is_reserved() -> None:
    alone = FallbackLimiter(2.0)
    alone.begin(100.0, 103.0)
    assert alone.wait(100.0) == 5.0


@pytest.mark.parametrize(
    ("limit", "slack"), [(Limit(50), 0.015), (Limit(5, per=0.1), 0.005), (Limit(5, per=60.0), 0.1)]
)
def test_the_slack_is_a_small_part_of_the_window(limit: Limit, slack: float) -> None:
    assert slack_for(limit) == pytest.approx(slack)
    assert interval_for(limit, jitter=0.02) >= (limit.per + 0.02 + slack) / limit.calls * SECOND


def test_a_burst_is_at_most_half_of_the_limit() -> None:
    assert burst_of(Limit(10)) == 1
    assert burst_of(Limit(10, burst=3)) == 3
    assert burst_of(Limit(10, burst=9)) == 5
    assert interval_for(Limit(10, burst=3), jitter=0.0) == pytest.approx(1_015_000 / 8, abs=1)
