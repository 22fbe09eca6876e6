"""Lies of clocks: the server's, its stamps', its ``Date``, and our own: wrong in both directions, or moved in a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..server import Adversary, Asked, Order, Reply
from .lie import Lie, lie, settings

HOUR, DAY = 3600.0, 86400.0
STEP_AT = 20
"""The creation behind which a clock is moved."""


def _stepping(seconds: float) -> Callable[..., None]:
    """Return a ``made`` hook that moves the server's clock in the middle of a run."""

    def made(server: Adversary, order: Order) -> None:
        if order.number == STEP_AT:
            server.ahead += seconds

    return made


def _dated(date: Callable[[Adversary], float | str | None]) -> dict[str, Callable[..., Any]]:
    """Return hooks that put this ``Date`` on every answer to a list, a count, and a creation."""

    def told(server: Adversary, reply: Reply, _: Asked) -> Reply:
        reply.date = date(server)
        return reply

    def replied(server: Adversary, reply: Reply, *_: object) -> Reply:
        reply.date = date(server)
        return reply

    return {"told": told, "replied": replied}


def _frozen(server: Adversary) -> float:
    began: float = server.memory.setdefault("began", server.now() - 60)
    return began


def _ours_stepping(first: float, then: float) -> Callable[[Adversary], float]:
    """Return an ``ours`` hook: our clock is first so much ahead, and from the middle of a run on so much."""
    return lambda server: first if len(server.orders) < STEP_AT else then


LIES: list[Lie] = [
    lie("ahead_1h", "the server is an hour ahead", "honest", begin=settings(ahead=HOUR)),
    lie("behind_1h", "the server is an hour behind", "honest", begin=settings(ahead=-HOUR)),
    lie("ahead_1d", "the server is a day ahead", "honest", begin=settings(ahead=DAY)),
    lie("behind_1d", "the server is a day behind", "honest", begin=settings(ahead=-DAY)),
    lie("ahead_90d", "the server is 90 days ahead", "honest", begin=settings(ahead=90 * DAY)),
    lie("behind_90d", "the server is 90 days behind", "honest", begin=settings(ahead=-90 * DAY)),
    lie("stamps_behind", "stamps are an hour behind Date", "honest", begin=settings(stamps_off=-HOUR)),
    lie("stamps_ahead", "stamps are an hour ahead of Date", "honest", begin=settings(stamps_off=HOUR)),
    lie("stamps_far_behind", "stamps are 14 hours behind Date", "honest", begin=settings(stamps_off=-14 * HOUR)),
    lie("stamps_far_ahead", "stamps are 14 hours ahead of Date", "honest", begin=settings(stamps_off=14 * HOUR)),
    lie("stamps_days_behind", "stamps are 3 days behind Date", "told", begin=settings(stamps_off=-3 * DAY)),
    lie("stamps_days_ahead", "stamps are 3 days ahead of Date", "told", begin=settings(stamps_off=3 * DAY)),
    lie("no_date", "there is no Date", "honest", **_dated(lambda _: None)),
    lie(
        "no_date_ahead",
        "there is no Date, and the server is 3 days ahead",
        "told",
        begin=settings(ahead=3 * DAY),
        **_dated(lambda _: None),
    ),
    lie(
        "no_date_behind",
        "there is no Date, and the server is 3 days behind",
        "told",
        begin=settings(ahead=-3 * DAY),
        **_dated(lambda _: None),
    ),
    lie("odd_date", "Date cannot be read", "honest", **_dated(lambda _: "today, a little after noon")),
    lie("frozen_date", "Date stands still", "told", **_dated(_frozen)),
    lie("date_of_1970", "Date is the beginning of time", "told", **_dated(lambda _: 0.0)),
    lie("date_of_2100", "Date is far in the future", "told", **_dated(lambda _: 4.1e9)),
    lie("steps_1h_on", "the server's clock is put forward by an hour in the run", "told", made=_stepping(HOUR)),
    lie("steps_1h_back", "the server's clock is put back by an hour in the run", "told", made=_stepping(-HOUR)),
    lie("steps_2d_on", "the server's clock is put forward by two days in the run", "told", made=_stepping(2 * DAY)),
    lie("steps_2d_back", "the server's clock is put back by two days in the run", "told", made=_stepping(-2 * DAY)),
    lie("we_ahead_1h", "our clock is an hour ahead", "honest", ours=lambda _: HOUR),
    lie("we_behind_1h", "our clock is an hour behind", "honest", ours=lambda _: -HOUR),
    lie("we_ahead_90d", "our clock is 90 days ahead", "honest", ours=lambda _: 90 * DAY),
    lie("we_behind_90d", "our clock is 90 days behind", "honest", ours=lambda _: -90 * DAY),
    lie(
        "we_are_put_right",
        "our clock was two days ahead and is put right in the run",
        "told",
        ours=_ours_stepping(2 * DAY, 0),
    ),
    lie(
        "we_are_put_on",
        "our clock was two days behind and is put right in the run",
        "told",
        ours=_ours_stepping(-2 * DAY, 0),
    ),
    lie(
        "we_were_ahead",
        "our clock was an hour ahead in the first run, and is right in those behind it",
        "told",
        ours=lambda server: 0.0 if server.runs else HOUR,
    ),
    lie(
        "we_were_behind",
        "our clock was an hour behind in the first run, and is right in those behind it",
        "told",
        ours=lambda server: 0.0 if server.runs else -HOUR,
    ),
    lie("we_step_back", "our clock is put back by an hour in the run", "told", ours=_ours_stepping(0, -HOUR)),
    lie("we_step_on", "our clock is put forward by an hour in the run", "told", ours=_ours_stepping(0, HOUR)),
]
