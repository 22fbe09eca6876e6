"""``octoffm cluster``: files as jobs for a fleet of workers that share one PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .cluster_export import export
from .cluster_options import cluster_option, opened
from .cluster_status import status, tell_job
from .cluster_submit import submit
from .cluster_worker import worker
from .exits import Exit
from .loop import run_async
from .options import json_option, verbose_option

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..cluster.cluster import Cluster
    from ..cluster.jobs import JobRecord


@click.group()
def cluster() -> None:
    """Files as jobs for many workers on many machines, with one PostgreSQL database between them.

    "submit" loads a file, "worker" does what was submitted, on as many machines as you like; "status" shows all of it
    from anywhere. Limits hold over all workers together, nothing is sent twice, and what a worker had in hand when it
    died goes on elsewhere.

    \b
    export OCTOFFM_CLUSTER=postgresql://user@host/name
    octoffm cluster submit orders create orders.csv --seller 98979
    octoffm cluster worker

    The address may also be given with --cluster, but other users of a machine can read a command with its password.
    """


def _on_job(command: Callable[[Cluster, str], Awaitable[JobRecord]], name: str, text: str) -> None:
    @click.command(name, help=text)
    @click.argument("job")
    @cluster_option
    @json_option
    @verbose_option
    def made(job: str, address: str, as_json: bool) -> int:
        async def work() -> JobRecord:
            async with opened(address) as open_cluster:
                return await command(open_cluster, job)

        tell_job(run_async(work()), as_json=as_json)
        return Exit.DONE

    cluster.add_command(made)


def _of(name: str) -> Callable[[Any, str], Awaitable[JobRecord]]:
    async def call(open_cluster: Any, job: str) -> JobRecord:
        record: JobRecord = await getattr(open_cluster, name)(job)
        return record

    return call


cluster.add_command(submit)
cluster.add_command(worker)
cluster.add_command(status)
_JOB = "JOB is a job's id, or a beginning of it that no other has."
_on_job(_of("cancel"), "cancel", f"Do no more of a job. What is in flight is finished; see retry.\n\n{_JOB}")
_on_job(
    _of("retry"),
    "retry",
    f"Try again what of a job is stuck or was cancelled. What is decided is not sent again.\n\n{_JOB}",
)
_on_job(_of("forget"), "forget", f"Delete a job that is over. The journal keeps what it knows of its items.\n\n{_JOB}")
cluster.add_command(export)
