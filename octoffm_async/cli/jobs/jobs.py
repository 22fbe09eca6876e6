"""``octoffm jobs``: the runs in a journal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode
from ..options import journal_option, json_option
from ..output import items, print_json_line
from ..runtime import run_async
from .backup import backup
from .export import export
from .hints import resume_command
from .journal import find_run, opened
from .prune import prune
from .rebind import rebind
from .resume import resume
from .settle import settle
from .show import counts_of, list_runs, show

if TYPE_CHECKING:
    from ...journal import RunRecord
    from ..options import JournalAddress

FORGET_WARNING = "A forgotten key may be sent again, and what it created would then exist twice."


@click.group(short_help="Inspect, resume, settle and back up runs in a journal.")
def jobs() -> None:
    """List, show, resume, export and forget runs in a journal, settle their items, and back it up.

    A journal is what journal= names in client.bulk.create_…: a file, or a PostgreSQL database, such as a fleet's.
    Listing, showing and exporting work while other processes write it.
    """


@click.command()
@click.argument("run")
@journal_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--force", is_flag=True, help="Forget even undecided items.")
@json_option
def forget(run: str, journal: JournalAddress, yes: bool, force: bool, as_json: bool) -> int:
    """Delete a run and its items from the journal. A forgotten key may be sent again.

    RUN is a run's id, or a unique prefix of one.
    """
    record = run_async(_find(journal, run))
    if record.undecided and not force:
        raise click.ClickException(
            f"run {record.id} has {items(record.undecided, 'undecided')}: forgotten, they could be sent twice; "
            f"resume it first ({resume_command(journal, record.id)}), or say --force"
        )
    if not yes and not _is_sure(record):
        return ExitCode.REFUSED
    gone = run_async(_forget(journal, record, force=force))
    if as_json:
        print_json_line({"run": record.id, "forgotten": gone})
    else:
        click.echo(f"forgot run {record.id} with {items(gone)}; their keys may be sent again")
    return ExitCode.DONE


def _is_sure(record: RunRecord) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask: say --yes", click.get_current_context())
    click.echo(f"run {record.id}, {record.operation}: {counts_of(record)}", err=True)
    if record.undecided:
        click.echo(f"{items(record.undecided)} may exist, although the journal does not know it.", err=True)
    click.echo(FORGET_WARNING, err=True)
    sure = click.confirm("Forget it?", err=True)
    if not sure:
        click.echo("nothing was forgotten", err=True)
    return sure


async def _find(address: JournalAddress, name: str) -> RunRecord:
    async with opened(address) as journal:
        return await find_run(journal, address, name)


async def _forget(address: JournalAddress, record: RunRecord, *, force: bool) -> int:
    async with opened(address, read_only=False) as journal:
        return await journal.forget(record.id, force=force)


for command in (list_runs, show, resume, settle, export, forget, prune, rebind, backup):
    jobs.add_command(command)
