"""``octoffm contract drift``: the differences between the API's answers and the contract that runs have recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ..errors import ExitCode
from ..options import json_option, note
from ..output import Column, TablePrinter, print_json_line
from .drift_file import DriftFileError, drift_path_of_journal, merged, read_drift
from .drift_option import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .drift_file import DriftEntry

_COLUMNS = (
    Column("operation", "operation"),
    Column("path", "path"),
    Column("kind", "kind"),
    Column("found", "found"),
    Column("first seen (UTC)", "first_seen"),
    Column("last seen (UTC)", "last_seen"),
)
_MEANING = {
    "missing": "missing: expected and not there; it reads as None, or as an empty list",
    "unknown": "unknown: not modelled; it does no harm, and is kept in .extra",
    "type": "type: another JSON type or form than expected; what could be read was read, the rest is None",
    "value": "value: a word that this version does not know, or a date that means none",
}


@click.command(short_help="Show recorded differences between answers and the contract.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--journal",
    "journals",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A journal whose runs met them.",
)
@json_option
def drift(files: Sequence[Path], journals: Sequence[Path], as_json: bool) -> int:
    """Show the recorded differences between the API's answers and the contract, and what to do.

    Commands with a journal keep them beside it (orders.journal.drift.json), all others in the file that --drift or
    OCTOFFM_DRIFT names. FILE is such a file; without one and without --journal, OCTOFFM_DRIFT and OCTOFFM_JOURNAL
    name them.

    Exits with 0 if no difference was recorded, else with 1.
    """
    found = merged(*(_read(path, needed=needed) for path, needed in _sources(files, journals).items()))
    found.sort(key=lambda one: one.key)
    if as_json:
        for one in found:
            print_json_line(msgspec.structs.asdict(one))
    elif found:
        _print_drift(found)
    else:
        note("no difference from the contract was recorded")
    return ExitCode.REFUSED if found else ExitCode.DONE


def _sources(files: Sequence[Path], journals: Sequence[Path]) -> dict[Path, bool]:
    """Return each file to read, and True if it must exist (a file beside a journal exists only once it is needed)."""
    if not files and not journals:
        files = [Path(named) for named in [os.environ.get(VARIABLE, "").strip()] if named]
        journals = [Path(named) for named in [os.environ.get("OCTOFFM_JOURNAL", "").strip()] if named]
    if not files and not journals:
        message = f"no file to read: name FILE or --journal PATH, or set {VARIABLE}"
        raise click.UsageError(message, click.get_current_context())
    for journal in journals:
        if not journal.exists() and not drift_path_of_journal(journal).exists():
            raise click.ClickException(f"there is no journal {journal}")
    return dict.fromkeys(map(drift_path_of_journal, journals), False) | dict.fromkeys(files, True)


def _read(path: Path, *, needed: bool) -> list[DriftEntry]:
    try:
        return read_drift(path)
    except FileNotFoundError:
        if not needed:
            return []
        raise click.ClickException(
            f"there is no file {path}; a command that is given --drift {path} makes it"
        ) from None
    except DriftFileError as error:
        raise click.ClickException(str(error)) from None


def _print_drift(found: Sequence[DriftEntry]) -> None:
    rows = TablePrinter(_COLUMNS)
    for one in found:
        rows.add(one)
    rows.close()
    met = {one.kind for one in found}
    click.echo("\n" + "\n".join(text for kind, text in _MEANING.items() if kind in met))
    click.echo(
        "\nWhat to do: give the API's spelling in a contract file. octoffm contract adopt OPENAPI generates one from\n"
        "Octopia's own description; a few lines of yours do as well. Name it with --contract or OCTOFFM_CONTRACT,\n"
        "and delete the recorded differences, so that only those that remain are recorded again."
    )
