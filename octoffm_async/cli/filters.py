"""Options by which lists are narrowed down: times, known values, numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..contract.base import OpenEnum

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:  # click has made it generic only lately
    _Type = click.ParamType

F = TypeVar("F", bound="Callable[..., Any]")

_AGO = re.compile(r"(\d{1,6})\s*(s|min|h|d)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
WHEN = "2026-11-23, 2026-11-23T08:00 (local time), …Z, or 90min, 2h, 3d ago"


class Moment(_Type):
    """A time: ISO 8601, local where it has no zone, or how long ago."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            if (ago := _AGO.fullmatch(text)) is not None:
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            found = datetime.fromisoformat(text)
            return found.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{text!r} is not a time: {WHEN}", param, ctx)


class Known(_Type):
    """A value of the API, in any case. One that this version does not know is used as it is, with a warning."""

    def __init__(self, values: type[OpenEnum]) -> None:
        self._values = values
        self.name = values.__name__

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        return "|".join(self._values)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).strip():
            self.fail(f"is empty: {', '.join(self._values)}", param, ctx)
        found = self._values(str(value).strip())
        if not found.known:
            told = f"{found.value!r} is not one of {', '.join(self._values)}; it is used as it is"
            click.echo(f"octoffm: {told}", err=True)
        return str(found.value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        return [CompletionItem(value) for value in self._values if value.casefold().startswith(incomplete.casefold())]


MOMENT = Moment()


def period_options(what: str) -> Callable[[F], F]:
    """``--updated-since`` and ``--updated-until``; the command gets ``updated_since`` and ``updated_until``."""

    def add(command: F) -> F:
        until = f"Only what was {what} at or before this time."
        command = click.option(f"--{what}-until", type=MOMENT, metavar="WHEN", help=until)(command)
        since = f"Only what was {what} at or after this time: {WHEN}."
        return click.option(f"--{what}-since", type=MOMENT, metavar="WHEN", help=since)(command)

    return add


def limit_option(command: F) -> F:
    """``--limit N``; the command gets ``limit: int | None``."""
    return click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N of them.")(command)


def country_option(command: F) -> F:
    """``--country``; the command gets ``country: str | None``."""
    return click.option("--country", metavar="CODE", callback=upper, help="Storage country: FR, ES, UK.")(command)


def reference_option(command: F) -> F:
    """``--reference``; the command gets ``reference: str | None``."""
    text = "Only what belongs to this reference of yours, as you wrote it when you registered the product."
    return click.option("--reference", metavar="REF", callback=_filled, help=text)(command)


def _filled(context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    if given is not None and not given.strip():
        raise click.BadParameter("it is empty", context, option)
    return given


def upper(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """A country's code as the API writes it."""
    return None if given is None else given.strip().upper()
