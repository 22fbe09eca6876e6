"""Lies of lists and counts: pages that are missing, rows that move, caches, filters, wrong numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .lie import Lie, lie, settings
from .server import Adversary, Asked, Order, Page, Reply

DAY = 86400.0
SHORT_LAG = 0.03
"""Seconds for which orders are hidden: shorter than any patience of the trials."""
LONG_LAG = 2.5
"""The same, longer than any patience."""
PROBLEM = {"title": "Bad Request", "status": 400}


def _without_link(_: Adversary, page: Page, __: Asked) -> Page:
    return Page(page.rows, None)


def _linked(link: str) -> Callable[..., Page]:
    """Return a ``page`` hook that names the next page so; ``{}`` stands for the cursor."""

    def page(_: Adversary, page: Page, __: Asked) -> Page:
        return page if page.cursor is None else Page(page.rows, None, link.format(page.cursor))

    return page


def _repeating(server: Adversary, page: Page, asked: Asked) -> Page:
    return (
        page if page.cursor is None else Page(page.rows, None, server.link_to(asked.query.get("cursor", "o0"), asked))
    )


def _empty_pages(before: int) -> Callable[..., Page]:
    """Return a ``page`` hook that puts so many empty pages before the first row; they count down in the cursor."""

    def page(server: Adversary, page: Page, asked: Asked) -> Page:
        letter = asked.query.get("cursor", "")[:1]
        if letter == "o":
            return page
        left = asked.begin if letter == "e" else before
        return Page([], f"e{left - 1}" if left > 1 else "o0")

    return page


def _repeats_last(_: Adversary, page: Page, asked: Asked) -> Page:
    """Repeat the row before the page, as lists do that are paged by a time with ``>=``."""
    last = _.memory.get("last row")
    _.memory["last row"] = page.rows[-1] if page.rows else None
    return Page([last, *page.rows], page.cursor) if asked.begin and last else page


def _moving(server: Adversary, orders: list[Order], asked: Asked) -> list[Order]:
    """Newest first; while a page behind the first is read, orders that are still to come change and move to the front.

    What was shown since the first page is remembered for those who count it.
    """
    shown = server.memory.setdefault("shown", set())
    if not asked.counting:
        if asked.begin:
            behind = sorted(orders, key=lambda each: -each.stamp)[asked.begin :]
            for order in server.rng.sample(behind, min(3, len(behind))):
                order.stamp = server.now() + server.stamps_off
        else:
            shown.clear()
    orders = sorted(orders, key=lambda each: -each.stamp)
    if not asked.counting:
        shown.update(each.id for each in orders[asked.begin : asked.begin + server.page_most])
    return orders


def _counted_as_shown(server: Adversary, number: int, _: Asked) -> int:
    return len(server.memory.get("shown", ())) or number


def _snapshot(number: int) -> Callable[..., list[Order]]:
    """Return a ``listed`` hook that knows only the first orders, and those that others made."""
    return lambda _, orders, __: [each for each in orders if each.reference is None or each.number <= number]


def _without_lost(_: Adversary, orders: list[Order], __: Asked) -> list[Order]:
    return [each for each in orders if not each.lost]


def _cache(server: Adversary, orders: list[Order], asked: Asked) -> list[Order]:
    """Give what was read first, unless the request says that it wants no cache."""
    key = f"cache {asked.counting} {sorted(asked.query.items())}"
    if "no-cache" in asked.headers.get("cache-control", ""):
        return orders
    kept: list[Order] = server.memory.setdefault("cache", orders if "cache" in key else [])
    return [each for each in orders if each in kept]


def _aged(_: Adversary, reply: Reply, __: Asked) -> Reply:
    reply.headers["Age"] = "600"
    return reply


def _old_date(server: Adversary, reply: Reply, _: Asked) -> Reply:
    reply.date = server.now() - 600
    return reply


def _broken(share: float, *, cut: bool) -> Callable[..., Reply]:
    """Return a ``told`` hook that spoils lists: the JSON ends too early, or the connection does."""

    def told(server: Adversary, reply: Reply, asked: Asked) -> Reply:
        if not asked.counting and server.rng.random() < share:
            return Reply(200, b'{"items": [{"outboundShipmentId": "5e', date=reply.date, cut_at=20 if cut else None)
        return reply

    return told


def _failing(share: float, status: int) -> Callable[..., Reply]:
    def told(server: Adversary, reply: Reply, _: Asked) -> Reply:
        return Reply(status, {"status": status}, date=reply.date) if server.rng.random() < share else reply

    return told


def _refused(status: int) -> Callable[..., Reply]:
    """Return a ``told`` hook that refuses filters on times."""

    def told(_: Adversary, reply: Reply, asked: Asked) -> Reply:
        return Reply(status, PROBLEM | {"status": status}, date=reply.date) if asked.is_filtered else reply

    return told


def _foreign(server: Adversary, page: Page, __: Asked) -> Page:
    rows = [
        row | {"reference": f"X-{row['reference']}"[::-1], "outboundShipmentId": f"F-{n}"}
        for n, row in enumerate(page.rows)
    ]
    return Page(rows, page.cursor)


def _lagging(seconds: float, *, lost_only: bool = False) -> Callable[..., None]:
    def made(_: Adversary, order: Order) -> None:
        if not lost_only:
            order.visible_at = time.monotonic() + seconds

    return made


def _hidden_if_lost(_: Adversary, orders: list[Order], __: Asked) -> list[Order]:
    until = _.now() - LONG_LAG
    return [each for each in orders if not each.lost or each.stamp < until]


def _unfiltered(server: Adversary, orders: list[Order], asked: Asked) -> list[Order]:
    return sorted((*server.others, *server.orders), key=lambda each: each.stamp)


def _of_list(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Return a hook that concerns lists, and no counts."""
    return lambda server, value, asked: value if asked.counting else hook(server, value, asked)


def _of_count(hook: Callable[..., Any]) -> Callable[..., Any]:
    return lambda server, value, asked: hook(server, value, asked) if asked.counting else value


def _whole_day(at: float) -> float:
    return at // DAY * DAY


def _shuffled(server: Adversary, orders: list[Order], asked: Asked) -> list[Order]:
    return server.rng.sample(orders, len(orders))


SMALL = settings(page_most=10)
MANY = settings(page_most=10, background=40)

LIES: list[Lie] = [
    lie("small_pages", "pages hold ten rows, with a Link", "honest", begin=SMALL),
    lie(
        "no_link_full",
        "a full page of 1,000 names no next one",
        "told",
        begin=settings(background=1100),
        page=_without_link,
    ),
    lie("cut_pages", "pages hold ten rows, without a Link", "told", begin=SMALL, page=_without_link),
    lie(
        "bare_link",
        "Link without angle brackets",
        "told",
        begin=SMALL,
        page=_linked("outbound-shipments?cursor={} rel=next"),
    ),
    lie("no_rel", "Link without rel", "told", begin=SMALL, page=_linked("</seller/v2/outbound-shipments?cursor={}>")),
    lie(
        "no_cursor",
        "Link without a cursor",
        "told",
        begin=SMALL,
        page=_linked('</seller/v2/outbound-shipments?page=2>; rel="next"'),
    ),
    lie("empty_cursor", "Link with an empty cursor", "told", begin=SMALL, page=_linked('<?cursor=>; rel="next"')),
    lie("same_cursor", "Link with the cursor that was asked for", "told", begin=SMALL, page=_repeating),
    lie(
        "foreign_link",
        "Link to another origin",
        "told",
        begin=SMALL,
        page=_linked('<http://127.0.0.2:9/?cursor={}>; rel="next"'),
    ),
    lie("hundred_empty_pages", "a hundred empty pages before the first row", "told", page=_empty_pages(100)),
    lie("some_empty_pages", "three empty pages before the first row", "honest", page=_empty_pages(3)),
    lie(
        "repeated_rows",
        "each page begins with the last row of the one before",
        "honest",
        begin=SMALL,
        page=_repeats_last,
    ),
    lie(
        "newest_first",
        "the list is sorted the other way",
        "honest",
        begin=SMALL,
        listed=lambda _, orders, __: orders[::-1],
    ),
    lie("shuffled", "each page is of another order of all rows", "told", begin=SMALL, listed=_shuffled),
    lie("moving", "rows move to the front while pages are read", "told", begin=MANY, listed=_moving),
    lie(
        "moving_counted",
        "the same, and the count is of what was shown",
        "told",
        begin=MANY,
        listed=_moving,
        counted=_counted_as_shown,
    ),
    lie(
        "page_counted",
        "the count is of one page",
        "told",
        begin=SMALL,
        counted=lambda server, number, _: min(number, server.page_most),
    ),
    lie(
        "cut_and_page_counted",
        "pages are cut, and the count is of one page",
        "told",
        begin=SMALL,
        page=_without_link,
        counted=lambda server, number, _: min(number, server.page_most),
    ),
    lie("broken_json", "lists are broken JSON", "told", told=_broken(1, cut=False)),
    lie("broken_json_sometimes", "lists are broken JSON at times", "told", told=_broken(0.3, cut=False)),
    lie("broken_off", "lists break off on the wire", "told", told=_broken(1, cut=True)),
    lie("broken_off_sometimes", "lists break off on the wire at times", "honest", told=_broken(0.3, cut=True)),
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
    lie(
        "silent_cache_of_some",
        "a cache shows some of the orders, and does not say so",
        "unprovable",
        listed=_snapshot(20),
    ),
    lie("obedient_cache", "a cache that obeys no-cache", "honest", listed=_cache),
    lie("list_cache_only", "the list alone is an old one", "told", listed=_of_list(_snapshot(5))),
    lie("count_cache_only", "the count alone is an old one", "told", listed=_of_count(_snapshot(5))),
    lie("hidden_at_first", "orders are hidden for less than the patience", "honest", made=_lagging(SHORT_LAG)),
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
