"""``octoffm cluster export``: every item of a job in the order of its file, as CSV or JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from ...text import printable
from ..errors import ExitCode
from ..jobs.export import export_options, row_writer
from ..options import verbose_option
from ..output import items
from ..row_files import text_rows
from ..runtime import run_async
from .options import cluster_option, opened

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("line", "key", "state", "remote_id", "code", "message", "sent_at", "changed_at", "run")


@click.command()
@click.argument("job")
@cluster_option
@export_options
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
            write = row_writer(file, form, COLUMNS)
            async for item in cluster.export(job):
                write(msgspec.structs.asdict(item))
                count += 1
    return count
