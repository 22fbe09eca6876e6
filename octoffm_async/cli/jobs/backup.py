"""``octoffm jobs backup``: a complete copy of a journal's file."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from ...errors import JournalError
from ...journal.sqlite.file.backup import back_up
from ...text import printable
from ..errors import line_of
from ..runtime import run_async


@click.command(short_help="Write a complete copy of a journal's file.")
@click.argument("journal", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("target", metavar="[TARGET]", required=False, type=click.Path(path_type=Path))
def backup(journal: Path, target: Path | None) -> None:
    """Write a complete copy of the journal FILE to TARGET, even while another process writes it.

    To copy FILE by other means, copy FILE-wal too, and stop its writers first. Without TARGET the copy's name is FILE
    with the time (UTC). Only its owner can read it, and nothing is overwritten.

    A backup protects against a lost disk. It does not know what was sent after it was made: once it is put back, the
    journal says so, and each order that is new to it is looked up before it is sent.
    """
    if str(journal).startswith(("postgresql:", "postgres:")):
        raise click.UsageError("a journal in PostgreSQL is backed up with pg_dump", click.get_current_context())
    now = time.time()
    if target is None:
        target = journal.with_name(f"{journal.name}.{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}")
    try:
        run_async(_back_up(journal, target, now))
    except JournalError as error:
        raise click.ClickException(line_of(error)) from None
    click.echo(printable(f"backup of {journal}: {target}; it does not know what is sent from now on"))


async def _back_up(journal: Path, target: Path, now: float) -> None:
    await asyncio.to_thread(back_up, journal, target, now=now)
