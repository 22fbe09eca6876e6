"""Fleets of workers on many machines that share one journal, limits and tokens, and process jobs from one queue.

::

    async with Cluster("postgresql://user@host/name") as cluster:
        job = await cluster.submit_file("orders", "orders.csv", seller="98979", rejects="rejects.csv")
        print((await cluster.job(job.job)).counts)

and on any number of machines ``octoffm cluster worker``. One PostgreSQL database holds the queue (procrastinate's), the
chunks of files, the journal, the limits and the tokens; Redis may hold the last two.

The modules
===========
:mod:`.submission` cuts a file into chunks. A *partition* is one seller and one kind of creation. :mod:`.scheduling`
leases a partition's chunks to workers, one at a time, by the policy that it describes; it ends a chunk, its counts,
its queue job and the next queue job in one transaction. :mod:`.queue` adapts the queue, procrastinate, to a database
that is unreachable for a time and to workers that were suspended. :mod:`.chunk_runner` runs a chunk through a bulk run
with the shared journal. :mod:`.worker_session` and :mod:`.worker` are the process around it, :mod:`.heartbeat` its
heartbeat; the lease of a worker, without which it sends nothing, is in :mod:`..journal.postgres.writer_lease`.
:mod:`.jobs` has the records, :mod:`.status` and :mod:`.metrics` report on jobs and workers, :mod:`.mirror` copies
stocks into tables.

Why nothing is sent twice and nothing is lost
=============================================
A worker writes every item to the journal before it sends it, as a writer whose lease the database has just confirmed.
When a worker dies, its lease expires; then other workers get its queue jobs, and first look up on the remote side the
items that it was sending. A worker that was only suspended finds its lease expired before the first byte of its next
request (``journal.fence``). It ends no chunk, because its queue jobs are no longer its own, and starts a new session. A
chunk that was processed but not ended is processed again: the journal knows all of its items, and its counts replace
those of the first time.

A plan for 10,000 sellers with 1,000,000 items each
===================================================
Measured with ``python -m benchmarks cluster`` on two processors that sandbox, workers and PostgreSQL shared. "Paced" is
with limits of 40 calls a second for each of 8 sellers, when commits are small; "fast" is without limits.

======================================  ==================================  =====================================
unit                                    one costs                           ten billion items
======================================  ==================================  =====================================
journal, a decided item, with index     340 bytes (210 after a rewrite)     3.4 TB if all of it is kept
journal, an item in flight              its request too, some 700 bytes     the same few MB: the space is used again
chunks, compressed                      20 bytes of like orders, 100 of     0.2 to 1 TB, until the jobs are forgotten
                                        unlike ones at most
WAL                                     1.2 to 1.3 kB an item               12 TB over the whole time
queue job of a chunk (500 items)        5 to 8 ms, 3.5 to 9 kB of WAL       20 million: 1 to 2 days, in parallel
of it the choice of the next            1.8 ms of 100, 1.5 of 10,000        one waits in each partition at most
processor, database                     80 µs fast, 300 to 500 paced        10 to 60 days of one core
processor, worker                       150 to 200 µs fast, 1 ms paced      20 to 120 days of one core
permit of a shared limit                under 50 µs a call                  ``python -m benchmarks shared_limits``
======================================  ==================================  =====================================

*Growth.* Only the rows of the journal and of chunks grow with items. The queue, the limits and the partitions grow with
sellers: 10,000 rows each. Tokens grow with accounts. Connections grow with workers: up to eleven each, mostly four or
five, so ``max_connections`` must be raised beyond some twenty workers; a pooler must use session pooling, since workers
listen. The memory of a worker grows with its concurrency, about 1 MB for each concurrent chunk.

*The first bottleneck* is the throughput of one database. At 20 calls a second for each of 10,000 sellers, 200,000
orders a second would be 250 MB of WAL a second and 16 cores if commits were large, 80 with commits as small as they are
then: more than one server can do. A server with 32 cores takes some 50,000 a second, so all items in two and a half
days instead of 14 hours; no seller waits for another meanwhile (see :mod:`.scheduling`). A call creates a hundred
products, so there the bottleneck comes at 500 calls a second. Beyond it, divide the sellers among several databases,
each with a fleet of its own: sellers share nothing but the client account's token, and 500 token calls an hour are
enough for hundreds of fleets.

*Table partitioning.* Every statement on entries names the seller and operation first, so the table can be partitioned
by hash of ``scope_id``, and the chunks by ``job``. If you expect more than a billion rows, create these tables so
before the first worker starts: workers leave existing tables as they are. Below that, one table and its index are as
fast.

*Retention.* ``octoffm cluster forget JOB`` deletes the chunks of a job that is over, ``octoffm jobs forget RUN`` the
journal's entries of its items. Run the first when the job's export is no longer needed. The second decides how long a
repeated key is recognised: keep a run for as long as its file may be submitted again. A seller's million created items
are 340 MB, and are deleted in pieces of a few thousand rows, so that no other transaction waits for it.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .cluster import Cluster
    from .stores.limits import PostgresLimits, RedisLimits
    from .stores.tokens import PostgresTokens, RedisTokens
    from .worker import Worker
    from .worker_session import WorkerOptions
else:
    __getattr__, __dir__ = lazy_names(  # importing this package needs no extra, using it does
        __name__,
        {
            "octoffm_async.cluster.cluster": ("Cluster",),
            "octoffm_async.cluster.stores.limits": ("PostgresLimits", "RedisLimits"),
            "octoffm_async.cluster.stores.tokens": ("PostgresTokens", "RedisTokens"),
            "octoffm_async.cluster.worker_session": ("WorkerOptions",),
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
