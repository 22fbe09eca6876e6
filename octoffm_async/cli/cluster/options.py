"""Options of all ``octoffm cluster`` commands: the address of the fleet's database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ...cluster.cluster import Cluster

F = TypeVar("F", bound="Callable[..., Any]")

EXTRA = "this needs an extra: pip install 'octoffm-async[cluster]'"


def cluster_option(command: F) -> F:
    """Add ``--cluster ADDRESS``, or ``OCTOFFM_CLUSTER``; the command receives ``address: str``."""
    return click.option(
        "--cluster",
        "address",
        envvar="OCTOFFM_CLUSTER",
        show_envvar=True,
        required=True,
        metavar="ADDRESS",
        help="postgresql://user@host/name; better by the variable, which other users cannot read.",
    )(command)


def needs_extra() -> None:
    """Check that the packages of the extra are installed, before anything is done.

    Raises:
        ClickException: A package is missing; the message says how to install it.
    """
    try:
        import procrastinate
        import psycopg
    except ImportError:
        raise click.ClickException(EXTRA) from None
    del procrastinate, psycopg


@asynccontextmanager
async def opened(address: str) -> AsyncGenerator[Cluster]:
    """Open the fleet at this address.

    Raises:
        ClickException: The extra is missing.
    """
    needs_extra()
    from ...cluster.cluster import Cluster

    async with Cluster(address) as cluster:
        yield cluster
