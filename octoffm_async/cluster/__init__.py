"""Many machines, one truth: a journal, limits and tokens that all share, and jobs for a fleet of workers.

::

    async with Cluster("postgresql://user@host/name") as cluster:
        job = await cluster.submit_file("orders", "orders.csv", seller="98979", rejects="rejects.csv")
        print((await cluster.job(job.job)).counts)

and on any number of machines ``octoffm cluster worker``. One PostgreSQL database holds the queue (procrastinate's), the
chunks of files, the journal, the limits and the tokens; Redis may hold the last two.

Who does what
=============
``submitting`` cuts a file into chunks. A *lane* is one seller and one kind of creation. ``turns`` gives out a lane's
chunks one at a time, whoever asks, and ends a chunk, its counts, the engine's job and the next turn in one transaction.
``fairness`` says whose turn it is. ``engine`` makes procrastinate bear a database that is away, and workers that slept.
``doing`` takes a chunk through a bulk run with the shared journal; ``sessions`` and ``worker`` are the process around
it, ``presence`` what it does beside, ``watching`` and ``exporting`` what others see of it.

Why nothing is sent twice and nothing is lost
=============================================
Every item is written to the journal before it leaves, by a writer whose lease the database has just confirmed. A worker
that dies is silent; after its lease its turns are given to others, who first look up on the remote side what it had in
hand. One that only slept finds its lease over before the first byte of its next request (``journal.fence``), ends
nothing, because its turns are no longer its own, and begins anew. A chunk that was done and not ended is done again:
the journal knows all of its items, and its counts replace those of the first time.

A plan for 10,000 sellers with 1,000,000 items each
===================================================
Measured with ``python -m benchmarks cluster`` and by hand on two processors that everything shared, busy with other
work; read them as what is certainly reached.

========================================  ==============================  =========================================
what                                      one costs                       ten billion items
========================================  ==============================  =========================================
journal, a decided item with its index    340 bytes (210 after a rewrite) 3.4 TB; a tenth if 30 of 300 days are kept
journal, an undecided one besides         its request, some 700 bytes     nothing: only what is in flight
chunks of 500, compressed                 60 to 90 bytes an item          0.8 TB, until the job is forgotten
WAL                                       1.3 to 1.5 kB an item           15 TB over the whole time
turn of a lane (fetch, take, end)         10 ms, 3.5 kB of WAL            20 million turns, 2.5 days of one core
choice of the next turn                   1.0 ms of 100, 1.2 of 10,000    no more than a turn a lane ever waits
processor, database                       190 to 340 µs an item           20 to 40 days of one core
processor, worker                         250 to 400 µs an item           30 to 45 days of one core
permit of a shared limit                  under 50 µs a call              see :mod:`.postgres_limits`
========================================  ==============================  =========================================

*What grows with what.* Rows of the journal and of chunks grow with items, and nothing else does. The queue, the limits
and the lanes grow with sellers: 10,000 rows each. Tokens grow with accounts. Connections grow with workers: up to
eleven each, four or five mostly, so ``max_connections`` must be raised beyond some twenty workers; a pooler has to keep
sessions, since workers listen. The memory of a worker grows with its places, about 1 MB each.

*The first wall* is what one database can write. At 20 calls a second for each of 10,000 sellers, 200,000 orders a
second would be 300 MB of WAL a second and 40 to 70 cores: more than one server does. A server with 16 cores takes some
50,000 a second, so all of it in two and a half days instead of 14 hours; no seller waits for another one meanwhile
(see :mod:`.fairness`). Products go a hundred a call, so there the wall comes at 500 calls a second. Past it, the
sellers are divided among several databases, each with a fleet of its own: nothing but the client account's token is
shared between sellers, and 500 token calls an hour are enough for hundreds of fleets.

*Partitioning.* Every statement on entries names the seller and operation first, so the table can be divided by hash of
``scope_id``, and the chunks by ``job``: whoever expects more than a billion rows makes these tables so before the first
worker starts, for tables that are there are left as they are. Below that, one table and its index are as fast.

*Retention.* ``octoffm cluster forget JOB`` deletes the chunks of a job that is over, ``octoffm jobs forget RUN`` what
the journal knows of its items. The first can be done when nobody asks for the job's export any more. The second decides
how long a repeated key is recognised: keep a run for as long as its file may come again. A seller's million created
items are 340 MB and are forgotten in pieces of a few thousand rows, so that nothing waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cluster import Cluster
    from .worker import Worker, WorkerOptions

__all__ = ["Cluster", "Worker", "WorkerOptions"]

_HOME = {"Cluster": "cluster", "Worker": "worker", "WorkerOptions": "worker"}


def __getattr__(name: str) -> Any:
    """What is named, loaded now: importing this package needs no extra, using it does."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
