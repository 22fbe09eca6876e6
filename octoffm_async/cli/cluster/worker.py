"""``octoffm cluster worker``: one process of the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..contract.drift_option import drift_path, recording_drift
from ..errors import ExitCode
from ..files.options import call_rate_option, with_rate
from ..options import (
    contract_option,
    drift_option,
    env_file_option,
    environment,
    note,
    proxies_option,
    timeout_option,
    verbose_option,
    with_options,
)
from ..output import items
from ..runtime import interruptible, run_async
from ..settings.reading import read_config, read_setting
from .options import cluster_option, needs_extra

if TYPE_CHECKING:
    from pathlib import Path

    from ...cluster.worker import Worker

STOP_WITHIN = 60.0
"""Seconds that running chunks get after the first Ctrl-C."""


def _minutes(context: click.Context, option: click.Parameter, given: str | None) -> int | None:
    """Convert ``15m`` or ``2h`` to minutes."""
    if given is None:
        return None
    number, unit = given[:-1], given[-1:]
    if unit not in ("m", "h") or not number.isdecimal() or not int(number):
        raise click.BadParameter(f"{given!r} is not like 15m or 2h", context, option)
    return int(number) * (60 if unit == "h" else 1)


@click.command(short_help="Process submitted jobs until stopped.")
@cluster_option
@click.option(
    "--concurrency", type=click.IntRange(1), default=32, show_default=True, metavar="N", help="Chunks at a time."
)
@call_rate_option
@click.option(
    "--redis",
    envvar="OCTOFFM_REDIS",
    metavar="ADDRESS",
    help="Share limits and tokens in Redis, not in the database; the same for all workers. Better OCTOFFM_REDIS.",
)
@click.option("--metrics-port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve metrics to Prometheus here.")
@click.option(
    "--metrics-host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address for --metrics-port."
)
@click.option("--mirror-every", callback=_minutes, metavar="15m", help="Keep the sellers' stocks in the database too.")
@click.option(
    "--lease",
    type=click.FloatRange(1),
    default=15.0,
    show_default=True,
    metavar="S",
    help="Seconds without a heartbeat after which this worker counts as dead.",
)
@click.option("--until-done", is_flag=True, help="End when no job has work left.")
@with_options(timeout_option(900), proxies_option, contract_option, drift_option, env_file_option, verbose_option)
def worker(
    *,
    address: str,
    concurrency: int,
    rate: tuple[int, float] | str | None,
    redis: str | None,
    metrics_port: int | None,
    metrics_host: str,
    mirror_every: int | None,
    lease: float,
    until_done: bool,
    timeout: float | None,
    proxies: bool,
    contract: Path | None,
    drift: Path | None,
    env_file: Path | None,
) -> int:
    """Process submitted jobs, together with all other workers of the fleet, until stopped.

    Credentials come from the environment of each worker, never from a job; OCTOFFM_CLUSTER_KEY, if it is set, encrypts
    the token that the workers share. The same goes for a contract file: all workers must be given the same one, by
    --contract or OCTOFFM_CONTRACT. Limits hold over all workers together.

    One SIGTERM or Ctrl-C lets items in flight finish and returns the others to the queue, for other workers to take
    at once; a second one stops at once. When a worker is killed, or its machine fails, the others notice it after
    --lease seconds and continue with its items: first they find out what became of them.

    Exits with 0 when it was stopped in order, 1 if the database is unreachable at the start, 2 if the API refuses the
    credentials, 130 or 143 (SIGTERM) when it was stopped at once.
    """
    needs_extra()
    from ...cluster.worker import Worker
    from ...cluster.worker_session import WorkerOptions

    config = read_config(
        env_file,
        seller_id=read_setting(env_file, "seller_id") or "fleet",  # each job names its own
        bulk_deadline=timeout,
        trust_env=proxies or None,
        contract=contract,
    )
    options = WorkerOptions(
        concurrency=concurrency,
        lease=lease,
        until_done=until_done,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        mirror_every=mirror_every,
        redis=redis,
    )
    with recording_drift(drift_path(drift, environment(env_file))) as noticed:
        return run_async(_work(Worker(address, with_rate(config, rate), options, hooks=[noticed])))


async def _work(worker: Worker) -> int:
    finished = False
    note(f"working for {worker.name}; Ctrl-C stops in order")
    with interruptible(worker.stop, drain=STOP_WITHIN) as interrupts:
        await worker.run()
        finished = True
    note(f"the worker has stopped; it decided {items(worker.items)}")
    return ExitCode.DONE if finished else interrupts.exit_code
