"""Options that filter lists: times, known values, numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from .options import note

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


class MomentParam(_Type):
    """A parameter type for a time: ISO 8601 (local if it has no zone), or an age such as ``2h``."""

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


class OpenEnumParam(_Type):
    """A parameter type for a value of the API, in any case. An unknown value is used unchanged, with a warning."""

    def __init__(self, values: type[OpenEnum]) -> None:
        self._values = values
        self.name: str = values.__name__

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        return "|".join(self._values)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).strip():
            self.fail(f"is empty: {', '.join(self._values)}", param, ctx)
        found = self._values(str(value).strip())
        if not found.known:
            message = f"{found.value!r} is not one of {', '.join(self._values)}; it is used unchanged"
            note(f"{message}")
        return str(found.value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        return [CompletionItem(value) for value in self._values if value.casefold().startswith(incomplete.casefold())]


MOMENT_PARAM = MomentParam()


def period_options(what: str, filter_name: str = "") -> Callable[[F], F]:
    """Add ``--updated-since`` and ``--updated-until``; the command receives ``updated_at_min`` and ``updated_at_max``.

    ``filter_name`` stands in place of ``updated_at`` where the list's filters have another name.
    """

    def add(command: F) -> F:
        name = filter_name or f"{what}_at"
        until = f"Only those {what} at or before this time."
        command = click.option(f"--{what}-until", f"{name}_max", type=MOMENT_PARAM, metavar="WHEN", help=until)(command)
        since = f"Only those {what} at or after this time: {WHEN}."
        return click.option(f"--{what}-since", f"{name}_min", type=MOMENT_PARAM, metavar="WHEN", help=since)(command)

    return add


def country_option(command: F) -> F:
    """Add ``--country``; the command receives ``storage_country: str | None``."""
    text = "Storage country: FR, ES, UK."
    return click.option("--country", "storage_country", metavar="CODE", callback=upper_case, help=text)(command)


def reference_option(command: F) -> F:
    """Add ``--reference``; the command receives ``reference: str | None``."""
    text = "Only those of this reference of yours, written as when you registered the product."
    return click.option("--reference", metavar="REF", callback=_filled, help=text)(command)


def _filled(context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    if given is not None and not given.strip():
        raise click.BadParameter("it is empty", context, option)
    return given


def upper_case(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """Return a country's code as the API writes it, in upper case."""
    return None if given is None else given.strip().upper()
