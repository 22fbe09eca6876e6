"""``octoffm cluster export``: every item of a job in the order of its file, as CSV or JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from ...text import printable
from ..errors import ExitCode
from ..jobs.export import JOURNAL_COLUMNS, export_options
from ..options import note, verbose_option
from ..output import items
from ..rows.target import RowKind, open_rows
from ..runtime import run_async
from .options import cluster_option, opened

if TYPE_CHECKING:
    from ..rows.target import RowTarget

_as_dict = msgspec.structs.asdict
FLEET_ENTRIES = RowKind("item", "items", {"line": "count", **JOURNAL_COLUMNS}, (), flat=_as_dict, fields=_as_dict)


@click.command()
@click.argument("job")
@cluster_option
@export_options
@verbose_option
def export(job: str, address: str, target: RowTarget) -> int:
    """Write every item of a job in the order of its file.

    Each has its line, key, state, remote id, code, message, times (UTC) and run. The state is the journal's, or
    "waiting" for an item that was not sent. The CSV form is safe to open in a spreadsheet.

    JOB is a job's id, or a unique prefix of one.
    """
    count = run_async(_export(job, address, target))
    if target.file is not None:
        note(printable(f"{items(count)} in {target.file}"))
    return ExitCode.DONE


async def _export(job: str, address: str, target: RowTarget) -> int:
    count = 0
    async with opened(address) as cluster:
        await cluster.job(job)  # before a file is made
        with open_rows(target, FLEET_ENTRIES, as_json=False) as write:
            async for item in cluster.export(job):
                write((item,))
                count += 1
    return count
