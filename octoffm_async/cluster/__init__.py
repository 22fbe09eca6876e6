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
Measured with ``python -m benchmarks cluster`` on two processors that sandbox, workers and PostgreSQL shared. "Paced" is
with limits of 40 calls a second for each of 8 sellers, when commits are small; "fast" is without limits.

======================================  ==================================  =====================================
what                                    one costs                           ten billion items
======================================  ==================================  =====================================
journal, a decided item, with index     340 bytes (210 after a rewrite)     3.4 TB if all of it is kept
journal, what is in flight              its request too, some 700 bytes     the same few MB: the space is used again
chunks, compressed                      20 bytes of like orders, 100 of     0.2 to 1 TB, until the jobs are forgotten
                                        unlike ones at most
WAL                                     1.2 to 1.3 kB an item               12 TB over the whole time
turn of a lane (500 items)              5 to 8 ms, 3.5 to 9 kB of WAL       20 million turns: 1 to 2 days, in parallel
of it the choice of the next            1.8 ms of 100, 1.5 of 10,000        one turn a lane waits at most
processor, database                     80 µs fast, 300 to 500 paced        10 to 60 days of one core
processor, worker                       150 to 200 µs fast, 1 ms paced      20 to 120 days of one core
permit of a shared limit                under 50 µs a call                  ``python -m benchmarks shared_limits``
======================================  ==================================  =====================================

*What grows with what.* Rows of the journal and of chunks grow with items, and nothing else does. The queue, the limits
and the lanes grow with sellers: 10,000 rows each. Tokens grow with accounts. Connections grow with workers: up to
eleven each, four or five mostly, so ``max_connections`` must be raised beyond some twenty workers; a pooler has to keep
sessions, since workers listen. The memory of a worker grows with its places, about 1 MB each.

*The first wall* is what one database can do. At 20 calls a second for each of 10,000 sellers, 200,000 orders a second
would be 250 MB of WAL a second and 16 cores if commits were large, 80 as small as they are then: more than one server
does. One with 32 cores takes some 50,000 a second, so all of it in two and a half days instead of 14 hours; no seller
waits for another one meanwhile (see :mod:`.fairness`). Products go a hundred a call, so there the wall comes at 500
calls a second. Past it, the sellers are divided among several databases, each with a fleet of its own: nothing but the
client account's token is shared between sellers, and 500 token calls an hour are enough for hundreds of fleets.

*Partitioning.* Every statement on entries names the seller and operation first, so the table can be divided by hash of
``scope_id``, and the chunks by ``job``: whoever expects more than a billion rows makes these tables so before the first
worker starts, for tables that are there are left as they are. Below that, one table and its index are as fast.

*Retention.* ``octoffm cluster forget JOB`` deletes the chunks of a job that is over, ``octoffm jobs forget RUN`` what
the journal knows of its items. The first can be done when nobody asks for the job's export any more. The second decides
how long a repeated key is recognised: keep a run for as long as its file may come again. A seller's million created
items are 340 MB and are forgotten in pieces of a few thousand rows, so that nothing waits for it.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .cluster import Cluster
    from .postgres_limits import PostgresLimits
    from .postgres_tokens import PostgresTokens
    from .redis_limits import RedisLimits
    from .redis_tokens import RedisTokens
    from .sessions import WorkerOptions
    from .worker import Worker
else:
    __getattr__, __dir__ = lazy_names(  # importing this package needs no extra, using it does
        __name__,
        {
            "octoffm_async.cluster.cluster": ("Cluster",),
            "octoffm_async.cluster.postgres_limits": ("PostgresLimits",),
            "octoffm_async.cluster.postgres_tokens": ("PostgresTokens",),
            "octoffm_async.cluster.redis_limits": ("RedisLimits",),
            "octoffm_async.cluster.redis_tokens": ("RedisTokens",),
            "octoffm_async.cluster.sessions": ("WorkerOptions",),
            "octoffm_async.cluster.worker": ("Worker",),
        },
    )

__all__ = [
    "Cluster",
    "PostgresLimits",
    "PostgresTokens",
    "RedisLimits",
    "RedisTokens",
    "Worker",
    "WorkerOptions",
]
