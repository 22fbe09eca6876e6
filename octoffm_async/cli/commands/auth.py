"""``octoffm auth``: check the credentials and what they can reach."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ...errors import CallError, PermissionDeniedError
from ..advice import advice_for
from ..errors import ExitCode, line_of
from ..output import Column, print_facts, print_json_line, print_table, span
from ..remote import remote_command

if TYPE_CHECKING:
    from ...session.pagination import Pager
    from ..remote import Remote

group: click.Group = click.Group("auth", help="Check the credentials and what they can reach.")

TOLERANCE = 60.0
"""Seconds by which this machine's clock may differ from the API's before the command mentions it."""


class ReadResult(NamedTuple):
    """The result of one read of a service."""

    service: str
    error: CallError | None
    served_at: datetime | None

    @property
    def text(self) -> str:
        """``yes``, or the error in one line."""
        return "yes" if self.error is None else line_of(self.error)


_COLUMNS = (Column("service", "service"), Column("can be read", "text"))


@group.command("check", short_help="Check the credentials, and what they can reach.")
@remote_command
async def check(remote: Remote) -> int:
    """Fetch a token and read one item of each service, to see what the credentials can reach. Nothing is changed.

    Exits with 0 if all can be read, 1 if some cannot, 2 if the credentials were refused.
    """
    seconds = await remote.client.check()
    reached = await _reach(remote)
    errors = [one.error for one in reached if one.error is not None]
    if len(errors) == len(reached):
        raise errors[0]
    ahead = _ahead(reached)
    if remote.as_json:
        print_json_line(_fields(remote, seconds, reached, ahead))
    else:
        print_facts(
            {
                "token": f"valid for {span(seconds)}",
                "seller": remote.config.seller_id,
                "client": remote.config.client_id,
                "api": remote.config.base_url,
                "clock": _clock(ahead),
            }
        )
        print_table(reached, _COLUMNS)
    for hint in dict.fromkeys(hint for error in errors if (hint := advice_for(error))):
        click.echo(f"octoffm: {hint}", err=True)
    return ExitCode.REFUSED if errors else ExitCode.DONE


async def _reach(remote: Remote) -> list[ReadResult]:
    client = remote.client
    lists: dict[str, Pager[Any]] = {
        "products": client.products.references(limit=1),
        "inbound": client.inbound.list(limit=1),
        "stocks": client.stocks.list(limit=1),
        "orders": client.outbound.list(limit=1),
        "returns": client.returns.list(limit=1),
    }
    return list(await asyncio.gather(*(_read(service, pager) for service, pager in lists.items())))


async def _read(service: str, pager: Pager[Any]) -> ReadResult:
    try:
        page = await pager
    except CallError as error:
        return ReadResult(service, error, None)
    return ReadResult(service, None, page.served_at)


def _ahead(reached: list[ReadResult]) -> float | None:
    """Return the seconds by which this machine's clock is ahead of the API's; ``None`` if the API sends no time."""
    times = [one.served_at for one in reached if one.served_at is not None]
    return (datetime.now(UTC) - max(times)).total_seconds() if times else None


def _clock(ahead: float | None) -> str:
    if ahead is None:
        return ""
    if abs(ahead) <= TOLERANCE:
        return "agrees with the API's"
    direction = "ahead of" if ahead > 0 else "behind"
    return f"{span(abs(ahead))} {direction} the API's: correct it, else times in filters are wrong by as much"


def _fields(remote: Remote, seconds: float, reached: list[ReadResult], ahead: float | None) -> dict[str, Any]:
    return {
        "seller": remote.config.seller_id,
        "client_id": remote.config.client_id,
        "base_url": remote.config.base_url,
        "token_seconds": round(seconds),
        "clock_ahead_seconds": None if ahead is None else round(ahead),
        "reach": {one.service: one.error is None for one in reached},
        "errors": {one.service: one.text for one in reached if one.error is not None},
        "forbidden": [one.service for one in reached if isinstance(one.error, PermissionDeniedError)],
    }
