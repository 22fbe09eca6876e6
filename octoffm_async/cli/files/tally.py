"""Counts of the outcomes of a file's items, finer than those of a run's summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...bulk.outcomes import Created, Done, Failed, Found, Missing, Refused, Skipped, Unknown
from ..errors import ExitCode, headline_of, without_call_details

if TYPE_CHECKING:
    from ...bulk.outcomes import Outcome
    from ...tabular.item_reader import ItemReader

SHOWN = ("created", "already", "found", "missing", "refused", "failed", "unknown", "faulty", "unsent")
TITLES = {"already": "created before", "faulty": "faulty in the file", "unsent": "not sent"}


class OutcomeText(msgspec.Struct, frozen=True):
    """An outcome in plain words. ``what`` is one of :data:`SHOWN`."""

    what: str
    id: str | None = None
    code: str = ""
    message: str = ""


class FileCounts(msgspec.Struct):
    """Counts of items by outcome."""

    created: int = 0
    already: int = 0
    found: int = 0
    missing: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    faulty: int = 0
    unsent: int = 0

    def add(self, text: OutcomeText) -> None:
        """Count one outcome."""
        setattr(self, text.what, getattr(self, text.what) + 1)

    @property
    def counts(self) -> dict[str, int]:
        """The counts, by name."""
        return {name: getattr(self, name) for name in SHOWN}

    @property
    def titled(self) -> dict[str, int]:
        """The counts above zero, by title."""
        return {TITLES.get(name, name): count for name, count in self.counts.items() if count}

    @property
    def done(self) -> int:
        """Items that have an outcome or were given up."""
        return sum(self.counts.values()) - self.unsent

    def share(self, items: ItemReader) -> float:
        """Return the fraction of the file whose items are done: of what was read of it, some may still be under way."""
        return items.share * min(1.0, self.done / max(1, items.good + items.faulty))

    def exit_code(self) -> ExitCode:
        """Return the exit code."""
        if self.unknown:
            return ExitCode.UNDECIDED
        bad = self.refused + self.failed + self.faulty + self.missing + self.unsent
        return ExitCode.REFUSED if bad else ExitCode.DONE


def outcome_text(outcome: Outcome) -> OutcomeText:  # noqa: PLR0911  (a table of cases)
    """Return an outcome in plain words."""
    match outcome:
        case Created(id=remote):
            return OutcomeText("created", remote)
        case Refused(code=code, message=message, error=error):
            return OutcomeText(
                "refused", None, code, without_call_details(message) if error is None else headline_of(error)
            )
        case Failed(error=error):
            return OutcomeText("failed", None, type(error).__name__, headline_of(error))
        case Unknown(reason=reason, error=error, retry_after=retry_after):  # of a journal: the reason says more
            return OutcomeText(
                "unknown",
                None,
                "",
                without_call_details(reason) if error is None or retry_after is not None else headline_of(error),
            )
        case Skipped(earlier=Created(id=remote), reason=reason):
            return OutcomeText("already", remote, "", reason)
        case Skipped(earlier=Refused(code=code, message=message)):
            return OutcomeText("refused", None, code, without_call_details(message))
        case Skipped(reason=reason):
            return OutcomeText("unsent", None, "", reason)
        case Found(stocks=stocks):
            return OutcomeText("found", " ".join(stock.id for stock in stocks))
        case Done():  # of no command
            return OutcomeText("found", None)
        case Missing(reason=reason):
            return OutcomeText("missing", None, "", reason)
