"""Real processes that share limits, against the sandbox: what it sees in any window, whatever happens to the store.

In real time, so what needs a machine of its own is left out unless asked for (``-m soak``).
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from benchmarks.fleet import Fleet, highest_window
from benchmarks.servers import PostgresServer, RedisServer

pytestmark = pytest.mark.one_loop
LIMIT = (50, 1.0)
JITTER = 0.2
"""Seconds that one request may take longer than another: the machine is busy with other tests."""


@pytest.fixture(params=["file", "redis", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def address(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    return str(tmp_path / "state.sqlite") if kind == "file" else str(request.getfixturevalue(kind))


def most_in_a_window(fleet: Fleet) -> int:
    """The most requests in any window, which is shorter by what this machine stalled for beyond the clients' jitter."""
    period = LIMIT[1] - max(0.0, fleet.arrivals.stall - JITTER)
    return max(highest_window(moments, period) for moments in fleet.arrivals.moments.values())


def test_four_processes_use_one_limit_and_no_more(address: str) -> None:
    with Fleet(address, processes=4, sellers=1, limit=LIMIT, jitter=JITTER) as fleet:
        (seen,), worker_counts = fleet.run(seconds=3.0, workers=4)
    assert most_in_a_window(fleet) <= 50
    assert seen.used >= 0.7
    assert sum(each["done"] for each in worker_counts) >= 0.6 * 50 * 3
    assert sum(each["failed"] for each in worker_counts) == 0


@pytest.mark.soak
@pytest.mark.parametrize("cut_off", [1, 4, 8])
def test_a_partial_outage_of_the_store_leaves_the_limit_whole(cut_off: int, address: str) -> None:
    with Fleet(address, processes=8, sellers=1, limit=LIMIT, jitter=JITTER) as fleet:
        _, worker_counts = fleet.run(seconds=16.0, workers=4, cut_off=cut_off, outage=(2.0, 9.0))
        after = fleet.arrivals.seen("S0", LIMIT, since=14.0)
    assert most_in_a_window(fleet) <= 50
    assert after.used >= 0.6
    assert sum(each["failed"] for each in worker_counts) == 0


@pytest.mark.soak
def test_many_keys_each_have_their_limit(address: str) -> None:
    with Fleet(address, processes=3, sellers=40, limit=(10, 2.0), jitter=0.1) as fleet:
        seen, _ = fleet.run(seconds=5.0, workers=1)
    assert max(each.highest for each in seen) <= 10
    assert sum(each.used for each in seen) / 40 >= 0.8


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_store_that_is_restarted_costs_time_but_not_the_limit(
    kind: str, address: str, request: pytest.FixtureRequest
) -> None:
    server: RedisServer | PostgresServer = request.getfixturevalue(f"{kind}_server")

    def restart() -> None:
        time.sleep(1.5)
        server.stop()
        time.sleep(1.0)
        server.start()

    with Fleet(address, processes=3, sellers=1, limit=LIMIT, jitter=JITTER) as fleet:
        outage = threading.Thread(target=restart)
        outage.start()
        (before,), worker_counts = fleet.run(seconds=6.0, workers=4)
        outage.join()
        time.sleep(4.0)  # for so long all go slowly after an outage
        (after,), _ = fleet.run(seconds=2.5, workers=4)
    assert before.highest <= 50
    assert sum(each["failed"] for each in worker_counts) == 0
    assert after.used >= 0.8
    assert after.highest <= 50


@pytest.mark.soak
def test_a_429_pauses_all_processes(redis: str) -> None:
    with Fleet(redis, processes=4, sellers=1, limit=LIMIT, jitter=JITTER) as fleet:
        fleet.sandbox.run(lambda sandbox: setattr(sandbox, "limit", (10, 1.0)))
        (seen,), worker_counts = fleet.run(seconds=6.0, workers=4)
    throttled = sum(each["throttled"] for each in worker_counts)
    assert 1 <= throttled <= 0.35 * seen.requests
    assert sum(each["done"] for each in worker_counts) >= 0.5 * 10 * 6
