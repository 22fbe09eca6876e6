"""A journaled run over a file of items: shown live, interruptible, resumable, with rejects and a report."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from anyio import to_thread

from ...bulk.durable.status_tracking import FOLLOW_FOR
from ...bulk.job import RUN_ENDING
from ...bulk.outcomes import Failed
from ...client import FulfillmentClient
from ...contract.contract_file.translation import Translation
from ...journal import Journal
from ...tabular.item_reader import ItemReader
from ...tabular.rejects import RejectsFile
from ...text import UnwritableOutputError, printable
from ..contract.drift_option import recording_drift
from ..jobs.hints import jobs_command
from ..options import note
from ..output import items as items_text
from ..output import print_json_line
from ..progress import CommandResults, LimitUsage, counts_table, display_for, refreshing, wait_text
from ..runtime import check_stdout, interruptible
from .dry_run import dry_run
from .extra_members import check_plan
from .opening import notes_fact, open_file
from .options import FileOptions, repeated_command
from .recording import RejectedExample, RunStats
from .report import report_page, write_report
from .tally import FileCounts, OutcomeText, outcome_text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ...bulk.bulk import Bulk
    from ...bulk.outcomes import Outcome
    from ...bulk.run import Run
    from ...config import Config
    from ...contract.operations import Operation
    from ...events import Hook
    from ...tabular.column_plan import ColumnPlan
    from ...tabular.item_reader import RejectedItem
    from ...tabular.item_types import ItemType
    from ...tabular.rows import Table, TableRow
    from ..contract.drift_option import DriftRecorder
    from ..progress import Display

MAX_PRINTED_PROBLEMS = 20
"""Errors of items that are printed one by one on standard error; the rejects file has them all."""


@dataclass(frozen=True)
class FileCreation:
    """One kind of creation: its target, its operation, and the function that starts its run."""

    target: ItemType
    operation: Operation[Any]
    start: Callable[..., Run[Any, Any]]


class FileRun:
    """The state of a run over a file: counts, rejects, display and recording."""

    def __init__(self, file_options: FileOptions, creation: FileCreation, table: Table, plan: ColumnPlan) -> None:
        self.file_options = file_options
        self.creation = creation
        self.tally: FileCounts = FileCounts()
        self.recording: RunStats = RunStats()
        self.rejects: RejectsFile = RejectsFile(file_options.rejects_file, table)
        self.items: ItemReader = ItemReader(table, plan, self._faulty, keep=True)
        self.interrupted: int = 0
        """Exit code of an interruption; 0 without one."""
        self.failure: UnwritableOutputError | None = None
        """The first output that could not be written: it ends the run in order."""
        self._stop: Callable[[], None] = lambda: None
        self.odd_references: int = 0
        self.run_id: str | None = None
        self._printed_problems = 0
        title = creation.target.plural.capitalize()
        self.show: Display = display_for(json=file_options.as_json)
        self._title = title
        self._limit = LimitUsage()

    async def run(self, client: FulfillmentClient, journal: Journal) -> None:
        """Send the items until the end of the input or an interruption."""
        file_options = self.file_options

        def show_state() -> None:
            stats, summary = client.stats(), run.summary
            waits = wait_text(
                stats,
                summary,
                deadline=client.config.bulk_deadline,
                patience=file_options.patience,
                follow_for=file_options.follow_for or FOLLOW_FOR,
            )
            with self._writing():
                text = f"{summary.per_second:,.0f}/s · {waits or self._limit(stats)}"
                self.show.progress(self.tally.share(self.items), self.tally.titled, text)

        more: dict[str, Any] = {} if file_options.follow is None else {"follow": file_options.follow}
        if file_options.follow is not None and file_options.follow_for is not None:
            more["follow_for"] = file_options.follow_for
        if file_options.verify_first:
            more["verify_first"] = True
        if file_options.concurrency is not None:
            more["concurrency"] = file_options.concurrency
        await to_thread.run_sync(self.items.prepare)
        run = self.creation.start(
            client.bulk,
            self.items,
            journal=journal,
            drain=0.0,  # the interrupt handler gives the time to drain, before the run is left
            patience=file_options.patience,
            resend_unknown=file_options.resend_unknown,
            strict_references=file_options.strict_references or None,
            **more,
        )
        if (odd := run._odd) is not None:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (shown, not logged)
            odd.on_warning = self._print_odd
        self._stop = run.stop
        self.show.begin(self._title)
        try:
            with interruptible(run.stop, drain=file_options.drain, say=self.show.message) as interrupts:
                async with run, refreshing(show_state):
                    async for outcome in run:
                        self._note(outcome)
            self.interrupted = interrupts.exit_code
        finally:
            for outcome in run.leftover:
                self._note(outcome)
            self.run_id = run.run_id
            self.odd_references = run.summary.odd_references
            self.items.close()
            with self._writing():
                self.rejects.close()

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Stop the run in order if an output cannot be written: what is in flight is still noted in the journal."""
        try:
            yield
        except UnwritableOutputError as error:
            self.failure = self.failure or error
            self._stop()

    def _note(self, outcome: Outcome) -> None:
        text = outcome_text(outcome)
        self.tally.add(text)
        if self.file_options.report is not None and text.what != "unsent":
            self.recording.count_decided()
        if text.what in {"created", "already"} and not self.file_options.as_json:
            self.items.forget(outcome.key)
            return
        rows = self.items.release(outcome.key)
        line = rows[0].line if rows else None
        if self.file_options.as_json and self.failure is None:
            code, message = text.code or None, text.message or None
            fields = {"key": outcome.key, "outcome": text.what, "id": text.id, "line": line}
            with self._writing():
                self.show.outcome(fields | {"code": code, "message": message})
        ended = isinstance(outcome, Failed) and isinstance(outcome.error, RUN_ENDING)  # reported once, as an error
        if text.what in {"refused", "failed", "unknown"} and not ended:
            self._trouble(outcome.key, text, line, rows)

    def _trouble(self, key: str, text: OutcomeText, line: int | None, rows: tuple[TableRow, ...]) -> None:
        self.recording.record_rejected(text.what, text.code, RejectedExample(key, line, text.message))
        code = "" if text.message.startswith(text.code) else f"{text.code} "
        reason = f"{text.what}: {code}{text.message}"
        if rows and text.what == "refused":  # others need no correction: the same command sends them, or looks them up
            with self._writing():
                self.rejects.add(rows, reason)
        self._say(f"{'' if line is None else f'line {line}, '}{key}: {reason}")

    def _faulty(self, faulty: RejectedItem) -> None:
        self.tally.faulty += 1
        with self._writing():
            self.rejects(faulty)
        first = faulty.problems[0]
        self.recording.record_rejected(
            "faulty", first.field or "row", RejectedExample(faulty.key, first.line, first.without_line())
        )
        for problem in faulty.problems:
            if self.file_options.as_json and self.failure is None:
                fields = {
                    "key": faulty.key,
                    "outcome": "faulty",
                    "line": problem.line,
                    "column": problem.column or None,
                }
                with self._writing():
                    self.show.outcome(
                        fields | {"field": problem.field, "value": problem.value, "message": problem.reason}
                    )
            self._say(str(problem))

    def _print_odd(self, text: str) -> None:
        if self.file_options.as_json:
            print_json_line({"event": "odd_references", "message": text})
        else:
            self.show.message(f"octoffm: {printable(text)} (--strict-references refuses them)")

    def _say(self, text: str) -> None:
        self._printed_problems += 1
        if self.file_options.as_json or self._printed_problems > MAX_PRINTED_PROBLEMS + 1:
            return
        if self._printed_problems > MAX_PRINTED_PROBLEMS:
            self.show.message(printable(f"… and more: see {self.rejects.path}"))
        else:
            self.show.message(printable(f"{self.file_options.file}, {text}"))

    def finish(self, client: FulfillmentClient) -> int:
        """Show the summary, write the report, and return the exit code."""
        file_options, stats = self.file_options, client.stats()
        seconds = self.recording.seconds
        code = self.interrupted or self.tally.exit_code()
        facts: dict[str, Any] = {"rows": self.items.rows, "seconds": round(seconds, 1), "calls": stats.calls}
        facts |= {"items per second": _rate(self.tally.done, seconds), "followed until": file_options.follow}
        facts |= {"throttled": stats.throttled, "retries": stats.retries, "drift": stats.drift}
        facts |= {"odd references": self.odd_references or None}
        notes = self.items.notes
        facts |= {"left out": self.items.left_out or None}
        facts |= {"read as": notes.as_fields() if file_options.as_json else notes_fact(notes)}
        facts |= {"journal": str(file_options.journal_address)}
        facts |= {"run": self.run_id, "rejects file": str(self.rejects.path) if self.rejects.items else None}
        if file_options.report is not None:
            what = self.creation.target.plural
            page = report_page(what, str(file_options.file), self.tally, facts, self.recording)
            with self._writing():
                write_report(file_options.report, page)
            facts["report"] = str(file_options.report)
        facts |= {"interrupted": self.interrupted > 0} if file_options.as_json else {}
        with self._writing():
            what = self.creation.target.plural
            table = counts_table(what, self.tally.titled)
            self.show.summary(CommandResults(table, {"what": what, "counts": self.tally.counts}, facts))
        return code


async def create_from_file(file_options: FileOptions, creation: FileCreation) -> int:
    """Carry out ``octoffm products create FILE`` and the like."""
    file_options.check_paths(journal=not file_options.dry_run, rejects=not file_options.dry_run)
    table, plan = open_file(file_options, creation.target)
    check_plan(Translation(file_options.contract_file), plan)
    if file_options.dry_run:
        return dry_run(file_options, table, plan, creation.operation)
    config = file_options.config()
    check_stdout()
    address = file_options.journal_address
    with recording_drift(file_options.drift_file, journal=address.file) as noticed:
        async with Journal.open(address.address, verify_first=file_options.verify_first) as journal:
            undecided = await _undecided(journal, config.seller_id, creation.operation.name)
            if undecided and not file_options.as_json:
                until = f"an item that is not found counts as absent {file_options.patience:g} s after it was sent"
                note(f"{items_text(undecided, 'undecided')} will be looked up; {until}")
            if (file_options.verify_first or journal.gap is not None) and not file_options.as_json:
                when = f"within {2 * file_options.patience:g} s, the list of all orders is read once"
                note(f"orders new to the journal are looked up before they are sent; {when}")
            return await _send(FileRun(file_options, creation, table, plan), config, journal, noticed)


async def _send(state: FileRun, config: Config, journal: Journal, noticed: DriftRecorder) -> int:
    try:
        hooks: list[Hook] = [noticed] if state.file_options.report is None else [state.recording, noticed]
        async with FulfillmentClient(config, hooks=hooks) as client:
            await state.run(client, journal)
            code = state.finish(client)
    except BaseException:
        state.show.close()
        if state.run_id is not None:
            click.echo(f"octoffm: not finished; to resume, run the same command again: {repeated_command()}", err=True)
        raise
    finally:
        state.show.close()
    _print_next_steps(state)
    if state.failure is not None:
        raise state.failure
    return code


def _rate(items: int, seconds: float) -> float:
    rate = items / seconds if seconds > 0 else 0.0
    return round(rate) if rate >= 10 else round(rate, 1)


def _print_next_steps(state: FileRun) -> None:
    """Print the next steps on standard error."""
    if state.rejects.items and not state.file_options.as_json:
        text = f"{state.rejects.items:,} rejected, with the reasons: correct them in {state.rejects.path}"
        click.echo(f"octoffm: {text} and send that file with the same options", err=True)
    if state.failure is not None:
        click.echo(
            "octoffm: stopped: an output cannot be written; the journal knows what was sent. To resume:", err=True
        )
        click.echo(f"  {repeated_command()}", err=True)
    elif state.interrupted:
        click.echo("octoffm: interrupted; the journal knows what was sent. To resume:", err=True)
        click.echo(f"  {repeated_command()}", err=True)
    elif state.tally.unknown and state.run_id is not None:
        click.echo("octoffm: some may exist or not; the same command looks them up again. To see them:", err=True)
        click.echo(f"  {jobs_command('show', state.file_options.journal_address, state.run_id)}", err=True)


async def _undecided(journal: Journal, seller: str, operation: str) -> int:
    return sum(
        record.undecided for record in await journal.runs() if record.seller == seller and record.operation == operation
    )


def start_products(bulk: Bulk, items: ItemReader, **how: Any) -> Run[Any, Any]:
    """Start a run that creates products."""
    return bulk.create_products(items, **how)


def start_orders(bulk: Bulk, items: ItemReader, **how: Any) -> Run[Any, Any]:
    """Start a run that creates shipping orders."""
    return bulk.create_outbound(items, **how)


def start_supplies(bulk: Bulk, items: ItemReader, **how: Any) -> Run[Any, Any]:
    """Start a run that creates supply orders."""
    return bulk.create_inbound(items, **how)
