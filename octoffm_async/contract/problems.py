"""The error for an item that breaks a rule, at the bottom of the error tree that :mod:`octoffm_async.errors` draws."""

from collections.abc import Sequence

from .requests.checks import FieldProblem


class OctoffmError(Exception):
    """Base class of all errors of this package."""

    __module__ = "octoffm_async.errors"


class ValidationError(OctoffmError, ValueError):
    """An item breaks a rule of the API. Nothing was sent.

    ``key`` is the item's business reference (empty for filters); ``problems`` names each field and reason.
    """

    __module__ = "octoffm_async.errors"

    def __init__(self, what: str, key: str = "", problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(what, key, problems)
        self.what = what
        self.key = key
        self.problems: tuple[FieldProblem, ...] = tuple(problems)

    def __str__(self) -> str:
        named = f"{self.what} {self.key!r}" if self.key else self.what
        return f"{named} cannot be sent: " + "; ".join(map(str, self.problems))
