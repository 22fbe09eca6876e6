"""What every peer does, and how its calls are spread."""

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
    """Where the stub is: ``http://127.0.0.1:PORT``, and the certificate to trust if it is ``https``."""

    origin: str
    token_path: str
    certificate: str | None = None

    @property
    def orders(self) -> str:
        """Where orders are created."""
        return f"{self.origin}{API}/outbound-shipments"

    @property
    def stock(self) -> str:
        """Where the one stock is."""
        return f"{self.origin}{API}/stocks/{STOCK_ID}"

    @property
    def stocks(self) -> str:
        """Where the first page of stocks is."""
        return f"{self.origin}{API}/stocks?limit=1000"

    def ssl_context(self) -> ssl.SSLContext | None:
        """A context that trusts the stub, if it speaks TLS."""
        return None if self.certificate is None else ssl.create_default_context(cafile=self.certificate)


class Walked(NamedTuple):
    """What a walk over pages read: rows, and the last of them."""

    rows: int
    last: Any


class Peer(Protocol):
    """A client of the API, as one would write it with some library."""

    async def open(self, target: Target) -> None:
        """Be ready to call."""
        ...

    async def post(self) -> str:
        """Create the order; its id."""
        ...

    async def get(self) -> Any:
        """The one stock, as this library decodes it."""
        ...

    async def page_walk(self) -> Walked:
        """Read all pages of stocks by cursor, every row decoded; the list is as long as the stub was told."""
        ...

    async def spread(self, call: Callable[[], Awaitable[object]], count: int, in_flight: int) -> None:
        """Call so often, so many at a time."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class Spread:
    """The usual way: tasks that share one iterator."""

    async def spread(self, call: Callable[[], Awaitable[object]], count: int, in_flight: int) -> None:
        """See :class:`Peer`."""
        await spread(call, count, in_flight)


def next_address(target: Target, link: str | None) -> str | None:
    """The address of the next page by its ``Link`` header, if there is one."""
    found = _NEXT.search(link or "")
    return None if found is None else target.origin + found[1]
