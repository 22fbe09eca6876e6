"""The server counts what it saw."""

import time

from octoffm_async.sandbox import Fault, Group, RequestRecord, Requests
from octoffm_async.sandbox.http.request_log import MAX_REQUEST_RECORDS, RequestRate

from ..api import FIRST, SECOND, Api, product


async def test_requests_are_counted_by_operation_and_status(api: Api) -> None:
    await api.register(product(1))
    await api.get("/stocks", limit=1)
    await api.get("/stocks", limit=0)
    await api.get("/nowhere")
    requests = api.sandbox.requests
    assert requests.total == 5
    assert requests.by == {
        ("token.create", 200): 1,
        ("products.create", 202): 1,
        ("stocks.list", 200): 1,
        ("stocks.list", 400): 1,
        ("", 404): 1,
    }
    assert requests.count("stocks.list") == 2
    assert requests.count(status=200) == 2
    assert requests.count("stocks.list", 400) == 1
    assert requests.count() == 5


async def test_arrivals_report_when_who_what_and_how_it_ended(api: Api) -> None:
    before = time.monotonic()
    await api.as_seller(SECOND).get("/stocks", limit=1)
    await api.get("/nowhere")
    token, listed, nowhere = api.sandbox.arrivals
    assert token[1:] == ("", Group.TOKEN, "token.create", 200, "")
    assert listed[1:] == (SECOND, Group.STOCKS, "stocks.list", 200, "")
    assert nowhere[1:] == (FIRST, None, "", 404, "")
    assert token.at < before <= listed.at <= nowhere.at <= time.monotonic()


async def test_an_arrival_is_the_time_before_any_delay(api: Api) -> None:
    api.sandbox.faults.next(Fault.LATENCY, value=0.1)
    before = time.monotonic()
    await api.get("/stocks", limit=1)
    assert api.sandbox.arrivals[-1].at - before < 0.09


async def test_stats_are_the_counters_as_plain_data(api: Api) -> None:
    api.sandbox.faults.next(Fault.THROTTLE)
    await api.get("/stocks", limit=1)
    assert api.sandbox.stats() == {
        "total": 2,
        "by_status": {"200": 1, "429": 1},
        "by_operation": {"token.create": {"200": 1}, "stocks.list": {"429": 1}},
        "throttled": 1,
        "tokens_issued": 1,
        "tokens_refused": 0,
    }


def test_arrivals_are_bounded() -> None:
    requests = Requests()
    for number in range(MAX_REQUEST_RECORDS + 5):
        requests.end(RequestRecord(float(number), "", None, "", 200))
    assert len(requests.arrivals) == MAX_REQUEST_RECORDS
    assert requests.arrivals[0].at == 5.0
    assert requests.count() == MAX_REQUEST_RECORDS + 5


def test_pace_counts_the_last_sixty_seconds() -> None:
    pace = RequestRate()
    for at, status in [(100.0, 200), (100.9, 429), (101.1, 200), (159.5, 429)]:
        pace.record(at, status)
    shown = pace.last(159.9)
    assert len(shown) == 60
    assert (shown[0], shown[1], shown[-1]) == ((2, 1), (1, 0), (1, 1))
    assert sum(count for count, _ in shown) == 4


def test_pace_forgets_what_is_older_and_ignores_what_comes_too_late() -> None:
    pace = RequestRate()
    pace.record(100.0, 200)
    pace.record(160.0, 200)
    pace.record(100.5, 200)
    assert sum(count for count, _ in pace.last(160.0)) == 1
    assert sum(count for count, _ in pace.last(400.0)) == 0
