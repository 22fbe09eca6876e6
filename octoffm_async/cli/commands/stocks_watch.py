"""``octoffm stocks watch``: changes of stock as they come."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ...contract.stocks import Stock
from ...errors import CallError
from ..errors import ExitCode, line_of
from ..filters import MOMENT_PARAM, WHEN
from ..options import note
from ..output import Column, TablePrinter, as_fields, print_json_line
from ..remote import remote_command

if TYPE_CHECKING:
    from ...contract.stocks import Localization
    from ...feeds.change_feed import Change, ChangeFeed
    from ..remote import Remote

EVERY = 30.0


def _latest(change: Change) -> Localization | None:
    """Return the part of the stock that changed last."""
    parts = change.item.localizations if isinstance(change.item, Stock) else []
    dated = [part for part in parts if part.updated_at is not None]
    return max(dated, key=lambda part: part.updated_at or datetime.min.replace(tzinfo=UTC), default=None)


def _country(change: Change) -> str | None:
    last = _latest(change)
    return None if last is None else last.storage_country


def _reason(change: Change) -> str | None:
    last = _latest(change)
    return None if last is None else last.update_reason


COLUMNS = (
    Column("changed (UTC)", "at"),
    Column("id", "id"),
    Column("gtin", "item.gtin"),
    Column("available", "item.quantities.available", right=True),
    Column("allocated", "item.quantities.allocated", right=True),
    Column("blocked", "item.quantities.blocked", right=True),
    Column("country", _country),
    Column("why", _reason),
)


@click.command()
@click.option("--since", type=MOMENT_PARAM, metavar="WHEN", help=f"Begin with what changed since then (now): {WHEN}.")
@click.option(
    "--every",
    type=click.FloatRange(0, min_open=True),
    default=EVERY,
    show_default=True,
    metavar="S",
    help="Seconds between two polls.",
)
@click.option("--for", "seconds", type=click.FloatRange(0, min_open=True), metavar="S", help="End after S seconds.")
@remote_command
async def watch(remote: Remote, since: datetime | None, every: float, seconds: float | None) -> int:
    """Print stocks as they change, until Ctrl-C or for some seconds.

    The API sends no notifications: the command polls it. Each poll also covers the minute before the last one. At the
    end the command prints the --since with which to continue.
    """
    if since is None:
        page = await remote.client.stocks.list(limit=1)  # the API's own time; a failing connection shows at once
        since = page.served_at or datetime.now(UTC)
    feed = remote.client.changes(since, kinds=["stocks"])
    bound = asyncio.timeout(seconds)
    try:
        async with bound:
            await _follow(remote, feed, every)
    except TimeoutError:
        if not bound.expired():
            raise
    finally:
        mark = feed.watermark["stocks"].isoformat(timespec="seconds")
        note(f"to continue from here: octoffm stocks watch --since {mark}")
    return ExitCode.DONE


async def _follow(remote: Remote, feed: ChangeFeed, every: float) -> None:
    rows = TablePrinter(COLUMNS, at_once=True)
    while True:
        try:
            async for change in feed:
                _print_change(remote, rows, change)
        except CallError as error:
            if not error.retryable:
                raise
            note(f"{line_of(error)}; trying again in {every:g} s")
        await asyncio.sleep(every)


def _print_change(remote: Remote, rows: TablePrinter, change: Change) -> None:
    if remote.as_json:
        print_json_line({"kind": change.kind, "id": change.id, "at": change.at, "item": as_fields(change.item)})
        sys.stdout.flush()
    else:
        rows.add(change)
