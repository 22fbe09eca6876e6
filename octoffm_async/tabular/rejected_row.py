"""A row of a file that was not sent.

The module evaluates its annotations, which tools for references read: a named tuple does not tell where it was defined.
"""

from typing import NamedTuple

from ..contract.requests.checks import FieldProblem


class RejectedRow(NamedTuple):
    """A rejected row of the deprecated ``ProductRows``: its line, its business reference if known, and its problems.

    ``line`` is a physical line number, counted from 1; ``None`` when it is no longer known.
    """

    line: int | None
    key: str
    problems: tuple[FieldProblem, ...]
