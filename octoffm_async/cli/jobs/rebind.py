"""``octoffm jobs rebind``: assign a journal's entries to the API and the account of the settings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ...journal import environment_of
from ...text import printable
from ..errors import ExitCode
from ..options import env_file_option, journal_option, json_option
from ..output import print_json_line
from ..runtime import run_async
from ..settings.reading import read_config
from .journal import opened

if TYPE_CHECKING:
    from pathlib import Path

    from ...config import Config
    from ..options import JournalAddress


@click.command(short_help="Record a new address or new credentials.")
@journal_option
@env_file_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def rebind(journal: JournalAddress, env_file: Path | None, yes: bool, as_json: bool) -> int:
    """Record that the API has a new address, or the account new credentials.

    A journal belongs to the API and the account that each seller's items were first sent to, and is refused with
    another one: items created in one environment do not exist in the other. From now on, its entries for the seller in
    OCTOFFM_SELLER_ID belong to the API and the account of the OCTOFFM_ variables, or of --env-file.

    Use it only if the items of the journal exist there: all its items are skipped from then on.
    """
    config = read_config(env_file)
    given = environment_of(config)
    seller = config.seller_id
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask: say --yes", click.get_current_context())
        question = f"What {journal} knows of seller {seller} is skipped at {given.api} from then on."
        click.echo(printable(question), err=True)
        if not click.confirm(f"Are these items at {given.api}?", err=True):
            click.echo("nothing was changed", err=True)
            return ExitCode.REFUSED
    before = run_async(_rebind(journal, config))
    if as_json:
        print_json_line({"seller": seller, "before": before, "api": given.api})
    else:
        was = "no API that it named" if before is None else before
        click.echo(printable(f"what {journal} knows of seller {seller} belongs to {given.api} (before: {was})"))
    return ExitCode.DONE


async def _rebind(address: JournalAddress, config: Config) -> str | None:
    async with opened(address, read_only=False) as journal:
        sellers = {record.seller for record in await journal.runs()}
        if config.seller_id not in sellers:
            known = ", ".join(map(printable, sorted(sellers))) or "no seller"
            raise click.ClickException(f"{address} knows nothing of seller {config.seller_id}, but of {known}")
        before = await journal.rebind(seller=config.seller_id, environment=environment_of(config))
    return None if before is None else before.api
