"""The interface of every peer, and the way to spread its calls."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..answers import API, STOCK_ID
from ..measuring import spread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MOST_IN_FLIGHT = 200
_NEXT = re.compile(r'<([^<>]*)>; rel="next"')


class Target(NamedTuple):
    """The address of the stub, ``http://127.0.0.1:PORT``, and the certificate to trust if it is ``https``."""

    origin: str
    token_path: str
    certificate: str | None = None

    @property
    def orders(self) -> str:
        """The address at which orders are created."""
        return f"{self.origin}{API}/outbound-shipments"

    @property
    def stock(self) -> str:
        """The address of the one stock."""
        return f"{self.origin}{API}/stocks/{STOCK_ID}"

    @property
    def stocks(self) -> str:
        """The address of the first page of stocks."""
        return f"{self.origin}{API}/stocks?limit=1000"

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return a context that trusts the stub, if it uses TLS."""
        return None if self.certificate is None else ssl.create_default_context(cafile=self.certificate)


class Walked(NamedTuple):
    """The result of reading all pages: the number of rows, and the last row."""

    rows: int
    last: Any


class Peer(Protocol):
    """A client of the API, as one would write it with some library."""

    async def open(self, target: Target) -> None:
        """Prepare for calls."""
        ...

    async def post(self) -> str:
        """Create the order and return its id."""
        ...

    async def get(self) -> Any:
        """Return the one stock, as this library decodes it."""
        ...

    async def page_walk(self) -> Walked:
        """Read all pages of stocks by cursor, every row decoded; the stub's setting decides their number."""
        ...

    async def spread(self, call: Callable[[], Awaitable[object]], count: int, in_flight: int) -> None:
        """Make ``count`` calls, ``in_flight`` at a time."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class Spread:
    """The usual way to spread calls: tasks that share one iterator."""

    async def spread(self, call: Callable[[], Awaitable[object]], count: int, in_flight: int) -> None:
        """See :class:`Peer`."""
        await spread(call, count, in_flight)


def next_address(target: Target, link: str | None) -> str | None:
    """Return the address of the next page from its ``Link`` header, if there is one."""
    found = _NEXT.search(link or "")
    return None if found is None else target.origin + found[1]
