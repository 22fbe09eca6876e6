"""Reporting of differences between answers and the contract: one line at the end, and a file that keeps them all."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...events import ContractDrift
from ...text import printable
from .drift_file import DriftEntry, DriftFileError, drift_path_of_journal, record_drift

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ...events import Event

VARIABLE = "OCTOFFM_DRIFT"


class DriftRecorder:
    """A hook that records each difference and its time."""

    events: frozenset[type[Event]] = frozenset({ContractDrift})

    def __init__(self) -> None:
        self.seen: list[DriftEntry] = []

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, ContractDrift):
            self.seen.append(DriftEntry.of(event, datetime.now(UTC)))


def drift_path(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Return the file that ``--drift`` or the environment names."""
    if given is not None:
        return given
    named = environment.get(VARIABLE, "").strip()
    return Path(named) if named else None


@contextmanager
def recording_drift(named: Path | None, *, journal: Path | None = None) -> Generator[DriftRecorder]:
    """Report at the end, in one line on standard error, how answers differed, if they did.

    The context manager gives the hook that records them. A file that was ``named`` is always written, so that it shows
    a run without differences too; without one, differences are kept beside the ``journal``, if there is one.
    """
    noticed = DriftRecorder()
    try:
        yield noticed
    finally:
        if noticed.seen:
            keep = drift_path_of_journal(journal) if named is None and journal is not None else named
            click.echo(printable(f"octoffm: {_drift_message(noticed.seen, keep)}"), err=True)
    if named is not None and not noticed.seen:
        try:
            record_drift(named, [])
        except DriftFileError as error:
            click.echo(printable(f"octoffm: {error}"), err=True)


def _drift_message(seen: list[DriftEntry], keep: Path | None) -> str:
    ways = "1 way" if len(seen) == 1 else f"{len(seen):,} ways"
    what = f"the API's answers differed from the contract in {ways}"
    if keep is None:
        return f"{what}; to see them, say -v, or --drift FILE and then: octoffm contract drift FILE"
    try:
        record_drift(keep, seen)
    except DriftFileError as error:
        return f"{what}, which could not be kept: {error}; name another file with --drift, or say -v"
    return f"{what}; to see them and what to do: {shlex.join(['octoffm', 'contract', 'drift', str(keep)])}"
