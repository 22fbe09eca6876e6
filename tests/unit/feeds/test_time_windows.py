"""Windows of time: side by side, shorter where rows lie dense, and never one lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.feeds.time_windows import FINEST, TimeRange, Window

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT = 10


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_window_without_bounds_holds_every_time() -> None:
    assert Window(at(0), at(5)).bounds == (at(0), at(5))
    unbound = Window(None, None)
    assert unbound.bounds[0] < at(0) < unbound.bounds[1]


@pytest.mark.parametrize(
    ("times", "until"),
    [
        ([float(second) for second in range(100)], 89),  # in order: nine tenths of what the page shows
        ([float(second) for second in reversed(range(100))], 50),  # not in order: half of what it shows
        ([7.0] * 100, 7),
        ([0.5] * 100, 1),  # no shorter than a second
        ([999.9] * 100, 999),  # and at least a second shorter than it was
        ([], 500),
    ],
)
def test_an_overfull_window_ends_where_its_page_says(times: list[float], until: float) -> None:
    stretch = TimeRange(at(0), at(1000), limit=LIMIT)
    assert stretch.narrow([at(time) for time in times])
    assert stretch.window == Window(at(0), at(until))


def test_what_cannot_be_made_shorter_says_so() -> None:
    assert not TimeRange(at(0), at(1), limit=LIMIT).narrow([at(0.5)] * 20)
    assert not TimeRange(None, at(1), limit=LIMIT).narrow([])
    assert not TimeRange(at(0), None, limit=LIMIT).narrow([at(5), at(9)])


def test_widths_follow_how_dense_rows_lie() -> None:
    stretch = TimeRange(at(0), at(1_000_000), limit=1000)
    assert stretch.narrow([at(second) for second in range(1000)])
    stretch.advance(899)  # one a second
    assert stretch.window.low == at(899)
    assert stretch.until is not None
    assert stretch.until - at(899) == pytest.approx(timedelta(seconds=900), abs=timedelta(seconds=5))
    end = stretch.until
    stretch.advance(90)  # a tenth as many
    assert stretch.until - end > timedelta(seconds=1200)


def test_quiet_times_are_leapt_over() -> None:
    stretch = TimeRange(at(0), at(10_000_000), limit=1000)
    stretch.narrow([at(0)] * 1000)
    widths = []
    while not stretch.done and len(widths) < 10:
        assert stretch.low is not None
        assert stretch.until is not None
        widths.append((stretch.until - stretch.low).total_seconds())
        stretch.advance(900 if len(widths) == 1 else 0)
    assert widths[:2] == [1.0, 1.0]
    assert len(widths) == 4


def test_nothing_is_shared_where_nothing_is_found_or_left() -> None:
    stretch = TimeRange(at(0), at(1000), limit=LIMIT)
    assert stretch.share() is None  # all of it is being read
    stretch.narrow([at(second) for second in range(100)])
    assert stretch.share() is not None
    stretch.advance(0)
    assert stretch.share() is None
    assert TimeRange(None, None, limit=LIMIT).share() is None


@given(
    rows=st.lists(st.integers(0, 50_000).map(lambda tenths: tenths / 10), max_size=300),
    ordered=st.booleans(),
    bounded=st.booleans(),
    thieves=st.lists(st.booleans(), max_size=60),
)
def test_every_moment_is_read_once_however_it_is_shared(
    rows: list[float], ordered: bool, bounded: bool, thieves: list[bool]
) -> None:
    if ordered:
        rows = sorted(rows)
    times = [at(row) for row in rows]
    stretches, read, steals, turns = (
        [TimeRange(at(0) if bounded else None, at(5001), limit=LIMIT)],
        [],
        iter(thieves),
        0,
    )
    while stretches:
        turns += 1
        assert turns < 3000
        stretch = stretches.pop(0)
        if stretch.done:
            continue
        if next(steals, False) and (share := stretch.share()) is not None:
            assert share.low == stretch.high
            assert stretch.until is not None
            assert stretch.high is not None
            assert stretch.until <= stretch.high
            stretches.append(share)
        low, high = stretch.window.bounds
        assert low < high
        found = [time for time in times if low <= time < high]
        if len(found) <= LIMIT or not stretch.narrow(found[:LIMIT]):
            read += found
            if len(found) > LIMIT:
                assert high - low <= FINEST
            stretch.advance(len(found))
        else:
            assert stretch.window.bounds[1] < high
        stretches.append(stretch)
    assert sorted(read) == sorted(times)
