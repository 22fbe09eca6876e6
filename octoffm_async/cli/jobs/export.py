"""``octoffm jobs export``: every item of a run, as CSV for a spreadsheet or as JSON lines for a program."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ...tabular.rejects import harmless
from ...text import safe_json
from ..options import journal_option
from ..output import items
from ..row_files import text_rows
from ..runtime import run_async
from .journal import entry_fields, find_run, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from ...journal import Entry
    from ...text import SafeStream
    from ..options import JournalAddress

COLUMNS = ("key", "state", "remote_id", "code", "message", "sent_at", "changed_at", "run")


@click.command()
@click.argument("run")
@journal_option
@click.option("--csv", "form", flag_value="csv", default="csv", help="Comma-separated values (the default).")
@click.option("--jsonl", "--json", "form", flag_value="jsonl", help="One JSON object a line.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file.")
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
            write = _csv_writer(file) if form == "csv" else _json_writer(file)
            async for entry in journal.entries(record.id):
                write(entry)
                count += 1
    if output is not None:
        click.echo(f"octoffm: {items(count)} of run {record.id} in {output}", err=True)


def _csv_writer(file: SafeStream | TextIO) -> Callable[[Entry], None]:
    writer = csv.writer(file)
    writer.writerow(COLUMNS)

    def write(entry: Entry) -> None:
        fields = entry_fields(entry) | {
            "sent_at": entry.sent_at.isoformat(timespec="milliseconds"),
            "changed_at": entry.changed_at.isoformat(timespec="milliseconds"),
        }
        writer.writerow([harmless(fields[column]) for column in COLUMNS])

    return write


def _json_writer(file: SafeStream | TextIO) -> Callable[[Entry], None]:
    def write(entry: Entry) -> None:
        fields = entry_fields(entry)
        try:
            line = safe_json(msgspec.json.encode(fields).decode())
        except UnicodeEncodeError:  # half a surrogate pair, which only an escape can hold
            line = _escaped(fields)
        file.write(line + "\n")

    return write


def _escaped(fields: dict[str, Any]) -> str:
    times = {name: msgspec.to_builtins(fields[name]) for name in ("sent_at", "changed_at")}
    return json.dumps(fields | times, separators=(",", ":"))


def _is_of_journal(output: Path, journal: Path) -> bool:
    """Return True if a file is the journal or one of the files beside it."""
    path = journal.resolve()
    return output.resolve() in [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm", ".lock")]
