"""Telling of references that an API may keep in another form, before the order that has one is sent.

The first one is told at once, because orders are sent while the input is still read; how many there were is told in the
end. Two references that are equal but for what an API may drop are told, too, if no more than some thousand others
came between them: all tidied references of a long input would cost more than the orders themselves.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..contract.checks import FieldProblem
from ..contract.references import oddness
from ..errors import ValidationError
from .likeness import tidied

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("octoffm_async")

COMPARED = 10_000
"""References that are compared with each other at a time."""
_FIRST = 5
"""Odd references that are told by name."""
_MEANING = (
    "an API may keep it in another form, and if an answer is lost, the order may not be recognised in the list and "
    "stays unknown"
)


def _warn(text: str) -> None:
    logger.warning("%s", text)


class OddReferences:
    """The references of one run. ``strict`` refuses odd ones; ``field`` is where the reference stands."""

    def __init__(self, what: str, field: str, *, strict: bool = False, compared: int = COMPARED) -> None:
        self.tell: Callable[[str], None] = _warn
        """Is given what is to be told; by default, the log is."""
        self.count = 0
        self.first: list[str] = []
        """What is odd of the first few, for people."""
        self._what = what
        self._field = field
        self._strict = strict
        self._most = compared
        self._recent: dict[str, str] = {}

    def look(self, reference: str) -> None:
        """Tell of a reference that is odd.

        Raises:
            ValidationError: it is, and odd ones are to be refused.
        """
        reason = oddness(reference)
        like = self._recent.setdefault(tidied(reference), reference)
        if len(self._recent) > self._most:
            self._recent.clear()
        if like != reference:
            why = f"differs from {like[:60]!r}, which came before, only in what an API may drop or change"
            reason = f"{reason}, {why}" if reason else why
        if not reason:
            return
        if self._strict:
            raise ValidationError(self._what, reference, [FieldProblem(self._field, reference, reason)])
        self.count += 1
        if len(self.first) < _FIRST:
            self.first.append(f"{reference[:60]!r} {reason}")
        if self.count == 1:
            self.tell(f"odd reference: {self.first[0]}: {_MEANING}")

    def checking(self, check: Callable[[object], None], key: Callable[[object], str]) -> Callable[[object], None]:
        """Return a check of items that looks at their references, too, where they are right."""

        def check_both(item: object) -> None:
            check(item)
            self.look(key(item))

        return check_both

    def tell_all(self) -> None:
        """Tell how many there were, in the end, if there was more than the one that was told."""
        if self.count > 1:
            self.tell(f"{self.count} odd references in this input, the first: {'; '.join(self.first)}")
