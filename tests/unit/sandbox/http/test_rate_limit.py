"""A sliding log is exact in every window; refused requests do not count."""

import re
import time
from email.utils import parsedate_to_datetime
from random import Random
from typing import Literal

import pytest

from octoffm_async.sandbox import Group
from octoffm_async.sandbox.http.rate_limit import RequestLimits, SlidingLog, rate_limit_problem

from ..api import SECOND, Api
from ..conftest import Serve


def test_admits_so_many_then_says_how_long_to_wait() -> None:
    log = SlidingLog(2, 10.0)
    assert [log.admit(now) for now in (0.0, 1.0, 2.0)] == [0.0, 0.0, 8.0]


def test_a_refused_request_does_not_count() -> None:
    log = SlidingLog(1, 10.0)
    log.admit(0.0)
    assert [log.admit(now) for now in (5.0, 9.0, 9.5)] == [5.0, 1.0, 0.5]
    assert log.admit(10.0) == 0.0
    assert log.admit(19.9) == pytest.approx(0.1)


def test_no_window_holds_more_than_the_limit() -> None:
    rng, log, period, most = Random(1), SlidingLog(5, 1.0), 1.0, 5
    now, admitted = 0.0, list[float]()
    for _ in range(5000):
        now += rng.expovariate(20.0)
        if log.admit(now) == 0.0:
            admitted.append(now)
    assert len(admitted) > 1000
    assert all(later - earlier >= period for earlier, later in zip(admitted, admitted[most:], strict=False))


@pytest.mark.parametrize("limit", [(0, 1.0), (1, 0.0), (-1, 1.0)])
def test_a_limit_that_makes_no_sense_fails_at_once(limit: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        RequestLimits(limit, None)
    with pytest.raises(ValueError, match="above zero"):
        RequestLimits(None, {Group.STOCKS: limit})


def test_limits_are_kept_per_seller_and_group_and_a_group_may_have_its_own() -> None:
    limits = RequestLimits((1, 10.0), {Group.STOCKS: (2, 10.0)})
    calls = [("a", Group.STOCKS), ("a", Group.STOCKS), ("a", Group.STOCKS), ("a", Group.OUTBOUND), ("b", Group.STOCKS)]
    assert [limits.admit(seller, group, 0.0) > 0 for seller, group in calls] == [False, False, True, False, False]


def test_limits_show_what_holds_for_all_and_what_for_single_groups() -> None:
    limits = RequestLimits((1, 10.0), {Group.STOCKS: (2, 10.0)})
    assert limits.as_dict() == {"limit": (1, 10.0), "groups": {"stocks": (2, 10.0)}, "retry_after": None}
    limits.set(None)
    assert limits.as_dict() == {"limit": None, "groups": {}, "retry_after": None}


def test_tokens_are_not_under_the_request_limit() -> None:
    limits = RequestLimits((1, 10.0), None)
    assert [limits.admit("", Group.TOKEN, 0.0) for _ in range(5)] == [0.0] * 5


@pytest.mark.parametrize(("wait", "header"), [(0.001, "1"), (1.0, "1"), (1.2, "2"), (59.5, "60")])
def test_retry_after_in_seconds_is_rounded_up(wait: float, header: str) -> None:
    assert rate_limit_problem(wait, "seconds").headers == {"Retry-After": header}


def test_retry_after_as_a_date_is_never_too_early() -> None:
    text = rate_limit_problem(3.2, "date").headers["Retry-After"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", text)
    assert 3.0 <= parsedate_to_datetime(text).timestamp() - time.time() <= 4.3


async def test_over_the_limit_is_a_429_problem_without_retry_after(serve: Serve) -> None:
    api = await serve(limit=(2, 3600.0))
    assert [(await api.get("/stock-seller-references")).status for _ in range(3)] == [200, 200, 429]
    refused = await api.get("/stock-seller-references")
    assert refused.is_problem(429)
    assert refused.json["title"] == "Too Many Requests"
    assert "Retry-After" not in refused.headers


async def test_another_group_and_another_seller_have_limits_of_their_own(serve: Serve) -> None:
    api = await serve(limit=(1, 3600.0))
    assert (await api.get("/stocks", limit=1)).status == 200
    assert (await api.get("/stocks", limit=1)).status == 429
    assert (await api.get("/outbound-shipments")).status == 200
    assert (await api.as_seller(SECOND).get("/stocks", limit=1)).status == 200


async def test_what_the_checks_reject_does_not_count(serve: Serve) -> None:
    api = await serve(limit=(1, 3600.0))
    assert (await api.without("Authorization").get("/stocks", limit=1)).status == 401
    assert (await api.get("/stocks", limit=1)).status == 200


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_comes_if_it_is_set(serve: Serve, form: Literal["seconds", "date"]) -> None:
    api: Api = await serve(limits={Group.STOCKS: (1, 100.0)}, retry_after=form)
    await api.get("/stocks", limit=1)
    text = (await api.get("/stocks", limit=1)).headers["Retry-After"]
    seconds = float(text) if form == "seconds" else parsedate_to_datetime(text).timestamp() - time.time()
    assert 98 < seconds <= 101


def test_a_limit_that_is_changed_counts_what_was_admitted_before() -> None:
    limits = RequestLimits((3, 10.0), None)
    assert [limits.admit("A", Group.STOCKS, now) for now in (0.0, 1.0, 2.0)] == [0.0, 0.0, 0.0]
    limits.set((4, 10.0))
    assert limits.admit("A", Group.STOCKS, 3.0) == 0.0
    limits.set((2, 10.0))
    assert limits.admit("A", Group.STOCKS, 9.0) > 0.0
    assert limits.admit("A", Group.STOCKS, 12.5) == 0.0
    limits.set(None)
    assert limits.admit("A", Group.STOCKS, 12.5) == 0.0
    assert limits.limit is None


def test_a_wrong_limit_changes_nothing() -> None:
    limits = RequestLimits((1, 10.0), None)
    with pytest.raises(ValueError, match="above zero"):
        limits.set((0, 1.0))
    assert limits.limit == (1, 10.0)
