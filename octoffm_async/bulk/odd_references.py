"""Warnings on references that an API may store in another form, before their orders are sent.

The first odd reference is logged at once, because orders are sent while the input is still being read; their number is
logged at the end. Two references that differ only in what an API may drop are reported, too, if at most some thousand
others came between them: keeping all tidied references of a long input would cost more than the orders themselves.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..contract.requests.checks import REFERENCE_MAX, FieldProblem, reference_oddity
from ..errors import ValidationError
from .reconciliation.reference_matching import tidied

if TYPE_CHECKING:
    from collections.abc import Callable

logger: logging.Logger = logging.getLogger("octoffm_async")

COMPARED = 10_000
"""Number of references that are compared with each other at a time."""
_FIRST = 5
"""Number of odd references that are listed."""
_MEANING = (
    "an API may store it in another form; if a response is lost, the order may not be recognised in the list and "
    "stays unknown"
)


def _warn(text: str) -> None:
    logger.warning("%s", text)


class OddReferences:
    """The odd references of one run. ``strict`` refuses them; ``field`` is the field of the reference."""

    def __init__(self, what: str, field: str, *, strict: bool = False, compared: int = COMPARED) -> None:
        self.on_warning: Callable[[str], None] = _warn
        """Function that is called with each warning; by default it writes to the log."""
        self.count: int = 0
        self.first: list[str] = []
        """Descriptions of the first few odd references, for people."""
        self._what = what
        self._field = field
        self._strict = strict
        self._most = compared
        self._recent: dict[str, str] = {}

    def look(self, reference: str) -> None:
        """Check a reference, and warn if it is odd.

        Raises:
            ValidationError: it is odd, and odd references are refused.
        """
        if not (reason := self.reason(reference)):
            return
        if self._strict:
            raise ValidationError(self._what, reference, [FieldProblem(self._field, reference, reason)])
        self.count += 1
        if len(self.first) < _FIRST:
            self.first.append(f"{reference[:60]!r} {reason}")
        if self.count == 1:
            self.on_warning(f"odd reference: {self.first[0]}: {_MEANING}")

    def reason(self, reference: str) -> str:
        """Return what is odd in a reference, by itself or beside those before it; empty if nothing is."""
        recent, reason = self._recent, ""
        if reference.isascii() and reference.isprintable() and " " not in reference and len(reference) <= REFERENCE_MAX:
            tidy = reference.lower().lstrip("0") or reference[:1]  # as most are: the two functions in one step
        else:
            reason, tidy = reference_oddity(reference), tidied(reference)
        like = recent.setdefault(tidy, reference)
        if len(recent) > self._most:
            recent.clear()
        if like is not reference and like != reference:
            why = f"differs from {like[:60]!r}, which came before, only in what an API may drop or change"
            reason = f"{reason}, {why}" if reason else why
        return reason

    def tell_all(self) -> None:
        """Warn of the number of odd references, if there was more than the one reported."""
        if self.count > 1:
            self.on_warning(f"{self.count} odd references in this input, the first: {'; '.join(self.first)}")
