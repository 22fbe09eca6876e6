"""A fleet of 1, 2 and 4 workers against one plain process: at equal limits, and as fast as two processors allow."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from benchmarks.servers import PostgresServer
from octoffm_async.cluster.jobs import CHUNK

from ..cluster_run import SELLERS, ClusterBench, with_fsync
from ..rounds import Case, Column, Result, Table, interleave
from ..turns_run import turns

if TYPE_CHECKING:
    from ..options import Options

RATE = 40
"""Calls a second for each seller."""
WORKERS = (1, 2, 4)
LANES = (100, 1_000, 10_000)
PLAIN = "plain process"


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    limited = options.size or SELLERS * RATE * (25 if options.seconds >= 0.4 else 4)
    free = options.size or SELLERS * (800 if options.seconds >= 0.4 else 100)
    at_limits = f"{limited:,} orders of {SELLERS} sellers at {RATE} a second each"
    tables = [
        _table("limited", at_limits, rate=RATE, items=limited, options=options),
        _turns_table(options),
        _table("free", f"{free:,} orders of {SELLERS} sellers without a limit", rate=None, items=free, options=options),
    ]
    notes = [
        f"Chunks of {CHUNK} items. PostgreSQL with fsync, sandbox, workers and the plain process share the processors.",
        "The plain process has a SQLite journal; its disk is that file.",
        "Server CPU is of the processes of PostgreSQL that live at the end; WAL includes full pages after checkpoints.",
    ]
    return Result(part="cluster", tables=tables, notes=notes)


def _table(name: str, title: str, *, rate: int | None, items: int, options: Options) -> Table:
    with ClusterBench(rate=rate, loop=options.loop) as bench:
        cases = [Case(PLAIN, lambda: bench.plain(items)), *(_case(bench, workers, items) for workers in WORKERS)]
        measured = interleave(cases, max(1, options.rounds // 2))
    return Table(
        name=name,
        title=title,
        columns=[
            Column("rate", "items/s", 0),
            Column("rate", "×", 2, PLAIN),
            *([Column("used", "% of limit")] if rate else []),
            Column("cpu", "CPU µs/item", 0),
            Column("server", "server µs/item", 0),
            Column("wal", "WAL B/item", 0),
            Column("commits", "commits/item", 3),
            Column("disk", "disk B/item", 0),
            Column("chunks", "of it chunks", 0),
            Column("requests", "requests, most MiB"),
            Column("dead", "dead rows of it, most", 0),
            Column("load", "loaded items/s", 0),
        ],
        figures=measured.figures,
        order=measured.order,
        lead="rate",
        sort=False,
        highlight=[PLAIN],
    )


def _turns_table(options: Options) -> Table:
    count = 300 if options.seconds >= 0.4 else 50
    with PostgresServer() as server:
        with_fsync(server)
        numbers = itertools.count()

        def case(lanes: int) -> Case:
            name = f"{lanes:,} lanes"
            return Case(name, lambda: turns(server.address(f"turns_{next(numbers)}"), lanes=lanes, count=count))

        measured = interleave([case(lanes) for lanes in LANES], max(1, options.rounds // 2))
    return Table(
        name="turns",
        title=f"Scheduling one chunk in the database, by waiting lanes (partitions); {count} chunks, one by one",
        columns=[
            Column("fetch", "choose ms", 2),
            Column("take", "take ms", 2),
            Column("end", "end ms", 2),
            Column("sum", "together ms", 2),
            Column("wal", "WAL B", 0),
        ],
        figures=measured.figures,
        order=measured.order,
        lead="sum",
        sort=False,
        plot=False,
    )


def _case(bench: ClusterBench, workers: int, items: int) -> Case:
    return Case(f"{workers} worker{'s' if workers > 1 else ''}", lambda: bench.fleet(workers, items))
