"""Functions of the ``jobs`` commands that open a journal and find a run in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click

from ...errors import JournalError
from ...journal import Journal
from ...journal.retention import SINGLE_CALLS
from ...journal.sqlite.file.lock import holder_of
from ..errors import line_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ...journal import Entry, RunRecord
    from ...journal.sqlite.file.lock import Holder
    from ..options import JournalAddress

RunState: TypeAlias = Literal["running", "finished", "interrupted", "unfinished"]

LAST_RUNS = 5


@asynccontextmanager
async def opened(
    address: JournalAddress, *, read_only: bool = True, verify_first: bool = False
) -> AsyncGenerator[Journal]:
    """Open the journal at an address; a file must exist. Reading works while another process writes.

    Raises:
        ClickException: The journal cannot be opened or, for reading, be read.
    """
    if address.file is not None and not address.file.exists():
        raise click.ClickException(f"there is no journal {address}")
    entered = False
    try:
        async with Journal.open(address.address, read_only=read_only, verify_first=verify_first) as journal:
            entered = True
            yield journal
    except JournalError as error:
        if entered and not read_only:
            raise
        raise click.ClickException(line_of(error)) from None


async def find_run(journal: Journal, address: JournalAddress, name: str) -> RunRecord:
    """Return the run whose id is ``name``, or the only run whose id begins with it.

    Raises:
        ClickException: No run matches, or several do; the error names the runs.
    """
    records = await journal.runs()
    found = [one for one in records if one.id == name] or [one for one in records if one.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise click.ClickException(f"{name!r} is ambiguous: {_some(found)}")
    if not records:
        raise click.ClickException(f"the journal {address} has no runs")
    raise click.ClickException(f"the journal {address} has no run {name!r}; there are {_some(records)}")


def holder_at(address: JournalAddress) -> Holder | None:
    """Return the process that writes a journal's file; ``None`` for a database, which many may write."""
    return None if address.file is None else holder_of(address.file)


def is_over(record: RunRecord) -> bool:
    """Return True if nothing is left to resume: nothing finishes a run of single calls, which may all be decided."""
    return record.finished_at is not None or (record.source == SINGLE_CALLS and not record.undecided)


def state_of(record: RunRecord, holder: Holder | None, address: JournalAddress) -> RunState:
    """Return the state of a run.

    ``unfinished``: a process that started after the run writes the journal, and may be resuming this run or not; in a
    database, any process may.
    """
    if record.finished_at is not None:
        return "finished"
    if holder is None and is_over(record):
        return "finished"
    if holder is None:
        return "interrupted" if address.file is not None else "unfinished"
    return "running" if record.started_at >= holder.since.replace(microsecond=0) else "unfinished"


def run_fields(record: RunRecord, address: JournalAddress) -> dict[str, Any]:
    """Return the fields of a run for JSON."""
    return {
        "run": record.id,
        "operation": record.operation,
        "seller": record.seller,
        "api": record.api,
        "source": record.source,
        "state": state_of(record, holder_at(address), address),
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "total": sum(record.counts.values()),
        "undecided": record.undecided,
        "counts": {state.value: count for state, count in record.counts.items()},
    }


def entry_fields(entry: Entry) -> dict[str, Any]:
    """Return the fields of an item for JSON."""
    return {
        "key": entry.key,
        "state": entry.state.value,
        "remote_id": entry.remote_id,
        "code": entry.code,
        "message": entry.message,
        "sent_at": entry.sent_at,
        "changed_at": entry.changed_at,
        "run": entry.run,
    }


def _some(records: Sequence[RunRecord]) -> str:
    last = [record.id for record in records[-LAST_RUNS:]]
    more = f"{len(records) - len(last):,} older ones and " if len(records) > len(last) else ""
    return more + ", ".join(last)
