"""``octoffm jobs export``: every item of a run, as CSV for a spreadsheet or as JSON lines for a program."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ...tabular.rejects import harmless
from ...text import printable, safe_json
from ..options import journal_option, with_options
from ..output import items
from ..row_files import text_rows
from ..runtime import run_async
from .journal import entry_fields, find_run, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from ...text import SafeStream
    from ..options import JournalAddress

COLUMNS = ("key", "state", "remote_id", "code", "message", "sent_at", "changed_at", "run")


export_options = with_options(
    click.option("--csv", "form", flag_value="csv", default="csv", help="Comma-separated values (the default)."),
    click.option("--jsonl", "--json", "form", flag_value="jsonl", help="One JSON object a line."),
    click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file."),
)


@click.command()
@click.argument("run")
@journal_option
@export_options
def export(run: str, journal: JournalAddress, form: str, output: Path | None) -> None:
    """Write every item of a run as CSV or JSON lines.

    Each has its key, state, remote id, code, message, times (UTC) and run. The CSV form is safe to open in a
    spreadsheet: a cell that begins with = + - @, a tab or a carriage return, which a spreadsheet could take for a
    formula, gets an apostrophe before it. The JSON lines are exact.

    RUN is a run's id, or a unique prefix of one.
    """
    if output is not None and journal.file is not None and _is_of_journal(output, journal.file):
        raise click.UsageError(f"--output would overwrite the journal {journal}", click.get_current_context())
    run_async(_export(journal, run, form, output))


async def _export(address: JournalAddress, name: str, form: str, output: Path | None) -> None:
    count = 0
    async with opened(address) as journal:
        record = await find_run(journal, address, name)
        with text_rows(output, form) as file:
            write = row_writer(file, form, COLUMNS)
            async for entry in journal.entries(record.id):
                write(entry_fields(entry))
                count += 1
    if output is not None:
        click.echo(printable(f"octoffm: {items(count)} of run {record.id} in {output}"), err=True)


def row_writer(file: SafeStream | TextIO, form: str, columns: Sequence[str]) -> Callable[[dict[str, Any]], None]:
    """Return a function that writes one row as ``csv``, whose head it writes at once, or as ``jsonl``."""
    table = csv.writer(file)
    if form == "csv":
        table.writerow(columns)

    def write_cells(fields: dict[str, Any]) -> None:
        cells = [fields[column] for column in columns]
        table.writerow(
            [
                harmless(cell.isoformat(timespec="milliseconds") if isinstance(cell, datetime) else cell)
                for cell in cells
            ]
        )

    def write_line(fields: dict[str, Any]) -> None:
        try:
            line = safe_json(msgspec.json.encode(fields).decode())
        except UnicodeEncodeError:  # half a surrogate pair, which only an escape can hold
            line = json.dumps(fields, default=msgspec.to_builtins, separators=(",", ":"))
        file.write(line + "\n")

    return write_cells if form == "csv" else write_line


def _is_of_journal(output: Path, journal: Path) -> bool:
    """Return True if a file is the journal or one of the files beside it."""
    path = journal.resolve()
    return output.resolve() in [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm", ".lock")]
