"""Lies of what a list holds and of counts: caches, filters, hidden orders, wrong numbers, ids of others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..server import Adversary, Asked, Order, Page, Reply
from .lie import Lie, lie, settings

DAY = 86400.0
SHORT_LAG = 0.03
"""Seconds for which orders are hidden: shorter than any patience of the trials."""
LONG_LAG = 2.5
"""The same, longer than any patience."""


def _snapshot(number: int) -> Callable[..., list[Order]]:
    """Return a ``listed`` hook that knows only the first orders, and those that others made."""
    return lambda _, orders, __: [each for each in orders if each.reference is None or each.number <= number]


def _without_lost(_: Adversary, orders: list[Order], __: Asked) -> list[Order]:
    return [each for each in orders if not each.lost]


def _cache(server: Adversary, orders: list[Order], asked: Asked) -> list[Order]:
    """Give what stands in a cache, unless the request says that it wants none."""
    obeys = "no-cache" in asked.headers.get("cache-control", "").lower()
    return orders if obeys else _snapshot(5)(server, orders, asked)


def _aged(_: Adversary, reply: Reply, __: Asked) -> Reply:
    reply.headers["Age"] = "600"
    return reply


def _old_date(server: Adversary, reply: Reply, _: Asked) -> Reply:
    reply.date = server.now() - 600
    return reply


def _failing(share: float, status: int) -> Callable[..., Reply]:
    def told(server: Adversary, reply: Reply, _: Asked) -> Reply:
        return Reply(status, {"status": status}, date=reply.date) if server.rng.random() < share else reply

    return told


def _refused(status: int) -> Callable[..., Reply]:
    """Return a ``told`` hook that refuses filters on times."""

    def told(_: Adversary, reply: Reply, asked: Asked) -> Reply:
        return Reply(status, {"status": status}, date=reply.date) if asked.is_filtered else reply

    return told


def _foreign(server: Adversary, page: Page, __: Asked) -> Page:
    rows = [
        row | {"reference": f"X-{row['reference']}"[::-1], "outboundShipmentId": f"F-{n}"}
        for n, row in enumerate(page.rows)
    ]
    return Page(rows, page.cursor)


def _lagging(seconds: float) -> Callable[..., None]:
    def made(_: Adversary, order: Order) -> None:
        order.visible_at = time.monotonic() + seconds

    return made


def _hidden_if_lost(server: Adversary, orders: list[Order], _: Asked) -> list[Order]:
    until = server.now() - LONG_LAG
    return [each for each in orders if not each.lost or each.stamp < until]


def _with_id_of_first(server: Adversary, row: dict[str, Any], order: Order) -> dict[str, Any]:
    """Show the orders whose answer was lost with the id of one whose answer was not."""
    first = next((each.id for each in server.orders if not each.lost), order.id)
    return row | {"outboundShipmentId": first} if order.lost else row


def _unfiltered(server: Adversary, orders: list[Order], asked: Asked) -> list[Order]:
    return sorted((*server.others, *server.orders), key=lambda each: each.stamp)


def _of_list(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Return a hook that concerns lists, and no counts."""
    return lambda server, value, asked: value if asked.counting else hook(server, value, asked)


def _of_count(hook: Callable[..., Any]) -> Callable[..., Any]:
    return lambda server, value, asked: hook(server, value, asked) if asked.counting else value


def _whole_day(at: float) -> float:
    return at // DAY * DAY


LIES: list[Lie] = [
    lie("list_fails", "lists and counts fail (500)", "told", told=_failing(1, 500)),
    lie("list_fails_sometimes", "lists and counts fail at times (503)", "honest", told=_failing(0.3, 503)),
    lie("aged_cache", "a cache shows the first five orders, with Age", "told", listed=_snapshot(5), told=_aged),
    lie(
        "old_date_cache",
        "a cache shows the first five orders, with their Date",
        "told",
        listed=_snapshot(5),
        told=_old_date,
    ),
    lie("silent_cache", "a cache shows what was before all orders, and does not say so", "told", listed=_snapshot(0)),
    lie("obedient_cache", "a cache that obeys no-cache", "honest", listed=_cache),
    lie("list_cache_only", "the list alone is an old one", "told", listed=_of_list(_snapshot(5))),
    lie("count_cache_only", "the count alone is an old one", "told", listed=_of_count(_snapshot(5))),
    lie("hidden_at_first", "orders are hidden for less than the patience", "honest", made=_lagging(SHORT_LAG)),
    lie("all_hidden_longer", "all orders are hidden for a minute", "told", made=_lagging(60)),
    lie("no_ids", "rows have no id", "told", row=lambda _, row, __: row | {"outboundShipmentId": None}),
    lie("one_id", "all rows have the same id", "told", row=lambda _, row, __: row | {"outboundShipmentId": "5eed"}),
    lie("id_of_another", "rows of lost orders have the id of another order", "told", row=_with_id_of_first),
    lie("hidden_longer", "lost orders are hidden for longer than the patience", "unprovable", listed=_hidden_if_lost),
    lie("lost_not_listed", "lost orders are counted but not listed", "told", listed=_of_list(_without_lost)),
    lie("foreign_account", "the list is of another account", "told", page=_foreign),
    lie("empty", "list and count are empty", "told", listed=lambda *_: []),
    lie("empty_list", "the list is empty, the count is right", "told", listed=_of_list(lambda *_: [])),
    lie("no_filter", "the time filter is ignored", "honest", listed=_unfiltered),
    lie(
        "no_filter_in_list",
        "the list ignores the time filter, the count does not",
        "told",
        begin=settings(background=40),
        listed=_of_list(_unfiltered),
    ),
    lie("filter_refused", "filters on times are refused (400)", "honest", told=_refused(400)),
    lie("filter_refused_422", "filters on times are refused (422)", "told", told=_refused(422)),
    lie(
        "filter_shows_nothing",
        "with a filter on times nothing is shown",
        "told",
        listed=lambda _, orders, asked: [] if asked.is_filtered else orders,
    ),
    lie("exclusive", "bounds are exclusive", "honest", bounds=lambda _, bounds: (bounds[0] + 0.001, bounds[1] - 0.001)),
    lie(
        "whole_days",
        "bounds count as whole days",
        "honest",
        bounds=lambda _, bounds: (_whole_day(bounds[0]), _whole_day(bounds[1]) + DAY),
    ),
    lie(
        "days_began",
        "bounds count as the beginning of their days",
        "honest",
        bounds=lambda _, bounds: (_whole_day(bounds[0]), _whole_day(bounds[1])),
    ),
    lie(
        "next_days",
        "bounds count from the end of their days",
        "told",
        bounds=lambda _, bounds: (_whole_day(bounds[0]) + DAY, _whole_day(bounds[1]) + DAY),
    ),
    lie(
        "zone_east",
        "bounds are read 11 hours later",
        "honest",
        bounds=lambda _, bounds: (bounds[0] + 39600, bounds[1] + 39600),
    ),
    lie(
        "zone_west",
        "bounds are read 12 hours earlier",
        "honest",
        bounds=lambda _, bounds: (bounds[0] - 43200, bounds[1] - 43200),
    ),
    lie("count_more", "the count is one too high", "told", counted=lambda _, number, __: number + 1),
    lie("count_less", "the count is one too low", "told", counted=lambda _, number, __: number - 1),
    lie("count_zero", "the count is zero", "told", counted=lambda *_: 0),
    lie("count_all", "the count is of all times", "told", counted=lambda server, *_: len(server.orders) + 5000),
    lie("count_missing", "there is no count (404)", "honest", counted=lambda *_: Reply(404, {"status": 404})),
    lie("count_fails", "the count fails (500)", "told", counted=lambda *_: Reply(500, {"status": 500})),
    lie("count_bare", "the count is a bare number", "honest", counted=lambda _, number, __: Reply(200, number)),
    lie(
        "count_page",
        "the count is a page of HTML",
        "told",
        counted=lambda *_: Reply(200, b"<html></html>", {"Content-Type": "text/html"}),
    ),
]
