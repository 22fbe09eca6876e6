"""Lies of pages: links that are missing or cannot be followed, rows that move, lists that break off."""

from __future__ import annotations

from collections.abc import Callable

from ..server import Adversary, Asked, Order, Page, Reply
from .lie import Lie, lie, settings


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
        if letter == "o" or not (page.rows or letter):
            return page
        left = asked.begin if letter == "e" else before
        return Page([], f"e{left - 1}" if left > 1 else "o0")

    return page


def _empty_last(server: Adversary, page: Page, asked: Asked) -> Page:
    """Name a next page behind every row, so that the last page is an empty one."""
    return page if page.cursor is not None or not page.rows else Page(page.rows, f"o{asked.begin + len(page.rows)}")


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


def _broken(share: float, *, cut: bool) -> Callable[..., Reply]:
    """Return a ``told`` hook that spoils lists: the JSON ends too early, or the connection does."""

    def told(server: Adversary, reply: Reply, asked: Asked) -> Reply:
        if not asked.counting and server.rng.random() < share:
            return Reply(200, b'{"items": [{"outboundShipmentId": "5e', date=reply.date, cut_at=20 if cut else None)
        return reply

    return told


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
    lie("empty_last_page", "the last page is an empty one, each time", "honest", page=_empty_last),
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
        "moving_in_25s",
        "the same, with pages of 25 rows",
        "told",
        begin=settings(page_most=25, background=60),
        listed=_moving,
    ),
    lie(
        "moving_counted",
        "the same, and the count is of what was shown",
        "told",
        begin=MANY,
        listed=_moving,
        counted=_counted_as_shown,
    ),
    lie(
        "cut_as_counted",
        "list and count end together behind ten rows",
        "unprovable",
        begin=SMALL,
        page=_without_link,
        counted=lambda server, number, _: min(number, server.page_most),
    ),
    lie("broken_json", "lists are broken JSON", "told", told=_broken(1, cut=False)),
    lie("broken_json_sometimes", "lists are broken JSON at times", "told", told=_broken(0.3, cut=False)),
    lie("broken_off", "lists break off on the wire", "told", told=_broken(1, cut=True)),
    lie("broken_off_sometimes", "lists break off on the wire at times", "honest", told=_broken(0.3, cut=True)),
]
