"""The start without a ceiling: windows and buckets of known size, found from the first 429. Times are passed in."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from itertools import pairwise
from typing import Protocol

import pytest

from octoffm_async import FulfillmentClient
from octoffm_async.ratelimit.adaptive_rate import AdaptiveRate
from octoffm_async.ratelimit.cold_start import ANY
from tests.support.fakes import FakeTransport, answer, config

BACK_OFF = 0.1
SECONDS = 60.0


class Server(Protocol):
    """A limit: True if a request at this time is accepted."""

    def __call__(self, now: float) -> bool: ...


def sliding_log(calls: int, period: float) -> Server:
    """At most ``calls`` in any ``period``."""
    admitted: deque[float] = deque()

    def admit(now: float) -> bool:
        while admitted and admitted[0] <= now - period:
            admitted.popleft()
        if len(admitted) >= calls:
            return False
        admitted.append(now)
        return True

    return admit


def fixed_window(calls: int, period: float) -> Server:
    """At most ``calls`` in each ``period``; the first begins 0.4 of it before the clock."""
    counts: dict[int, int] = {}

    def admit(now: float) -> bool:
        window = int(now / period + 0.4)
        counts[window] = counts.get(window, 0) + 1
        return counts[window] <= calls

    return admit


def token_bucket(calls: int, period: float) -> Server:
    """``calls`` at once, refilled with as many in a ``period``."""
    left, then = float(calls), 0.0

    def admit(now: float) -> bool:
        nonlocal left, then
        left, then = min(float(calls), left + (now - then) * calls / period), now
        if left < 1.0:
            return False
        left -= 1.0
        return True

    return admit


def run(server: Server, *, waiting: int = 20, seconds: float = SECONDS) -> tuple[list[float], list[float]]:
    """One client that sends one request after another, 2 ms each; return when they were accepted, and refused."""
    control, rng, now, free = AdaptiveRate(None), random.Random(1), 0.0, 0.0
    accepted, refused = list[float](), list[float]()
    while now < seconds:
        was_blocked = control.blocked_since is not None
        if server(now + 0.001):
            accepted.append(now)
            ended = control.accepted(epoch=control.epoch, sent_at=now, now=now + 0.002, waiting=waiting)
            free = now + 1.0 / (control.rate(now) or 1e4)
            if ended and was_blocked and control.start is not None:
                free = max(free, control.start.hold_until)
        else:
            refused.append(now)
            assert control.throttled(epoch=control.epoch, now=now + 0.002)
            least, most = control.pause_bounds(now + 0.002, waiting)
            back_off = rng.uniform(0.0, min(20.0, BACK_OFF * 2 ** (control.throttlings - 1)))
            free = now + 0.002 + min(max(back_off, least), most)
        now = max(now + 0.002, free)
    return accepted, refused


@pytest.mark.parametrize("server", [sliding_log, fixed_window, token_bucket])
@pytest.mark.parametrize("calls", [5, 20, 100])
def test_a_hidden_limit_is_used_from_the_tenth_second_on(server: type[Server], calls: int) -> None:
    accepted, refused = run(server(calls, 1.0))  # type: ignore[call-arg]
    assert sum(at >= 10.0 for at in accepted) >= 0.9 * calls * (SECONDS - 10.0)
    assert len(refused) <= 0.025 * (len(refused) + len(accepted))
    times = sorted([*accepted, *refused])
    assert max(later - earlier for earlier, later in pairwise(times)) <= 1.02


def test_a_window_of_a_minute_is_found_by_the_seventh_probe_and_calls_that_wait_go_first() -> None:
    control, admit = AdaptiveRate(None), sliding_log(300, 60.0)
    now = 0.0
    while admit(now):
        control.accepted(epoch=control.epoch, sent_at=now, now=now)
        now += 0.002
    probes = 0
    while not (probes and admit(now)):
        assert control.throttled(epoch=control.epoch, now=now)
        least, most = control.pause_bounds(now, 20)
        assert least == most
        now += least
        probes += 1
    assert control.accepted(epoch=control.epoch, sent_at=now, now=now, waiting=20)
    assert (probes, control.start is not None and control.start.spare) == (7, 20)
    assert now == pytest.approx(60.05, abs=0.02)
    assert control.rate(now) == pytest.approx(5.0, rel=0.03)


@pytest.mark.virtual_time
@pytest.mark.parametrize("server", [sliding_log, fixed_window])
async def test_calls_that_a_window_as_long_as_their_deadlines_holds_up_go_when_it_has_room(
    server: type[Server],
) -> None:
    admit, loop = server(300, 60.0), asyncio.get_running_loop()  # type: ignore[call-arg]
    transport = FakeTransport(latency=0.001)
    good = transport.script
    transport.script = lambda sent: good(sent) if admit(sent.at) else answer(429)

    async def work(client: FulfillmentClient) -> None:
        while loop.time() < began + 70.0:
            await client.stocks.get("S-1")

    async with FulfillmentClient(config(deadline=60.0), transport=transport, logging=False) as client:
        began = loop.time()
        await asyncio.gather(*(work(client) for _ in range(20)))
    assert len(transport.sent) > 360


def test_a_configured_ceiling_has_no_cold_start() -> None:
    control = AdaptiveRate(10.0)
    control.throttled(epoch=control.epoch, now=1.0)
    assert control.start is None
    assert control.pause_bounds(1.0, 20) == ANY


def test_the_start_ends_after_some_blocks_whatever_the_responses_are() -> None:
    control, now = AdaptiveRate(None), 0.0
    for _ in range(20):
        control.accepted(epoch=control.epoch, sent_at=now, now=now)
        control.throttled(epoch=control.epoch, now=now + 0.1)
        now += 0.3
    assert control.start is None
