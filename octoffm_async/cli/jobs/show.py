"""``octoffm jobs list`` and ``show``: runs in two lines each, and one run with the items that need attention."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ...journal import BY_HAND, LONG_AGO, State
from ...journal.states import KEEPS_PAYLOAD, UNDECIDED
from ...text import printable, style
from ..options import journal_option, json_option
from ..output import age, hanging, items, print_json_line
from ..progress import counts_text
from ..runtime import run_async
from .hints import UNREAD, resume_command, settle_command
from .journal import entry_fields, find_run, holder_at, is_over, opened, run_fields, state_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ...journal import Entry, Journal, RunRecord
    from ..options import JournalAddress
    from .journal import RunState

FIRST = 20
_WIDEST_KEY = 24
_COLOURS: dict[RunState, str] = {
    "running": "cyan",
    "finished": "green",
    "interrupted": "yellow",
    "unfinished": "yellow",
}
_BY_HAND = (State.PENDING, State.CREATED)
_SECTIONS: tuple[tuple[str, Iterable[State]], ...] = (
    ("undecided: each may exist or not; a resume finds out", UNDECIDED),
    ("refused: sent again only if they are changed", (State.REFUSED,)),
    ("failed: not created; a resume sends them again", (State.FAILED,)),
)
_SENT = "it was being sent; no answer is known"


@click.command("list")
@journal_option
@json_option
def list_runs(journal: JournalAddress, as_json: bool) -> None:
    """List the runs, the latest last."""
    run_async(_list(journal, as_json=as_json))


@click.command()
@click.argument("run")
@journal_option
@click.option("--all", "everything", is_flag=True, help=f"All items, not only the first {FIRST} of a kind.")
@json_option
def show(run: str, journal: JournalAddress, everything: bool, as_json: bool) -> None:
    """Show a run, and its items that need attention.

    Those are the undecided ones (since when, which proof is missing, and what settles them), the refused and failed
    ones with their reasons, and those that were settled by hand.

    RUN is a run's id, or a unique prefix of one.
    """
    run_async(_show(journal, run, most=None if everything else FIRST, as_json=as_json))


async def _list(address: JournalAddress, *, as_json: bool) -> None:
    async with opened(address) as journal:
        records = await journal.runs()
    if as_json:
        for record in records:
            print_json_line(run_fields(record, address))
        return
    if not records:
        click.echo(f"the journal {printable(str(address))} has no runs")
    holder, now = holder_at(address), datetime.now(UTC)
    for record in records:
        state = state_of(record, holder, address)
        shown = style(f"{state:11}", _COLOURS[state])
        began = age(record.started_at, now)
        what = f"{printable(record.operation):15}  seller {printable(record.seller)}"
        click.echo(f"{style(record.id, 'bold')}  {shown}  {began:11}  {what}")
        click.echo(hanging("    ", counts_of(record) + _source(record), _width()))


async def _show(address: JournalAddress, name: str, *, most: int | None, as_json: bool) -> None:
    async with opened(address) as journal:
        record = await find_run(journal, address, name)
        if as_json:
            print_json_line({"event": "run", **run_fields(record, address)})
        else:
            _print_run(record, address)
        for title, states in _SECTIONS:
            total = sum(record.counts[state] for state in states)
            if not total:
                continue
            if as_json:
                async for entry in _first(journal.entries(record.id, states), most):
                    print_json_line({"event": "item", **entry_fields(entry), **_settles(address, entry)})
            else:
                click.echo(f"\n{style(f'{total:,}', 'bold')} {title}")
                await _print_items(journal, record, states, most, address)
        await _print_settled_by_hand(journal, record, most, as_json=as_json)
    if not as_json and (not is_over(record) or any(record.counts[state] for state in KEEPS_PAYLOAD)):
        click.echo(f"\nTo resume:\n  {resume_command(address, record.id)}")
        if not is_over(record):
            click.echo(hanging("", UNREAD, _width()))


def _print_run(record: RunRecord, address: JournalAddress) -> None:
    now = datetime.now(UTC)
    state = state_of(record, holder := holder_at(address), address)
    shown = style(state, _COLOURS[state])
    if holder is not None and state in ("running", "unfinished"):
        shown += f" (process {holder.pid} writes the journal)"
    facts = {
        "run": style(record.id, "bold"),
        "operation": printable(record.operation),
        "seller": printable(record.seller),
        "api": printable(record.api),
        "source": printable(record.source),
        "started": _moment(record.started_at, now),
        "finished": "" if record.finished_at is None else _moment(record.finished_at, now),
        "state": shown,
        "items": counts_of(record),
    }
    for title, fact in facts.items():
        if fact:
            click.echo(f"{title:11}{fact}" if title != "items" else hanging(f"{title:11}", fact, _width()))


async def _print_items(
    journal: Journal, record: RunRecord, states: Iterable[State], most: int | None, address: JournalAddress
) -> None:
    now, width, shown, key_width = datetime.now(UTC), _width(), 0, 0
    waiting: list[Entry] = []  # the first ones, until it is known how wide their keys are
    async for entry in _first(journal.entries(record.id, states), most):
        shown += 1
        if key_width:
            click.echo(_item(entry, key_width, width, now, address))
            continue
        waiting.append(entry)
        if len(waiting) == FIRST:
            key_width = _key_width(waiting)
            for one in waiting:
                click.echo(_item(one, key_width, width, now, address))
            waiting.clear()
    for one in waiting:
        click.echo(_item(one, _key_width(waiting), width, now, address))
    total = sum(record.counts[state] for state in states)
    if total > shown and most is not None:
        click.echo(f"  … and {total - shown:,} more: --all shows them")


async def _print_settled_by_hand(journal: Journal, record: RunRecord, most: int | None, *, as_json: bool) -> None:
    now, shown = datetime.now(UTC), 0
    async for entry in _first(journal.entries(record.id, _BY_HAND, code=BY_HAND), most):
        shown += 1
        if as_json:
            print_json_line({"event": "item", **entry_fields(entry)})
            continue
        if shown == 1:
            click.echo("\nsettled by hand:")
        what = printable(f"{entry.message}; {entry.state}{f', id {entry.remote_id}' if entry.remote_id else ''}")
        click.echo(hanging(f"  {printable(entry.key)}  {age(entry.changed_at, now):10}  ", what, _width()))
    if shown == most and not as_json:
        click.echo("  … and maybe more: --all shows them")


def _settles(address: JournalAddress, entry: Entry) -> dict[str, str]:
    """Return the command that settles an item, for JSON."""
    return {"settle": settle_command(address, entry.key)} if entry.state is State.UNKNOWN else {}


def _item(entry: Entry, key_width: int, width: int | None, now: datetime, address: JournalAddress) -> str:
    was_sent = entry.state in UNDECIDED and entry.sent_at > LONG_AGO  # otherwise it is not known whether it was
    since = entry.sent_at if was_sent else entry.changed_at
    state = f"{entry.state.value:9}" if entry.state in UNDECIDED else ""
    why = ": ".join(printable(part) for part in (entry.code, entry.message) if part)
    if not why:
        why = _SENT if entry.state is State.SENT else "no reason was given"
    lines = hanging(f"  {printable(entry.key):{key_width}}  {state}{age(since, now):10}  ", why, width)
    if entry.state is State.UNKNOWN:  # in one piece, to be copied
        lines += f"\n      {settle_command(address, entry.key, '[--absent | --created ID]')}"
    return lines


async def _first(entries: AsyncIterator[Entry], most: int | None) -> AsyncIterator[Entry]:
    count = 0
    async for entry in entries:
        yield entry
        count += 1
        if count == most:
            return


def _key_width(entries: Iterable[Entry]) -> int:
    return min(_WIDEST_KEY, max(len(printable(entry.key)) for entry in entries))


def counts_of(record: RunRecord) -> str:
    """Return a text such as ``1,000 items: 990 created, 2 refused, 8 sent``."""
    total = sum(record.counts.values())
    counts = {state.value: record.counts[state] for state in _ORDER}
    return f"{items(total)}: {counts_text(counts)}" if total else "no items"


_ORDER = (State.CREATED, State.REFUSED, State.FAILED, State.PENDING, State.SENT, State.UNKNOWN)


def _source(record: RunRecord) -> str:
    return f"; from {printable(record.source)}" if record.source else ""


def _moment(then: datetime, now: datetime) -> str:
    return f"{then:%Y-%m-%d %H:%M:%S} UTC ({age(then, now)})"


def _width() -> int | None:
    """Return the columns of the terminal; ``None`` where output is not wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
