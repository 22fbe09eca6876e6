"""``octoffm cluster export``: every item of a job in the order of its file, as CSV or JSON lines."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ...tabular.rejects import harmless
from ...text import printable
from ..errors import ExitCode
from ..options import verbose_option
from ..output import items, json_line
from ..row_files import text_rows
from ..runtime import run_async
from .options import cluster_option, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from ...cluster.status import ItemRecord
    from ...text import SafeStream

COLUMNS = ("line", "key", "state", "remote_id", "code", "message", "sent_at", "changed_at", "run")


@click.command()
@click.argument("job")
@cluster_option
@click.option("--csv", "form", flag_value="csv", default="csv", help="Comma-separated values (the default).")
@click.option("--jsonl", "--json", "form", flag_value="jsonl", help="One JSON object a line.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file.")
@verbose_option
def export(job: str, address: str, form: str, output: Path | None) -> int:
    """Write every item of a job in the order of its file.

    Each has its line, key, state, remote id, code, message, times (UTC) and run. The state is the journal's, or
    "waiting" for an item that was not sent. The CSV form is safe to open in a spreadsheet.

    JOB is a job's id, or a unique prefix of one.
    """
    count = run_async(_export(job, address, form, output))
    if output is not None:
        click.echo(printable(f"octoffm: {items(count)} in {output}"), err=True)
    return ExitCode.DONE


async def _export(job: str, address: str, form: str, output: Path | None) -> int:
    count = 0
    async with opened(address) as cluster:
        await cluster.job(job)  # before a file is made
        with text_rows(output, form) as file:
            write = _csv_writer(file) if form == "csv" else _json_writer(file)
            async for item in cluster.export(job):
                write(item)
                count += 1
    return count


def _csv_writer(file: SafeStream | TextIO) -> Callable[[ItemRecord], None]:
    writer = csv.writer(file)
    writer.writerow(COLUMNS)

    def write(item: ItemRecord) -> None:
        fields = msgspec.to_builtins(item)
        writer.writerow([harmless(fields[column]) for column in COLUMNS])

    return write


def _json_writer(file: SafeStream | TextIO) -> Callable[[ItemRecord], None]:
    def write(item: ItemRecord) -> None:
        file.write(json_line(item) + "\n")

    return write
