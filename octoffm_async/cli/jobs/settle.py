"""``octoffm jobs settle``: decide by hand items that no look-up could decide."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ...text import printable
from ..errors import ExitCode
from ..options import journal_option, json_option
from ..output import age, items, print_json_line
from ..runtime import run_async
from .journal import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...journal import Known
    from ..options import JournalAddress


@click.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--absent", is_flag=True, help="It does not exist: the next run sends it.")
@click.option("--created", metavar="ID", help="It exists, under this id of Octopia's.")
@journal_option
@click.option("--seller", metavar="ID", help="The item's seller, where several sellers have the key.")
@click.option(
    "--operation", metavar="NAME", help="The item's operation, such as outbound.create, where several have the key."
)
@click.option("--note", default="", metavar="TEXT", help="The reason, for the journal; your user name is kept with it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def settle(keys: tuple[str, ...], *, journal: JournalAddress, yes: bool, as_json: bool, note: str, **word: Any) -> int:
    """Decide undecided items by hand, after you looked at Octopia.

    KEY is your reference of an order; "octoffm jobs show" lists the undecided ones with the proof that is missing. Say
    --absent for one or more orders that do not exist: the next run sends them. Or say --created ID for one that does.
    An item that has an outcome already, or that a run is working on, is refused, and so is an id that is not valid or
    that another order has: then nothing is changed.
    """
    created: str | None = word["created"]
    if word["absent"] is (created is not None):
        raise click.UsageError("say --absent, or --created with the id", click.get_current_context())
    if not yes and not _is_sure(run_async(_settle(journal, keys, dry_run=True, **word)), created):
        return ExitCode.REFUSED
    said = f"by {_user()}: {note}" if note else f"by {_user()}"
    settled = run_async(_settle(journal, keys, note=said, **word))
    state = "pending" if created is None else "created"
    for seller, operation, entry in settled:
        key = printable(entry.key)
        if as_json:
            fields = {"key": entry.key, "seller": seller, "operation": operation, "run": entry.run}
            print_json_line(fields | {"before": entry.state.value, "state": state, "id": created})
        elif created is None:
            click.echo(f"{key} is absent: the next run of its input, or octoffm jobs resume {entry.run}, sends it")
        else:
            click.echo(f"{key} is created, with id {created}: it is not sent again")
    return ExitCode.DONE


def _is_sure(found: Sequence[Known], created: str | None) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask: say --yes", click.get_current_context())
    now = datetime.now(UTC)
    for seller, operation, entry in found:
        why = f": {printable(entry.message)}" if entry.message else ""
        whose = f"seller {printable(seller)}, {printable(operation)}"
        since = age(max(entry.sent_at, entry.changed_at), now)
        click.echo(f"{printable(entry.key)}  ({whose}), {entry.state} since {since}{why}", err=True)
    if created is None:
        click.echo("If one of them exists all the same, it will then exist twice: as two parcels.", err=True)
        sure = click.confirm(f"Did you look, and {'it does' if len(found) == 1 else 'they do'} not exist?", err=True)
    else:
        click.echo("If that is the id of another order, this one is never sent.", err=True)
        sure = click.confirm(f"Did you look, and it is {created}?", err=True)
    if not sure:
        click.echo(f"nothing was changed; {items(len(found))} may exist or not", err=True)
    return sure


async def _settle(address: JournalAddress, keys: Sequence[str], *, dry_run: bool = False, **word: Any) -> list[Known]:
    async with opened(address, read_only=dry_run) as journal:
        return await journal.settle(keys, dry_run=dry_run, **word)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return "somebody"
