"""``octoffm jobs export``: every item of a run, as CSV for a spreadsheet or as JSON lines for a program."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...text import printable
from ..documents import STDOUT
from ..options import journal_option, note, with_options
from ..output import items
from ..rows.target import RowKind, open_rows, rows_options
from ..runtime import run_async
from .journal import entry_fields, find_run, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...tabular.flat_rows import ColumnTypes
    from ..options import JournalAddress
    from ..rows.target import RowTarget

T = TypeVar("T")
JOURNAL_COLUMNS: ColumnTypes = {
    **dict.fromkeys(("key", "state", "remote_id", "code", "message"), "text"),
    **dict.fromkeys(("sent_at", "changed_at"), "moment"),
    "run": "text",
}
ENTRIES = RowKind("item", "items", JOURNAL_COLUMNS, (), flat=entry_fields, fields=entry_fields)


def export_options(command: Callable[..., T]) -> Callable[..., T]:
    """Add the options of rows, whose form without ``-o`` is CSV; the command receives ``target``."""

    @functools.wraps(command)
    def made(*arguments: Any, target: RowTarget, lines: bool, **own: Any) -> T:
        form = target.form or ("jsonl" if lines else None)
        return command(*arguments, target=target._replace(path=target.path or STDOUT, form=form), **own)

    return with_options(
        rows_options(any_suffix=True),
        click.option("--csv", "lines", flag_value=False, default=False, type=bool, help="CSV (the default)."),
        click.option("--jsonl", "--json", "lines", flag_value=True, type=bool, help="One JSON object a line."),
    )(made)


@click.command()
@click.argument("run")
@journal_option
@export_options
def export(run: str, journal: JournalAddress, target: RowTarget) -> None:
    """Write every item of a run as CSV or JSON lines.

    Each has its key, state, remote id, code, message, times (UTC) and run. The CSV form is safe to open in a
    spreadsheet: a cell that begins with = + - @, a tab or a carriage return, which a spreadsheet could take for a
    formula, gets an apostrophe before it. The JSON lines are exact.

    RUN is a run's id, or a unique prefix of one.
    """
    file = target.file
    if file is not None and journal.owns(file):
        raise click.UsageError(f"-o would overwrite the journal {journal}", click.get_current_context())
    run_async(_export(journal, run, target))


async def _export(address: JournalAddress, name: str, target: RowTarget) -> None:
    count = 0
    async with opened(address) as journal:
        record = await find_run(journal, address, name)
        with open_rows(target, ENTRIES, as_json=False) as write:
            async for entry in journal.entries(record.id):
                write((entry,))
                count += 1
    if target.file is not None:
        note(printable(f"{items(count)} of run {record.id} in {target.file}"))
