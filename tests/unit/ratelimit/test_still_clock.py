# pyright: reportPrivateUsage=false
"""A loop whose clock stands still within a turn, as uvloop's does: a burst of 429s is one throttling, on any clock."""

from __future__ import annotations

import asyncio

import pytest

from octoffm_async.ratelimit.limiter import RateLimiter

CALLS = 20


class StillLoop(asyncio.SelectorEventLoop):
    """A loop on which no time passes at all."""

    def time(self) -> float:
        return 1000.0


@pytest.mark.parametrize("waiting", [False, True])
def test_the_other_refusals_of_a_burst_are_no_probes_although_no_time_has_passed(waiting: bool) -> None:
    """``waiting``: the calls were given their permits just before the 429, and are sent just after it."""
    limiter = RateLimiter(None, jitter=0.0, max_in_flight=CALLS)
    limiter._in_flight_limit.end_slow_start()
    news = list[bool]()

    async def call() -> None:
        probe = await limiter.acquire()
        epoch = limiter.epoch_of(probe=probe)
        await asyncio.sleep(0)
        limiter.release(probe=probe)
        news.append(limiter.on_throttled(epoch=epoch, now=asyncio.get_running_loop().time()))

    async def main() -> None:
        began = asyncio.get_running_loop().time()
        if waiting:
            places = [limiter._waiters.add("interactive") for _ in range(CALLS)]
            for _ in places:
                limiter._waiters.admit(probe=limiter._take_permit(began))
            assert limiter.on_throttled(epoch=limiter.control.epoch, now=began)
            for place in places:
                epoch = limiter.epoch_of(probe=await place)
                limiter.release()
                news.append(limiter.on_throttled(epoch=epoch, now=began))
        else:
            await asyncio.gather(*(call() for _ in range(CALLS)))
        assert sum(news) == (not waiting)
        # The probe that follows is one, although it too leaves at the same moment.
        assert await limiter.acquire() is True
        assert limiter.on_throttled(epoch=limiter.epoch_of(probe=True), now=began)

    with asyncio.Runner(loop_factory=StillLoop) as runner:
        runner.run(main())
    assert limiter.control.throttlings == 2
