"""``octoffm jobs prune``: the deletion of old, decided items from a journal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ...errors import ConfigurationError
from ...text import printable
from ..errors import ExitCode
from ..filters import MomentParam
from ..options import journal_option, json_option
from ..output import items, print_json_line
from ..runtime import run_async
from .journal import opened

if TYPE_CHECKING:
    from ..options import JournalAddress


@click.command(short_help="Delete old, decided items from the journal.")
@journal_option
@click.option(
    "--older-than",
    "before",
    type=MomentParam(),
    required=True,
    help="Age of the items, such as 90d, or a time; 30 days at least.",
)
@click.option("--dry-run", is_flag=True, help="Count the items, and delete nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def prune(journal: JournalAddress, before: datetime, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Delete created and refused items of finished runs that are older than an age. Their keys may be sent again.

    Undecided items stay, and all that proves later that an order is absent: the youngest created items, and those sent
    about the time of an undecided one. Other processes may write meanwhile. A file keeps its size, and later items use
    the space; "octoffm jobs backup" writes a copy without it.
    """
    if not dry_run and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask: say --yes or --dry-run", click.get_current_context())
        number = run_async(_prune(journal, before, dry_run=True))
        click.echo(f"{items(number)} changed before {before:%Y-%m-%d} (UTC); their keys may be sent again", err=True)
        if not number or not click.confirm("Delete them?", err=True):
            click.echo("nothing was deleted", err=True)
            return ExitCode.DONE if not number else ExitCode.REFUSED
    number = run_async(_prune(journal, before, dry_run=dry_run))
    if as_json:
        print_json_line({"journal": str(journal), "before": before, "pruned": number, "dry_run": dry_run})
    else:
        click.echo(printable(f"{'would prune' if dry_run else 'pruned'} {items(number)} from {journal}"))
    return ExitCode.DONE


async def _prune(address: JournalAddress, before: datetime, *, dry_run: bool) -> int:
    async with opened(address, read_only=dry_run) as journal:
        try:
            return await journal.prune(older_than=datetime.now(UTC) - before, dry_run=dry_run)
        except ConfigurationError as error:
            raise click.UsageError(str(error), click.get_current_context()) from None
