"""What the commands of a fleet have in common: the address of its database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ..cluster.cluster import Cluster

F = TypeVar("F", bound="Callable[..., Any]")

EXTRA = "this needs an extra: pip install 'octoffm-async[cluster]'"


def cluster_option(command: F) -> F:
    """``--cluster ADDRESS``, or ``OCTOFFM_CLUSTER``; the command gets ``address: str``."""
    return click.option(
        "--cluster",
        "address",
        envvar="OCTOFFM_CLUSTER",
        required=True,
        metavar="ADDRESS",
        help="postgresql://user@host/name; better OCTOFFM_CLUSTER, which nobody else can read.",
    )(command)


def needs_extra() -> None:
    """Find out before anything is done whether the packages are there.

    Raises:
        ClickException: they are not; it says how to get them.
    """
    try:
        import procrastinate
        import psycopg
    except ImportError:
        raise click.ClickException(EXTRA) from None
    del procrastinate, psycopg


@asynccontextmanager
async def opened(address: str) -> AsyncGenerator[Cluster]:
    """The fleet at this address.

    Raises:
        ClickException: the extra is missing.
    """
    needs_extra()
    from ..cluster.cluster import Cluster

    async with Cluster(address) as cluster:
        yield cluster
