"""``octoffm cluster``: files as jobs for a fleet of workers that share one PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import ExitCode
from ..options import json_option, verbose_option
from ..runtime import run_async
from .export import export
from .options import cluster_option, opened
from .status import print_job, status
from .submit import submit
from .worker import worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ...cluster.cluster import Cluster
    from ...cluster.jobs import JobRecord


@click.group(short_help="Process files as jobs on many workers and machines.")
def cluster() -> None:
    """Load files as jobs for many workers on many machines, which share one PostgreSQL database.

    "submit" loads a file, "worker" processes the jobs, on as many machines as you like; "status" shows all of it from
    anywhere. Limits hold over all workers together, nothing is sent twice, and other workers continue with the items
    of a worker that died.

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

        print_job(run_async(work()), as_json=as_json)
        return ExitCode.DONE

    cluster.add_command(made)


def _of(name: str) -> Callable[[Any, str], Awaitable[JobRecord]]:
    async def call(open_cluster: Any, job: str) -> JobRecord:
        record: JobRecord = await getattr(open_cluster, name)(job)
        return record

    return call


cluster.add_command(submit)
cluster.add_command(worker)
cluster.add_command(status)
_JOB = "JOB is a job's id, or a unique prefix of one."
_on_job(_of("cancel"), "cancel", f"Cancel a job. Items in flight are finished; see retry.\n\n{_JOB}")
_on_job(
    _of("retry"),
    "retry",
    f"Retry what is stuck or cancelled in a job. Items with an outcome are not sent again.\n\n{_JOB}",
)
_on_job(_of("forget"), "forget", f"Delete a job that has ended. The journal keeps its entries.\n\n{_JOB}")
cluster.add_command(export)
