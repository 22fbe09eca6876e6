"""``octoffm jobs resume``: resume a run from its journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ...bulk.bulk import CONCURRENCY
from ...bulk.durable.status_tracking import FOLLOW_FOR
from ...client import FulfillmentClient
from ...errors import ConfigurationError
from ...journal import State
from ...journal.states import KEEPS_PAYLOAD
from ..contract.drift_option import drift_path, recording_drift
from ..errors import ExitCode
from ..files.options import DECIDING, call_rate_option, drain_option, with_rate
from ..options import (
    calling_options,
    environment,
    journal_option,
    note,
    verify_option,
    with_options,
)
from ..output import items, print_json_line
from ..progress import StepResult, display_for, refreshing, wait_text
from ..runtime import check_stdout, interruptible, run_async
from ..settings.reading import read_config
from .hints import UNREAD, jobs_command, print_interrupted, resume_command
from .journal import find_run, opened, run_fields
from .show import counts_of

if TYPE_CHECKING:
    from pathlib import Path

    from ...bulk.outcomes import Summary
    from ...config import Config
    from ...journal import Journal, RunRecord
    from ..contract.drift_option import DriftRecorder
    from ..options import JournalAddress
    from ..progress import Display


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """The options of the command."""

    run: str
    journal: JournalAddress
    env_file: Path | None
    concurrency: int
    patience: float
    drain: float
    resend_unknown: bool
    verify_first: bool
    rate: tuple[int, float] | str | None
    seller: str | None
    timeout: float | None
    proxies: bool
    contract: Path | None
    drift: Path | None
    as_json: bool

    def config(self) -> Config:
        """Return the client's settings, overridden by the options."""
        found = read_config(
            self.env_file,
            seller_id=self.seller,
            bulk_deadline=self.timeout,
            trust_env=self.proxies or None,
            contract=self.contract,
        )
        return with_rate(found, self.rate)

    @property
    def env_text(self) -> str | None:
        """The name of the file of variables."""
        return None if self.env_file is None else str(self.env_file)


@click.command()
@click.argument("run")
@journal_option
@click.option("--concurrency", type=click.IntRange(1), default=CONCURRENCY, show_default=True, help="Calls at a time.")
@call_rate_option
@drain_option
@with_options(*DECIDING, verify_option, *calling_options(900))
def resume(**options: Any) -> int:
    """Resume a run that was interrupted, without its input.

    Undecided items are looked up by their reference first and sent only if they surely do not exist; failed ones are
    sent again. Items that were never read from the input are not in the journal: for those, run the same command again
    with its input. Needs the credentials of the run's seller: the OCTOFFM_ variables, or --env-file.

    Exits with 0 if all items of the run are created, 1 if some are refused or failed, 3 if some are undecided, 130
    after Ctrl-C. The first Ctrl-C lets calls in flight finish, a second one stops at once; either way the run can be
    resumed.

    RUN is a run's id, or a unique prefix of one.
    """
    resume_options = ResumeOptions(**options)
    with recording_drift(
        drift_path(resume_options.drift, environment(resume_options.env_file)), journal=resume_options.journal.file
    ) as noticed:
        return run_async(_resume(resume_options, noticed))


async def _resume(resume_options: ResumeOptions, noticed: DriftRecorder) -> int:
    async with opened(resume_options.journal, verify_first=resume_options.verify_first) as journal:
        record = await find_run(journal, resume_options.journal, resume_options.run)
    config = resume_options.config()
    if config.seller_id != record.seller:
        raise ConfigurationError(
            f"run {record.id} is of seller {record.seller}, and the credentials are of seller {config.seller_id}: "
            "set OCTOFFM_SELLER_ID, or say --seller"
        )
    check_stdout()
    show = display_for(json=resume_options.as_json)
    try:
        async with (
            opened(resume_options.journal, read_only=False, verify_first=resume_options.verify_first) as journal,
            FulfillmentClient(config, hooks=[noticed]) as client,
        ):
            interrupted = await _go_on(resume_options, journal, record, client, show)
            record = await find_run(journal, resume_options.journal, record.id)
    finally:
        show.close()
    if resume_options.as_json:
        facts = {"interrupted": interrupted > 0, "drift": len(noticed.seen)}
        print_json_line({"event": "summary", **facts, **run_fields(record, resume_options.journal)})
    else:
        _print_result(record, resume_options, interrupted=interrupted > 0)
    if interrupted:
        print_interrupted(
            resume_options.journal, record.id, env_file=resume_options.env_text, contract=resume_options.contract
        )
        return interrupted
    return exit_code_of_run(record)


async def _go_on(
    resume_options: ResumeOptions, journal: Journal, record: RunRecord, client: FulfillmentClient, show: Display
) -> int:
    """Resume the run and return the exit code of an interruption; 0 without one."""
    total = sum(record.counts[state] for state in KEEPS_PAYLOAD)
    if record.undecided and not resume_options.as_json:
        undecided = items(record.undecided, "undecided")
        until = f"an item that is not found counts as absent {resume_options.patience:g} s after it was sent"
        note(f"{undecided} will be looked up; {until}")

    def show_state() -> None:
        summary = run.summary
        waits = wait_text(
            client.stats(),
            summary,
            deadline=client.config.bulk_deadline,
            patience=resume_options.patience,
            follow_for=FOLLOW_FOR,
        )
        show.progress(min(1.0, summary.total / total) if total else 1.0, _counts(summary), waits)

    run = client.bulk.resume(
        journal,
        record.id,
        concurrency=resume_options.concurrency,
        patience=resume_options.patience,
        resend_unknown=resume_options.resend_unknown,
        verify_first=resume_options.verify_first,
        drain=0.0,  # the interrupt handler gives the time to drain, before the run is left
    )
    show.begin("resume")
    try:
        with interruptible(run.stop, drain=resume_options.drain) as interrupts:
            async with run, refreshing(show_state):
                async for _ in run:
                    pass
    except BaseException:
        click.echo(f"octoffm: not finished; to resume: {_resume_command(resume_options, record)}", err=True)
        raise
    stats = client.stats()
    show.end(
        StepResult(
            step="resume",
            counts=_counts(run.summary),
            calls=stats.calls,
            throttled=stats.throttled,
            retries=stats.retries,
            drift=stats.drift,
            seconds=run.summary.seconds,
        )
    )
    return interrupts.exit_code


def exit_code_of_run(record: RunRecord) -> ExitCode:
    """Return the exit code of a run."""
    if record.undecided:
        return ExitCode.UNDECIDED
    bad = record.counts[State.REFUSED] + record.counts[State.FAILED] + record.counts[State.PENDING]
    return ExitCode.REFUSED if bad else ExitCode.DONE


def _print_result(record: RunRecord, resume_options: ResumeOptions, *, interrupted: bool) -> None:
    click.echo(f"run {record.id}, {record.operation}: {counts_of(record)}")
    if record.undecided or exit_code_of_run(record) is ExitCode.REFUSED:
        click.echo(f"why: {jobs_command('show', resume_options.journal, record.id)}")
    if not interrupted:
        click.echo(UNREAD)


def _counts(summary: Summary) -> dict[str, int]:
    return {name: getattr(summary, name) for name in ("created", "refused", "failed", "unknown", "skipped")}


def _resume_command(resume_options: ResumeOptions, record: RunRecord) -> str:
    return resume_command(
        resume_options.journal, record.id, env_file=resume_options.env_text, contract=resume_options.contract
    )
