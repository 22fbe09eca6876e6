"""``octoffm cluster status``: jobs and workers, once or repeatedly until no work is left."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ...text import clear_screen, printable
from ..errors import ExitCode
from ..options import json_option, verbose_option
from ..output import Column, TablePrinter, age, items, print_facts, print_json_line
from ..progress import counts_text
from ..runtime import run_async
from .options import cluster_option, opened

if TYPE_CHECKING:
    from datetime import datetime

    from ...cluster.jobs import JobRecord
    from ...cluster.status import FleetStatus

TITLES = {"already": "created before", "unsent": "not sent"}


@click.command(short_help="Show the jobs and workers of the fleet.")
@click.argument("job", required=False)
@cluster_option
@click.option("--watch", is_flag=True, help="Repeat until no work is left.")
@click.option(
    "--every",
    type=click.FloatRange(0.1),
    default=2.0,
    show_default=True,
    metavar="S",
    help="Seconds between, with --watch.",
)
@json_option
@verbose_option
def status(job: str | None, address: str, watch: bool, every: float, as_json: bool) -> int:
    """Show the jobs and workers of the fleet, or one JOB (its id, or a unique prefix of it).

    Exits with 0 if all is done or in progress; for jobs that have ended, with 1 if some items were refused or not
    done, 3 if some are undecided.
    """
    return run_async(_status(job, address, every=every if watch else None, as_json=as_json))


async def _status(job: str | None, address: str, *, every: float | None, as_json: bool) -> int:
    async with opened(address) as cluster:
        while True:
            fleet = await cluster.status()
            records = fleet.jobs if job is None else [await cluster.job(job)]
            _show(fleet, records, one=job is not None, refreshing=every is not None, as_json=as_json)
            if every is None or all(record.is_over for record in records):
                return max((_verdict(record) for record in records), default=ExitCode.DONE)
            await asyncio.sleep(every)


def _show(fleet: FleetStatus, records: list[JobRecord], *, one: bool, refreshing: bool, as_json: bool) -> None:
    if as_json:
        for record in records:
            print_json_line({"event": "job", **job_fields(record)})
        fields: dict[str, Any] = msgspec.to_builtins(fleet)
        del fields["jobs"]
        print_json_line({"event": "fleet", "per_second": round(fleet.per_second, 1), **fields})
        sys.stdout.flush()
        return
    if refreshing and sys.stdout.isatty():
        click.echo(clear_screen(), nl=False)
    if one:
        for record in records:
            print_job(record, as_json=False)
    else:
        _print_all(fleet, records)
    click.echo(_fleet_line(fleet))
    sys.stdout.flush()


def _print_all(fleet: FleetStatus, records: list[JobRecord]) -> None:
    if not records:
        click.echo("no jobs yet: octoffm cluster submit … create FILE")
        return
    rows = TablePrinter(_columns(fleet.at))
    for record in records:
        rows.add(record)
    rows.close()


def _columns(now: datetime) -> tuple[Column, ...]:
    def submitted(record: JobRecord) -> str:
        return age(record.submitted_at, now)

    return (
        Column("job", "job"),
        Column("state", "state"),
        Column("seller", "seller"),
        Column("what", "operation"),
        Column("done", _share, right=True),
        Column("items", "items", right=True),
        Column("so far", _so_far),
        Column("submitted", submitted),
    )


def _fleet_line(fleet: FleetStatus) -> str:
    count = len(fleet.workers)
    if not count:
        return "no worker is running; start one: octoffm cluster worker"
    places = sum(worker.places for worker in fleet.workers)
    throttled = sum(worker.throttled for worker in fleet.workers)
    machines = len({worker.machine for worker in fleet.workers})
    parts = [
        f"{count:,} worker{'' if count == 1 else 's'} on {machines:,} machine{'' if machines == 1 else 's'}",
        f"{fleet.running:,} of {places:,} places taken",
        f"{fleet.waiting:,} in the queue",
        f"{fleet.per_second:,.0f} items/s",
    ]
    return ", ".join([*parts, *([f"{throttled:,} 429s"] if throttled else [])])


def _share(record: JobRecord) -> str:
    return f"{record.counts.decided / record.items:.0%}" if record.items else ""


def _so_far(record: JobRecord) -> str:
    counts = {TITLES.get(name, name): count for name, count in record.counts.as_dict().items()}
    parts = [counts_text(counts)] if any(counts.values()) else []
    parts += [f"{record.stuck:,} chunks stuck"] if record.stuck else []
    return ", ".join(parts)


def print_job(record: JobRecord, *, as_json: bool) -> None:
    """Print one job, as facts or as a line of JSON."""
    if as_json:
        print_json_line({"event": "job", **job_fields(record)})
        return
    print_facts(
        {
            "job": record.job,
            "state": record.state,
            "seller": record.seller,
            "what": record.operation,
            "source": printable(record.source),
            "run": record.run,
            "items": f"{items(record.items)} in {record.chunks:,} chunks, {record.ended:,} of them ended",
            "so far": _so_far(record),
            "faulty": f"{record.faulty:,} items of the file were rejected" if record.faulty else "",
            "submitted": record.submitted_at,
            "began": record.began_at,
            "ended": record.ended_at,
        }
    )


def job_fields(record: JobRecord) -> dict[str, Any]:
    """Return the fields of a job for JSON."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return fields | {"left": record.left}


def _verdict(record: JobRecord) -> ExitCode:
    if not record.is_over:
        return ExitCode.DONE
    if record.counts.unknown:
        return ExitCode.UNDECIDED
    return ExitCode.REFUSED if record.left or record.counts.refused else ExitCode.DONE
